"""A sheet of pictures with their classes, for a first look at a set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np


def sheet(images: np.ndarray, labels: np.ndarray, classes: Sequence[str], path: Path, columns: int = 10, rows: int = 4) -> None:
    """The first images of a set, uint8 [N,3,H,W]; sets come with their classes in turn."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.1 * columns, 1.35 * rows), layout="constrained")
    for axes, image, label in zip(figure.subplots(rows, columns).flat, images, labels):
        axes.imshow(image.transpose(1, 2, 0))
        axes.set_title(classes[label].replace("_", " "), fontsize=7)
    for axes in figure.axes:
        axes.set_axis_off()
    figure.savefig(path, dpi=120)
