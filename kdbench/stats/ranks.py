"""Orders of methods: mean ranks over blocks, how sure a place is, and Friedman's and Nemenyi's tests where blocks are many.

A block is a data set with its teacher and student; seeds are no blocks. A method that lacks a block is not ranked at all.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LEAST_BLOCKS = 12


class TooFewBlocks(ValueError):
    """A test of ranks that could not find anything, or would find what is not there."""


@dataclass(frozen=True)
class MeanRanks:
    """Mean rank of each method (1 is best) over the blocks, and the methods that were left out because a block lacks them."""

    ranks: Mapping[str, float]
    blocks: int
    left_out: tuple[str, ...]


def ranks(values: Sequence[float], higher_is_better: bool = True) -> list[float]:
    """1 for the best; equal values share the mean of their places. ValueError where a value is undefined."""
    if any(map(math.isnan, values)):
        raise ValueError("an undefined value cannot be ranked")
    sign = -1 if higher_is_better else 1
    ordered = sorted(sign * value for value in values)
    first = {value: i for i, value in reversed(list(enumerate(ordered, 1)))}
    last = {value: i for i, value in enumerate(ordered, 1)}
    return [(first[sign * value] + last[sign * value]) / 2 for value in values]


def mean_ranks(blocks: Sequence[Mapping[str, float]], higher_is_better: bool = True) -> MeanRanks:
    """`blocks` map methods to their mean in a block; NaN, like absence, is the lack of it."""
    names = list(dict.fromkeys(name for block in blocks for name in block))
    whole = [name for name in names if all(not math.isnan(block.get(name, math.nan)) for block in blocks)]
    per_block = [ranks([block[name] for name in whole], higher_is_better) for block in blocks]
    found = {name: math.fsum(row[i] for row in per_block) / len(per_block) for i, name in enumerate(whole)}
    return MeanRanks(found, len(blocks), tuple(name for name in names if name not in found))


def rank_probabilities(replicates: np.ndarray, higher_is_better: bool = True) -> np.ndarray:
    """Share of the resamples [methods, B] in which each method has each place [methods, places]; ties share their places."""
    import numpy as np

    values = np.asarray(replicates, dtype=np.float64) * (-1 if higher_is_better else 1)
    values = values[:, ~np.isnan(values).any(axis=0)]
    methods, draws = values.shape
    table = np.zeros((methods, methods))
    below = (values[None] < values[:, None]).sum(axis=1)  # how many are better than each
    same = (values[None] == values[:, None]).sum(axis=1)
    for place in range(methods):
        table[:, place] = np.where((below <= place) & (place < below + same), 1.0 / same, 0.0).sum(axis=1)
    return table / draws if draws else np.full((methods, methods), math.nan)


def friedman_p(blocks: Sequence[Mapping[str, float]], higher_is_better: bool = True) -> float:
    """p of Friedman's test that all methods rank alike (Iman and Davenport's F form). TooFewBlocks below twelve."""
    from scipy.special import fdtrc

    found = mean_ranks(blocks, higher_is_better)
    n, k = _enough(found), len(found.ranks)
    rows = [ranks([block[name] for name in found.ranks], higher_is_better) for block in blocks]
    between = n * math.fsum((mean - (k + 1) / 2) ** 2 for mean in found.ranks.values())
    within = math.fsum((rank - (k + 1) / 2) ** 2 for row in rows for rank in row)  # the variance of ranks, ties and all
    if within == 0:
        return 1.0
    if math.isclose(between, within):
        return 0.0
    return float(fdtrc(k - 1, (k - 1) * (n - 1), (n - 1) * between / (within - between)))


def critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Nemenyi's: mean ranks farther apart differ. TooFewBlocks below twelve blocks, where it exceeds most gaps there can be."""
    _enough(MeanRanks({str(i): 0.0 for i in range(methods)}, blocks, ()))
    from scipy.stats import studentized_range

    q = float(studentized_range.ppf(1 - alpha, methods, math.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * blocks))


def _enough(found: MeanRanks) -> int:
    if found.blocks < LEAST_BLOCKS:
        raise TooFewBlocks(
            f"{found.blocks} blocks (data set × teacher and student) are too few for a test of ranks, which needs "
            f"{LEAST_BLOCKS}: below, the critical difference is as wide as ranks can lie apart"
        )
    if len(found.ranks) < 2:
        raise TooFewBlocks("fewer than two methods have a result in every block")
    return found.blocks
