"""Looks at sets of scenes: pairs, sizes, shares of the classes, values that are no label, and images that flatter a test."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.findings import Finding, against, identified
from kdbench.tasks.data.photos.image_check import SHOWN, doubles
from kdbench.tasks.data.scenes import label_files, label_maps, scene_cache, scene_layouts
from kdbench.tasks.data.scenes.label_maps import OUTSIDE, VOID
from kdbench.tasks.data.scenes.scene_set import Part, Tree, partners
from kdbench.tasks.data.threads import each

MOST = 60  # values of labels of one's own that are listed
COLOUR = 1 << 24  # added to colours, to tell them from numbers
FRAME = re.compile(r"(.*?)[_/-]?(\d+)$")


@dataclass
class Tally:
    """Pixels of each value of a split's labels, and what is wrong with its files."""

    values: Counter[int] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    strange: dict[int, str] = field(default_factory=dict)  # value -> a file that holds it

    def add(self, other: Tally) -> None:
        self.values += other.values
        self.sizes += other.sizes
        self.bad += other.bad
        self.strange = other.strange | self.strange


def findings(name: str, folder: Path) -> list[Finding]:
    """Everything that can be said of a set without a choice of classes; files without a partner are left out and told."""
    known = scene_layouts.LAYOUTS[name].known
    found = scene_layouts.look(name, folder, True)
    tree = found.tree
    lines = [Finding("labels", f"{tree.code}: {', '.join(label_maps.spaces_of(tree.code))}")]
    lines += _alone(tree)
    table = None if tree.code == "own numbers" else _table_of(tree.code)
    for split, part in found.parts.items():
        what = f"{len(part.stems):,} images{'' if part.labels else ' without labels'}"
        expected = f"{known[split]:,} images" if split in known else ""
        lines.append(against(split, what, expected) if expected else Finding(split, what))
        if part.labels:
            lines += _of_labels(split, _tally(tree, part, table), table, tree.code)
    images = {split: part.images for split, part in found.parts.items()}
    lines += doubles(found.marks, images, folder) if "train" in found.marks else []
    lines += [Finding("neighbours", each) for each in neighbours({split: part.stems for split, part in found.parts.items()})]
    return [*lines, identified(found.fingerprint, "param source_content (or target_content) of task scenes")]


def _table_of(code: str) -> np.ndarray:
    space = label_maps.spaces_of(code)[0]
    return label_maps.table(code, space, len(label_maps.SPACES[space].names))


def _alone(tree: Tree) -> list[Finding]:
    """Images and labels that lack the other."""
    lines = []
    for split, (images, labels) in tree.splits.items():
        lone, orphans = partners(images, labels)
        if labels and (lone or orphans):
            told = f"{split}: {len(lone):,} images without a label, {len(orphans):,} labels without an image"
            lines.append(Finding("partners", f"{told}: {', '.join((lone + orphans)[:SHOWN])}", right=False))
    return lines or [Finding("partners", "every label has its image", right=True)]


def _tally(tree: Tree, part: Part, table: np.ndarray | None) -> Tally:
    image_of = dict(zip(part.labels, part.images, strict=True))

    def of_file(path: Path) -> Tally:
        try:
            coloured = label_files.colours_of(path) if table is None else None
            values = label_files.values(path, tree.writing) if coloured is None else coloured + COLOUR
            theirs = scene_cache.extent(image_of[path])
        except DataError as error:
            return Tally(bad=[str(error)])
        height, width = values.shape
        odd = [] if theirs == (height, width) else [f"{path}: {width}×{height}, its image {theirs[1]}×{theirs[0]}"]
        numbers, counts = np.unique(values, return_counts=True)
        strange = [] if table is None else label_files.strangers(numbers, table)
        pixels = Counter(dict(zip(numbers.tolist(), counts.tolist())))
        return Tally(pixels, Counter([(height, width)]), odd, dict.fromkeys(strange, str(path)))

    whole = Tally()
    for one in each(of_file, part.labels):
        whole.add(one)
    return whole


def _of_labels(split: str, found: Tally, table: np.ndarray | None, code: str) -> list[Finding]:
    """What a split's labels hold, as classes where the set says which these are, else as numbers."""
    lines = []
    sizes = [f"{width}×{height} ({count:,})" for (height, width), count in found.sizes.most_common(SHOWN)]
    lines.append(Finding(f"{split} sizes", ", ".join(sizes) + (" and others" if len(found.sizes) > SHOWN else "")))
    if found.bad:
        lines.append(Finding(f"{split} files", f"{len(found.bad):,} bad: {'; '.join(found.bad[:SHOWN])}", right=False))
    if found.strange:
        told = ", ".join(f"{value} (as in {path})" for value, path in sorted(found.strange.items())[:SHOWN])
        lines.append(Finding(f"{split} values", f"no labels: {told}", right=False))
    total = max(1, sum(found.values.values()))
    if table is None:
        most = sorted(found.values.most_common(MOST))
        shares = [
            f"{value if value < COLOUR else label_files.colour(value - COLOUR)}: {count / total:.2%}" for value, count in most
        ]
        others = f" and {len(found.values) - MOST:,} others" if len(found.values) > MOST else ""
        return [*lines, Finding(f"{split} values", ", ".join(shares) + others)]
    names = label_maps.SPACES[label_maps.spaces_of(code)[0]].names
    classes: Counter[int] = Counter()
    for value, count in found.values.items():
        classes[int(table[value]) if 0 <= value < len(table) else OUTSIDE] += count
    valid = max(1, sum(classes[each] for each in range(len(names))))
    lines.append(Finding(f"{split} shares", ", ".join(f"{name} {classes[each] / valid:.2%}" for each, name in enumerate(names))))
    lines.append(Finding(f"{split} ignored", f"{classes[VOID] / total:.2%} of the pixels"))
    if code == "CamVid ids" and split == "train":
        rank = sorted(range(len(names)), key=lambda each: -classes[each]).index(names.index("road"))
        told = f"road is number {rank + 1} by pixels; beyond 2, it is a copy with another order of classes"
        lines.append(Finding(f"{split} order", told, right=rank < 2))
    return lines


def neighbours(stems: Mapping[str, Iterable[str]]) -> list[str]:
    """Frames that follow each other in a recording and lie in two splits: the test has then all but seen the training."""
    recordings: dict[str, list[tuple[int, str]]] = {}
    for split, names in stems.items():
        for name in names:
            if frame := FRAME.fullmatch(name):
                recordings.setdefault(frame[1], []).append((int(frame[2]), split))
    pairs: Counter[tuple[str, str]] = Counter()
    for frames in recordings.values():
        if len(set(frames)) > len({number for number, _ in frames}):
            continue  # splits that are numbered each by itself
        frames.sort()
        steps = [(later - before, min(one, other), max(one, other)) for (before, one), (later, other) in zip(frames, frames[1:])]
        usual = min((step for step, _, _ in steps if step), default=0)
        pairs.update((one, other) for step, one, other in steps if one != other and step <= 2 * usual)
    return [f"{count:,} times frames beside each other are in {one} and {other}" for (one, other), count in sorted(pairs.items())]


def sheet(name: str, folder: Path, path: Path) -> None:
    """The first images of each labelled split over their labels, in the set's own classes (your own: in up to 256 colours)."""
    from kdbench.tasks.data.scenes.scene_sheet import contact_sheet

    found = scene_layouts.look(name, folder, True)
    tree = found.tree
    own = tree.code == "own numbers"
    space = label_maps.own_space(tuple(map(str, range(VOID)))) if own else label_maps.SPACES[label_maps.spaces_of(tree.code)[0]]
    table = np.arange(256, dtype=np.int16) if own else _table_of(tree.code)
    shown, present = [], set()
    for split, part in found.parts.items():
        if part.labels:
            size = scene_cache.extent(part.images[0])
            images = [scene_cache.image(file, size).transpose(1, 2, 0) for file in part.images[:6]]
            pairs = zip(part.labels[:6], part.images)
            labels = np.stack([scene_cache.label(file, of, tree.writing, table, size) for file, of in pairs])
            shown.append((split, np.stack(images), labels))
            present |= set(np.unique(labels).tolist())
    if not shown:
        raise DataError(f"{folder}: no labels to show")
    contact_sheet(path, shown, space.names, space.palette(), present)
