"""A sheet of images over their label maps, with the colours of the classes, for a first look at a set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

MOST = 40  # classes that are named


def contact_sheet(
    path: Path,
    shown: Sequence[tuple[str, np.ndarray, np.ndarray]],
    names: Sequence[str],
    palette: np.ndarray,
    present: Collection[int] | None = None,
) -> None:
    """A row of images over a row of their labels for each (title, images uint8 [N,H,W,3], labels uint8 [N,H,W]); `present` says
    which classes the legend names."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    border = ((1, 1), (1, 1), (0, 0))
    figure = Figure(figsize=(10, 0.4 + 2 * len(shown)), layout="constrained")
    for axis, (title, images, labels) in zip(figure.subplots(len(shown), 1, squeeze=False).flat, shown, strict=True):
        rows = [np.hstack([np.pad(each, border, constant_values=255) for each in part]) for part in (images, palette[labels])]
        axis.imshow(np.vstack(rows), interpolation="nearest")
        axis.set_title(title, loc="left", fontsize=9)
        axis.set_axis_off()
    named = [each for each in range(len(names)) if present is None or each in present][:MOST]
    keys = [Patch(color=palette[each] / 255, label=names[each]) for each in named]
    keys.append(Patch(color="black", label="ignored"))
    figure.legend(handles=keys, loc="outside lower center", ncols=min(10, len(keys)), fontsize=7, frameon=False)
    figure.savefig(path, dpi=150)
