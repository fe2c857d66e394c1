"""Per-image statistics of dense outputs, gathered a few images at a time so that no full-size set is ever in memory.

Logits (or `probs`) [N, K, h, w] stand at the network's stride; they are resized to the labels [N, H, W] (255 = void)
before the softmax. Without labels the student's own grid is used and every pixel counts. Where only the answers of the
nets are known they are `decisions` [N, H, W], as large as the labels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kdbench.metrics import calibration, divergence, grid
from kdbench.metrics.arrays import Array, Outputs, Scores, ranked, same_items, same_shape, teacher_name, whole_numbers

VOID = 255
CHUNK = 200_000  # values of one net's resized logits held at a time: what fits a core's cache is also fastest


@dataclass
class Chunk:
    """A few images: class maps of the student and, where there is one, of the teacher, with what the labels say.

    What is missing is empty, and then no statistic asks for it.
    """

    classes: int
    labels: Array  # [n, H, W], 0 where void or unlabelled
    valid: Array  # bool [n, H, W]
    student: Array  # [n, H, W]
    teacher: Array
    log_s: Array = field(default_factory=lambda: np.empty(0))  # [n, K, H, W]
    log_t: Array = field(default_factory=lambda: np.empty(0))
    native_kl: Array | None = None  # [n, h, w] where both nets have one stride

    def __post_init__(self) -> None:
        self.p_s, self.p_t = np.exp(self.log_s), np.exp(self.log_t)

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


Statistic = Callable[[Chunk], dict[str, Array]]


def gather(student: Outputs, teachers: Sequence[Outputs], *statistics: Statistic, native: bool = False) -> dict[str, Array]:
    """All per-image statistics [N, ...] that the functions make of each chunk."""
    parts: dict[str, list[Array]] = {}
    for chunk in chunks(student, teachers, native):
        for statistic in statistics:
            for name, values in statistic(chunk).items():
                parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def chunks(student: Outputs, teachers: Sequence[Outputs], native: bool) -> Iterator[Chunk]:
    """The images in order, a few at a time."""
    if teachers:  # a truth metric has none
        same_items(student, teachers, ("labels", "ids"))
    labels = ranked(student, "labels", "student", 3) if "labels" in student else None
    return _decided(student, teachers, labels) if "decisions" in student else _probable(student, teachers, labels, native)


def _probable(student: Outputs, teachers: Sequence[Outputs], labels: Array | None, native: bool) -> Iterator[Chunk]:
    """Nets of which log p is known."""
    net = Scores.read(student, "student", 4)
    members = [Scores.read(teacher, teacher_name(i, len(teachers)), 4) for i, teacher in enumerate(teachers)]
    shape = net.array.shape
    for member in members:
        if member.array.shape[:2] != shape[:2]:
            raise ValueError(f"logits: student {shape[:2]} and teacher {member.array.shape[:2]} differ in images or classes")
    size = shape[2:] if labels is None else labels.shape[1:]
    one_stride = native and all(member.array.shape == shape for member in members)
    for part in _parts(shape[0], shape[1] * size[0] * size[1], labels):
        own, others = net.logits(part), [member.logits(part) for member in members]
        marked, valid = _labels(labels, part, shape[1], (len(own), *size))
        native_kl = None
        if one_stride and others:
            native_kl = divergence.kl(divergence.ensemble_log_probs(others, axis=1), divergence.log_softmax(own, axis=1), axis=1)
        log_s, *log_m = (divergence.log_softmax(_resized(values, size), axis=1) for values in (own, *others))
        log_t = divergence.log_mean(log_m) if others else np.empty(0)
        teacher = log_t.argmax(axis=1) if others else np.empty(0)
        yield Chunk(shape[1], marked, valid, log_s.argmax(axis=1), teacher, log_s, log_t, native_kl)


def _decided(student: Outputs, teachers: Sequence[Outputs], labels: Array | None) -> Iterator[Chunk]:
    """Nets that tell their answers only."""
    if len(teachers) > 1:
        raise ValueError("decisions have no mean probability, so only one teacher can be compared")
    sides = [ranked(net, "decisions", who, 3) for net, who in zip((student, *teachers), ("student", "teacher"))]
    same_shape([*sides, *([] if labels is None else [labels])], "decisions and labels")
    images, *size = sides[0].shape
    parts = list(_parts(images, size[0] * size[1], labels))
    told = int(student.get("classes", 0))  # where it is known: the last class need not be in anybody's answers
    classes = max(told, 1 + max(int(_answers(side, part).max()) for part in parts for side in sides))
    if labels is not None:
        classes = max(classes, *(1 + int(np.where(labels[part] == VOID, 0, labels[part]).max()) for part in parts))
    for part in parts:
        own, *other = (_answers(side, part) for side in sides)
        marked, valid = _labels(labels, part, classes, own.shape)
        yield Chunk(classes, marked, valid, own, other[0] if other else np.empty(0))


def _parts(images: int, values: int, labels: Array | None) -> Iterator[slice]:
    """Slices of some images each, of so many values an image."""
    if labels is not None and len(labels) != images:
        raise ValueError(f"labels: {len(labels)} maps for {images} images")
    step = max(1, CHUNK // values)
    return (slice(start, min(start + step, images)) for start in range(0, images, step))


def _answers(maps: Array, part: slice) -> Array:
    found = whole_numbers({"decisions": maps[part]}, "decisions", f"images from {part.start}:", 3)
    if (found == VOID).any():
        raise ValueError(f"decisions: {VOID} in the images from {part.start}: a net's answer is never void")
    return found


def _resized(values: Array, size: tuple[int, ...]) -> Array:
    if values.shape[2:] != size and np.isinf(values).any():
        raise ValueError("probs: a probability of 0 cannot be resized to the labels; give logits")
    return grid.resize(values, *size)


def _labels(labels: Array | None, part: slice, classes: int, shape: tuple[int, ...]) -> tuple[Array, Array]:
    if labels is None:
        return np.zeros(shape, dtype=np.int64), np.ones(shape, dtype=bool)
    values = labels[part].astype(np.int64)
    valid = values != VOID
    marked = np.where(valid, values, 0)
    if marked.min() < 0 or marked.max() >= classes:
        raise ValueError(f"labels: {marked.min()}..{marked.max()} beside void {VOID}, but the logits have {classes} classes")
    return marked, valid
