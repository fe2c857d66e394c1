"""Per-image statistics of dense outputs, gathered a few images at a time so that no full-size set is ever in memory.

Logits [N, K, h, w] stand at the network's stride; they are resized to the labels [N, H, W] (255 = void) before the
softmax. Without labels the student's own grid is used and every pixel counts.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from kdbench.metrics import calibration, divergence, grid
from kdbench.metrics.arrays import Array, Outputs, ranked, refuse_infinite, same_items, teacher_name

VOID = 255
CHUNK = 200_000  # values of one net's resized logits held at a time: what fits a core's cache is also fastest


@dataclass
class Chunk:
    """A few images: log p of the student, and of the teacher where there is one, with what the labels say."""

    log_s: Array  # [n, K, H, W]
    log_t: Array  # empty without a teacher, and then no statistic asks for it
    labels: Array  # [n, H, W], 0 where void or unlabelled
    valid: Array  # bool [n, H, W]
    native_kl: Array | None  # [n, h, w] where both nets have one stride

    def __post_init__(self) -> None:
        self.classes = self.log_s.shape[1]
        self.student = self.log_s.argmax(axis=1)
        self.p_s = np.exp(self.log_s)
        if self.log_t.size:
            self.teacher = self.log_t.argmax(axis=1)
            self.p_t = np.exp(self.log_t)

    def sums(self, values: Array, mask: Array | None = None) -> Array:
        """Sum over the pixels of each image [n], over the valid ones unless a mask is given."""
        return np.where(self.valid if mask is None else mask, values, 0.0).sum(axis=(1, 2))

    def confusion(self, rows: Array, columns: Array, mask: Array) -> Array:
        """Counts [n, K, K] of (row class, column class) over the pixels of `mask`."""
        n, classes = len(rows), self.classes
        cell = (np.arange(n)[:, None, None] * classes + rows) * classes + columns
        return np.bincount(cell[mask], minlength=n * classes * classes).reshape(n, classes, classes)

    def counts(self, maps: Array, mask: Array) -> Array:
        """Pixels of each class [n, K] inside `mask`."""
        n, classes = len(maps), self.classes
        cell = np.arange(n)[:, None, None] * classes + maps
        return np.bincount(cell[mask], minlength=n * classes).reshape(n, classes)

    def bin_sums(self, confidence: Array, target: Array) -> Array:
        """Per image the sums of (target - confidence) in each confidence bin, then the number of valid pixels."""
        n, bins = len(confidence), calibration.BINS
        cell = (calibration.bin_of(confidence) + np.arange(n)[:, None, None] * bins)[self.valid]
        gaps = np.bincount(cell, weights=(target - confidence)[self.valid], minlength=n * bins)
        return np.concatenate([gaps.reshape(n, bins), self.valid.sum(axis=(1, 2))[:, None]], axis=1)

    def hits(self, same: Array, mask: Array) -> Array:
        """Per image (pixels of `mask` where `same` holds, pixels of `mask`)."""
        return np.stack([(same & mask).sum(axis=(1, 2)), mask.sum(axis=(1, 2))], axis=1).astype(np.float64)


def gather(
    student: Outputs, teachers: Sequence[Outputs], *statistics: Callable[[Chunk], dict[str, Array]], native: bool = False
) -> dict[str, Array]:
    """All per-image statistics [N, ...] that the functions make of each chunk."""
    parts: dict[str, list[Array]] = {}
    for chunk in chunks(student, teachers, native):
        for statistic in statistics:
            for name, values in statistic(chunk).items():
                parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def chunks(student: Outputs, teachers: Sequence[Outputs], native: bool) -> Iterator[Chunk]:
    """The images in order, a few at a time."""
    logits = ranked(student, "logits", "student", 4)
    members = [ranked(teacher, "logits", teacher_name(i, len(teachers)), 4) for i, teacher in enumerate(teachers)]
    if teachers:  # a truth metric has none
        same_items(student, teachers, ("labels", "ids"))
    for member in members:
        if member.shape[:2] != logits.shape[:2]:
            raise ValueError(f"logits: student {logits.shape[:2]} and teacher {member.shape[:2]} differ in images or classes")
    labels = ranked(student, "labels", "student", 3) if "labels" in student else None
    if labels is not None and len(labels) != len(logits):
        raise ValueError(f"labels: {len(labels)} maps for {len(logits)} images")
    size = logits.shape[2:] if labels is None else labels.shape[1:]
    one_stride = native and all(member.shape == logits.shape for member in members)
    step = max(1, CHUNK // (logits.shape[1] * size[0] * size[1]))
    for start in range(0, len(logits), step):
        part = slice(start, start + step)
        own = _part(logits, part, "student")
        others = [_part(member, part, teacher_name(i, len(members))) for i, member in enumerate(members)]
        marked, valid = _labels(labels, part, own.shape, size)
        native_kl = None
        if one_stride and others:
            native_kl = divergence.kl(divergence.ensemble_log_probs(others, axis=1), divergence.log_softmax(own, axis=1), axis=1)
        yield Chunk(
            log_s=divergence.log_softmax(grid.resize(own, *size), axis=1),
            log_t=divergence.ensemble_log_probs([grid.resize(o, *size) for o in others], axis=1) if others else np.empty(0),
            labels=marked,
            valid=valid,
            native_kl=native_kl,
        )


def _part(logits: Array, part: slice, who: str) -> Array:
    values = logits[part].astype(np.float64)
    refuse_infinite(values, f"{who} logits (images from {part.start})")
    return values


def _labels(labels: Array | None, part: slice, shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[Array, Array]:
    if labels is None:
        return np.zeros((shape[0], *size), dtype=np.int64), np.ones((shape[0], *size), dtype=bool)
    values = labels[part].astype(np.int64)
    valid = values != VOID
    marked = np.where(valid, values, 0)
    if marked.min() < 0 or marked.max() >= shape[1]:
        raise ValueError(f"labels: {marked.min()}..{marked.max()} beside void {VOID}, but the logits have {shape[1]} classes")
    return marked, valid
