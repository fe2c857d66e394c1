"""What each unit of a test set (image, query, clip) adds to a run's primary metrics, and the form that this has in a record.

Intervals over examples need no more than this. A record carries it as text, so that a committed record redraws its report's
intervals where the raw outputs are gone. Where that would make a record too long, units are added up to groups beforehand: the
groups are drawn by a hash of the unit's number, so that all runs of a task have the same ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zlib import error as ZlibError

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.contract.numbers import is_whole
from kdbench.metrics import resample
from kdbench.metrics.arrays import Array
from kdbench.results.array_text import decode, encode

LIMIT = 40_000  # characters of a record: ten thousand of them must still be a folder that git takes
GROUPS = (100, 50, 25)
MOST_UNITS = 1000
MOST_VALUES = 2_000_000
WORTH = 4_000  # characters below which grouping saves too little for what it loses
FORM = 1


@dataclass(frozen=True)
class Block:
    """One metric: what each of `size` units adds [size, F]; or, of a metric that is no sum, its items, each with its unit (None:
    item i is unit i)."""

    reduction: str
    values: Array
    size: int
    unit: Array | None = None

    @property
    def adds_up(self) -> bool:
        return self.reduction not in resample.WITHOUT_SUMS

    def on_resamples(self, counts: Array) -> Array:
        """The metric on each resample [B]; `counts` [B, size] says how often each unit was drawn."""
        if self.adds_up:
            return resample.finish(self.reduction, counts @ self.values)
        return resample.average_precision(self.values, counts if self.unit is None else counts[:, self.unit])


@dataclass(frozen=True, eq=False)
class Units:
    """The metrics of one run by name. `of` is the number of units of the set; a metric's own may be fewer, groups of them."""

    of: int
    blocks: Mapping[str, Block] = field(default_factory=dict)

    @staticmethod
    def read(blocks: Mapping[str, Array], ids: Array | None = None) -> Units:
        """From a card's blocks; items with the same id are one unit."""
        items = len(next(iter(blocks.values()))) if blocks else 0
        unit, size = None, items
        if ids is not None and len(ids) == items:
            known, number = np.unique(ids, return_inverse=True)
            if len(known) < items:
                size, unit = len(known), number
        found = {}
        for key, block in blocks.items():
            metric, _, reduction = key.partition("|")
            if reduction in resample.WITHOUT_SUMS:
                found[metric] = Block(reduction, block, size, unit)
            else:
                found[metric] = Block(reduction, add_up(resample.summands(reduction, block), unit, size), size)
        return Units(size, found)

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(self.blocks)

    def size(self, metric: str) -> int:
        return self.blocks[metric].size

    def on_resamples(self, metric: str, counts: Array) -> Array:
        return self.blocks[metric].on_resamples(counts)

    def value(self, metric: str) -> float:
        """The metric on all units, each once."""
        return float(self.on_resamples(metric, np.ones((1, self.size(metric))))[0])

    def grouped(self, metric: str, groups: int) -> Units:
        """With the units of a metric added up to so many groups; without it, where it is no sum."""
        return self if groups >= self.size(metric) else _grouped(self, metric, groups)


@lru_cache(maxsize=1024)  # a control is compared with every arm
def _grouped(units: Units, metric: str, groups: int) -> Units:
    block = units.blocks[metric]
    others = {name: other for name, other in units.blocks.items() if name != metric}
    if not block.adds_up or block.size != units.of:  # groups of groups would not be those of other runs
        return Units(units.of, others)
    summed = add_up(block.values, group_of(units.of, groups), groups)
    return Units(units.of, {**others, metric: Block(block.reduction, summed, groups)})


def aligned(found: Sequence[Units], metric: str) -> list[Units] | None:
    """The same units of a metric for all, grouped as the coarsest is, and to no more than intervals can tell apart.

    None where some lack it or are of another set, or where it is no sum and of too many items to be drawn thousands of times.
    """
    if any(metric not in units.metrics for units in found) or len({units.of for units in found}) > 1:
        return None
    blocks = [units.blocks[metric] for units in found]
    if all(block.adds_up for block in blocks):
        size = min([MOST_UNITS, *(block.size for block in blocks)])
        made = [units.grouped(metric, size) for units in found]
        return made if all(metric in units.metrics for units in made) else None
    alike = len({block.size for block in blocks}) == 1 and max(block.values.size for block in blocks) <= MOST_VALUES
    return list(found) if alike else None


def add_up(values: Array, group: Array | None, groups: int) -> Array:
    """Sums of the rows of each group [groups, F]."""
    if group is None:
        return values
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(groups))
    return np.add.reduceat(values[order], starts, axis=0)


def group_of(units: int, groups: int) -> Array:
    """The group of each unit: of equal size (to one), and without regard to the order in which a set is stored."""
    x = np.arange(1, units + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # splitmix64: the same on every machine
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    place = np.argsort(np.argsort(x ^ (x >> np.uint64(31)), kind="stable"), kind="stable")
    return place * groups // units


def pack(units: Units, limit: int = LIMIT) -> dict[str, Any]:
    """Plain data for a record's `blocks`, of at most `limit` characters: what is longest is grouped, or else left out."""
    blocks = dict(units.blocks)
    packed = {metric: _pack(block) for metric, block in blocks.items()}
    while sum(map(length, packed.values())) > limit:
        coarser = {name: next((g for g in GROUPS if g < block.size), 0) for name, block in blocks.items() if block.adds_up}
        worth = [name for name, groups in coarser.items() if groups and length(packed[name]) > WORTH]
        # Where something has to go, calibration goes before truth.
        metric = max(worth or packed, key=lambda name: (not worth and "ece" in blocks[name].reduction, length(packed[name])))
        made = units.grouped(metric, coarser[metric]).blocks.get(metric) if worth else None
        if made is None:
            del packed[metric], blocks[metric]
        else:
            blocks[metric], packed[metric] = made, _pack(made)
    return {"form": FORM, "units": units.of, "metrics": packed}


def length(packed: Mapping[str, Any]) -> int:
    return sum(len(part["data"]) for part in packed.values() if isinstance(part, Mapping))


def unpack(packed: Mapping[str, Any]) -> Units:
    """The units of a record's `blocks`; a DataError where they are damaged or of another form."""
    try:
        if packed["form"] != FORM:
            raise DataError(f"blocks of form {packed['form']!r}, but this kdbench reads {FORM}")
        found = {metric: _block(part) for metric, part in packed["metrics"].items()}
        if not is_whole(packed["units"]):
            raise ValueError("the number of units is none")
        return Units(packed["units"], found)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError, ZlibError) as error:
        raise DataError(f"blocks cannot be read: {type(error).__name__}: {error}") from error


def _block(part: Mapping[str, Any]) -> Block:
    """One metric, if it is one: resampled thousands of times later, it must not fail then."""
    unit = decode(part["unit"]) if "unit" in part else None
    block = Block(part["reduction"], decode(part["values"]).astype(np.float64), part["size"], unit)
    items = len(block.values) if unit is None else len(unit)
    sized = is_whole(block.size) and 0 < block.size <= items == len(block.values)
    if not sized or (unit is None and items != block.size):
        raise ValueError(f"{len(block.values)} items for {block.size} units")
    if block.adds_up:
        block.on_resamples(np.ones((1, block.size)))
    elif block.values.ndim != 3 or block.values.shape[2] != 2:
        raise ValueError(f"items of shape {block.values.shape}, where each tag has score and label")
    if unit is not None and (block.adds_up or unit.ndim != 1 or unit.dtype.kind != "u" or unit.max() >= block.size):
        raise ValueError("items of units that there are not")
    return block


def _pack(block: Block) -> dict[str, Any]:
    values = encode(block.values if block.adds_up else _ranked(block.values))
    unit = {} if block.unit is None else {"unit": encode(block.unit)}
    return {"reduction": block.reduction, "size": block.size, "values": values, **unit}


def _ranked(pairs: Array) -> Array:
    """Scores of each tag as the numbers of their order, which is all that average precision asks of them."""
    ranks = [np.unique(pairs[:, tag, 0], return_inverse=True)[1] for tag in range(pairs.shape[1])]
    return np.stack([np.stack(ranks, axis=1), pairs[..., 1].astype(np.int64)], axis=-1)
