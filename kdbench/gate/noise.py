"""How far runs of one cell scatter: pooled over the cells of a task as far as these are alike, never below what a cell shows.

Everything here is on arrays whose last axis is cells, so that the gate and the simulations of its error rates are one code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Array = np.ndarray
WILD = 1e-4  # chance that the new seeds of an unchanged cell are called wild


@dataclass(frozen=True)
class Sample:
    """Runs by what the rule needs of them: how many, their mean, the sum of squares about it."""

    n: Array
    mean: Array
    square: Array

    @staticmethod
    def of(cells: Sequence[Sequence[float]]) -> Sample:
        """From the values of each cell; a cell without runs has no mean."""
        n = np.array([len(values) for values in cells])
        mean = np.array([np.mean(values) if len(values) else np.nan for values in cells])
        square = [float(((np.asarray(values) - m) ** 2).sum()) for values, m in zip(cells, mean)]
        return Sample(n, mean, np.array(square))

    @staticmethod
    def along(values: Array) -> Sample:
        """From values [..., cells, seeds]."""
        mean = values.mean(axis=-1)
        square = ((values - mean[..., None]) ** 2).sum(axis=-1)
        return Sample(np.broadcast_to(values.shape[-1], mean.shape), mean, square)

    @property
    def freedom(self) -> Array:
        return np.maximum(self.n - 1, 0)


@dataclass(frozen=True)
class Pool:
    """Variances of one metric in one task: of all its cells together [..., 1], and of each cell by itself [..., cells].

    `wild` cells have new seeds that scatter beyond anything that the baselines know. Their scatter does not count as noise:
    else one collapsed seed of three would hide itself, and whatever happened to its neighbours.
    """

    together: Array
    freedom: Array
    own: Array
    own_freedom: Array
    wild: Array


def pool(base: Sample, new: Sample) -> Pool:
    """Baselines and new runs of all cells of a task. The runs must be independent: one that is on both sides counts once."""
    known = ratio(base.square.sum(-1, keepdims=True), base.freedom.sum(-1, keepdims=True))
    reference = np.maximum(known, ratio(base.square, base.freedom))
    wild = beyond(ratio(new.square, new.freedom), reference, new.freedom, base.freedom.sum(-1, keepdims=True))
    counted = np.where(wild, 0, new.freedom)
    square = base.square + np.where(wild, 0.0, new.square)
    own_freedom = base.freedom + counted
    freedom = own_freedom.sum(-1, keepdims=True)
    return Pool(ratio(square.sum(-1, keepdims=True), freedom), freedom, ratio(square, own_freedom), own_freedom, wild)


def foreseen(one: Pool, repeated: Array) -> Pool:
    """The pool as it would be if runs that are on both sides were new: `repeated` degrees of freedom more for each cell. What is
    promised for a change of the code must not hang on there being none today."""
    own_freedom = one.own_freedom + repeated
    return replace(one, own_freedom=own_freedom, freedom=own_freedom.sum(-1, keepdims=True))


def unevenness(pools: Sequence[Pool]) -> Array:
    """How much the true variances of cells differ, relative to the mean of their task: 0 where all cells are equally noisy.

    The variance of own/together is 2/freedom where cells are equal; what it has beyond that, over all metrics and tasks of a
    suite, is true difference.
    """
    found: Array = np.zeros(1)
    expected: Array = np.zeros(1)
    for one in pools:
        use = (one.own_freedom > 0) & (one.together > 0)
        share = 1 - ratio(one.own_freedom, one.freedom)  # a cell is a part of the pool that it is compared with
        excess = one.own_freedom * (ratio(one.own, one.together) - 1) ** 2 - 2 * share
        found = found + np.where(use, excess, 0.0).sum(-1, keepdims=True)
        expected = expected + np.where(use, (one.own_freedom + 2) * share, 0.0).sum(-1, keepdims=True)
    return np.maximum(ratio(found, expected), 0.0)


def assumed(one: Pool, uneven: Array) -> tuple[Array, Array]:
    """The variance that each cell is judged by, and its degrees of freedom.

    Were true variances drawn about their mean with this unevenness, that mean would know as much of a cell's as 2/uneven degrees
    of freedom do. So it is weighed against the cell's own estimate: where cells are alike the pool decides, where they are not
    the cell. It is never below the cell's own.
    """
    with np.errstate(divide="ignore"):
        worth = 2 / np.asarray(uneven, dtype=float)
    mixed = one.together + (one.own - one.together) * one.own_freedom / (worth + one.own_freedom)
    return np.maximum(mixed, one.own), np.minimum(one.freedom, worth + one.own_freedom)


def ratio(above: Array, below: Array) -> Array:
    """above / below, and 0 where there is nothing below."""
    above, below = np.broadcast_arrays(np.asarray(above, dtype=float), np.asarray(below, dtype=float))
    return np.divide(above, below, out=np.zeros(above.shape), where=below > 0)


def beyond(variance: Array, reference: Array, freedom: Array, reference_freedom: Array) -> Array:
    """Whether a variance is above a reference by an F test. A reference of nothing says nothing: all its runs were equal."""
    from scipy.special import fdtri

    variance, reference, freedom, below = np.broadcast_arrays(variance, reference, freedom, reference_freedom)
    sure = (freedom > 0) & (below > 0) & (reference > 0)
    limit = fdtri(np.where(sure, freedom, 1), np.where(sure, below, 1), 1 - WILD)
    return sure & (variance > limit * reference)
