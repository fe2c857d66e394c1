"""What each unit of a test set (an image with its views, a query, a clip) adds to a run's primary metrics, and its place in a record.

Intervals over examples need no more than this. A record carries it as text, so that a committed record redraws its report's
intervals where the raw outputs are gone. Where that would make a record too long, units are added up to groups beforehand: the
groups are drawn by a hash of the unit's number, so that all runs of a task have the same ones.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.metrics import resample

Array = np.ndarray
LIMIT = 30_000  # characters of a record: ten thousand of them must still be a folder that git takes
GROUPS = (100, 50, 25)
FORM = 1


@dataclass(frozen=True)
class Units:
    """`sums` are what each unit adds, by "metric|reduction"; `rows` the metrics that are no sums, a row an item.

    `unit` is the unit of each row (None: row i is unit i); `of` the number of units before they were added up to groups.
    """

    size: int
    of: int
    sums: Mapping[str, Array] = field(default_factory=dict)
    rows: Mapping[str, Array] = field(default_factory=dict)
    unit: Array | None = None

    @staticmethod
    def read(blocks: Mapping[str, Array], ids: Array | None = None) -> Units:
        """From a card's blocks; items with the same id are one unit."""
        items = len(next(iter(blocks.values()))) if blocks else 0
        unit = None
        size = items
        if ids is not None and len(ids) == items:
            known, number = np.unique(ids, return_inverse=True)
            if len(known) < items:
                size, unit = len(known), number
        sums, rows = {}, {}
        for key, block in blocks.items():
            reduction = key.partition("|")[2]
            if reduction in resample.WITHOUT_SUMS:
                rows[key] = block
            else:
                sums[key] = add_up(resample.features(reduction, block), unit, size)
        return Units(size, size, sums, rows, unit if rows else None)

    @property
    def metrics(self) -> frozenset[str]:
        return frozenset(key.partition("|")[0] for key in (*self.sums, *self.rows))

    def on_resamples(self, metric: str, counts: Array) -> Array:
        """The metric on each resample [B]; `counts` [B, size] says how often each unit was drawn."""
        for key, block in self.sums.items():
            if key.partition("|")[0] == metric:
                return resample.finish(key.partition("|")[2], counts @ block)
        for key, block in self.rows.items():
            if key.partition("|")[0] == metric:
                return resample.average_precision(block, counts if self.unit is None else counts[:, self.unit])
        raise KeyError(metric)

    def value(self, metric: str) -> float:
        """The metric on all units, each once."""
        return float(self.on_resamples(metric, np.ones((1, self.size)))[0])

    def grouped(self, groups: int) -> Units:
        """The units added up to so many groups; what is no sum is lost."""
        if groups >= self.size:
            return self
        group = group_of(self.size, groups)
        return Units(groups, self.of, {key: add_up(block, group, groups) for key, block in self.sums.items()})

    def merged(self, other: Units) -> Units:
        """These and the metrics that only `other` has; both must be of the same units."""
        sums = {**other.sums, **self.sums}
        return replace(self, sums=sums, rows={**other.rows, **self.rows}, unit=self.unit if self.unit is not None else other.unit)


def aligned(found: list[Units]) -> list[Units] | None:
    """The same units for all, grouped as the coarsest is; None where they are not units of one set."""
    if len({units.of for units in found}) > 1:
        return None
    size = min((units.size for units in found), default=0)
    return [units.grouped(size) for units in found]


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
    """Plain data for a record's `blocks`, at most `limit` characters long: grouped, or without the longest metrics, where it must."""
    packed = _pack(units)
    for groups in GROUPS:
        if length(packed) <= limit:
            return packed
        packed = _pack(units.grouped(groups))
    while length(packed) > limit:
        longest = max(packed["arrays"], key=lambda key: len(packed["arrays"][key]["data"]))
        del packed["arrays"][longest]
    return packed


def length(packed: Mapping[str, Any]) -> int:
    return sum(len(array["data"]) for array in packed["arrays"].values())


def unpack(packed: Mapping[str, Any]) -> Units:
    """The units of a record's `blocks`; a DataError where they are damaged or of another form."""
    try:
        if packed["form"] != FORM:
            raise DataError(f"blocks of form {packed['form']!r}, but this kdbench reads {FORM}")
        arrays = {key: decode(array) for key, array in packed["arrays"].items()}
        unit = arrays.pop("unit", None)
        sums = {key: array.astype(np.float64) for key, array in arrays.items()}
        rows = {key: sums.pop(key) for key in arrays if key.partition("|")[2] in resample.WITHOUT_SUMS}
        return Units(packed["units"], packed["of"], sums, rows, unit)
    except (KeyError, TypeError, ValueError, zlib.error) as error:
        raise DataError(f"blocks cannot be read: {type(error).__name__}: {error}") from error


def _pack(units: Units) -> dict[str, Any]:
    arrays = {key: encode(block) for key, block in units.sums.items()}
    arrays |= {key: encode(_ranked(block)) for key, block in units.rows.items()}
    if units.unit is not None and units.rows:
        arrays["unit"] = encode(units.unit)
    return {"form": FORM, "units": units.size, "of": units.of, "arrays": arrays}


def _ranked(pairs: Array) -> Array:
    """Scores of each tag as the numbers of their order, which is all that average precision asks of them."""
    ranks = [np.unique(pairs[:, tag, 0], return_inverse=True)[1] for tag in range(pairs.shape[1])]
    return np.stack([np.stack(ranks, axis=1), pairs[..., 1].astype(np.int64)], axis=-1)


def encode(array: Array) -> dict[str, Any]:
    """Whole numbers in the smallest type that holds them, others as float32; bytes of equal weight together, compressed."""
    array = np.ascontiguousarray(array)
    if array.size and np.isfinite(array).all() and (array == np.rint(array)).all() and array.min() >= 0:
        kind = next((k for k in ("<u1", "<u2", "<u4") if array.max() <= np.iinfo(k).max), "<f8")
    else:
        kind = "<f4"
    stored = array.astype(kind)
    planes = stored.reshape(-1).view(np.uint8).reshape(-1, stored.itemsize).T.tobytes()
    data = base64.b64encode(zlib.compress(planes, 9)).decode()
    return {"type": kind[1:], "shape": list(array.shape), "data": data}


def decode(packed: Mapping[str, Any]) -> Array:
    kind = np.dtype(f"<{packed['type']}")
    planes = np.frombuffer(zlib.decompress(base64.b64decode(packed["data"], validate=True)), np.uint8)
    return planes.reshape(kind.itemsize, -1).T.copy().view(kind).reshape(packed["shape"])
