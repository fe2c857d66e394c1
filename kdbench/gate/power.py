"""How often the gate errs and what it finds: whole suites drawn at random and judged, look after look, by the gate's own rule.

`python -m kdbench.gate.power > docs/gate-power.md` writes the table; it is a function of this code and of fixed streams.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kdbench.gate.noise import Array, Sample, pool, unevenness
from kdbench.gate.rule import BETTER, OPEN, PASS, WORSE, Judged, judge

TASKS, METHODS = 5, 8
SIDES = (1, 1, 2, 2)  # accuracy and ECE alarm one way, agreement and KL both ways
LOOKS = 3
ALPHA = 0.05
TESTS = TASKS * METHODS * len(SIDES)
Noise = Callable[[np.random.Generator, tuple[int, ...]], Array]


@dataclass(frozen=True)
class Found:
    """Of many suites: the share with an alarm. Of the cells that lost something in their first metric: the shares of those called
    worse and let pass, and the seeds that this took."""

    alarms: float
    worse: float
    passed: float
    seeds: float


def alike(sd: float) -> Noise:
    """All runs are equally noisy."""
    return lambda stream, shape: np.full(shape, sd)


def unlike(low: float, high: float) -> Noise:
    """Each metric of each method has a noise of its own, in equal shares of the logarithm."""
    return lambda stream, shape: np.exp(stream.uniform(np.log(low), np.log(high), shape))


def simulate(
    reps: int, looks: Sequence[int], base: int, noise: Noise, loss: float = 0.0, margin: float = 0.5, seed: int = 0
) -> Found:
    """Suites of 40 cells with 4 endpoints. `loss` is taken from the first metric of the first cell of every task. α is shared
    over three looks, however many are taken."""
    stream = np.random.default_rng([seed, *looks, base])
    shape = (reps, TASKS, len(SIDES), METHODS)
    sd = noise(stream, shape)[..., None]
    before = Sample.along(stream.standard_normal((*shape, base)) * sd)
    after = stream.standard_normal((*shape, looks[-1])) * sd
    after[:, :, 0, 0] -= loss
    staged = [Sample.along(after[..., :look]) for look in looks]
    stage = np.zeros((reps, TASKS, METHODS), dtype=int)
    alarms = np.zeros(reps, dtype=bool)
    for look in range(len(looks)):
        judged = judge_all(before, at_stage(staged, stage), margin)
        worse = np.stack([one.outcome == WORSE for one in judged], axis=1).reshape(shape)
        better = np.stack([one.outcome == BETTER for one in judged], axis=1).reshape(shape)
        unknown = np.stack([one.outcome == OPEN for one in judged], axis=1).reshape(shape)
        both = np.array(SIDES)[:, None] == 2
        alarms |= (worse | (better & both)).any(axis=(1, 2, 3))
        if look + 1 < len(looks):
            stage += unknown.any(axis=2) & ~worse.any(axis=2)
    harmless = np.stack([(one.outcome == PASS) | (one.outcome == BETTER) for one in judged], axis=1).reshape(shape)
    seeds = np.array(looks)[stage[:, :, 0]]
    return Found(alarms.mean(), worse[:, :, 0, 0].mean(), harmless[:, :, 0, 0].mean(), float(seeds.mean()))


def at_stage(staged: Sequence[Sample], stage: Array) -> Sample:
    """The runs that each cell has by now; its metrics have the same runs."""
    chosen = [np.broadcast_to(stage[:, :, None, :] == i, staged[0].mean.shape) for i in range(len(staged))]
    parts = [[getattr(sample, name) for sample in staged] for name in ("n", "mean", "square")]
    return Sample(*(np.select(chosen, [np.asarray(p) for p in part]) for part in parts))


def judge_all(before: Sample, after: Sample, margin: float) -> list[Judged]:
    """Every metric of every task, as a suite is judged: each with the noise of its own block."""
    blocks = [(task, metric) for task in range(TASKS) for metric in range(len(SIDES))]

    def block(sample: Sample, task: int, metric: int) -> Sample:
        return Sample(sample.n[:, task, metric], sample.mean[:, task, metric], sample.square[:, task, metric])

    both = [(block(before, *place), block(after, *place)) for place in blocks]
    pools = [pool(*pair) for pair in both]
    uneven = unevenness(pools)
    share = ALPHA / (TESTS * LOOKS)
    return [judge(*pair, noise, uneven, share / SIDES[metric], margin) for pair, noise, (_, metric) in zip(both, pools, blocks)]


ROWS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((3,), 3),
    ((3,), 5),
    ((3,), 10),
    ((5,), 5),
    ((5,), 10),
    ((10,), 10),
    ((3, 6, 10), 5),
    ((3, 6, 10), 10),
)
NOISES = (0.15, 0.25, 0.35, 0.5)
SUITES = 1000
CHECKED = 400  # suites for what is counted in five cells each
HEAD = (
    "new seeds",
    "baseline seeds",
    "false alarms, equal noise",
    "false alarms, unequal noise",
    *(f"loss of 1.0 found, σ {sd:g}" for sd in NOISES),
    "loss of 0.5 found, σ 0.15",
    "seeds until a loss of 1.0 is found, σ 0.25",
    "unchanged metric passes, σ 0.15",
)
TEXT = """\
# What the gate can see

Made by `python -m kdbench.gate.power > docs/gate-power.md`: {suites:,} suites of {cells} cells (5 tasks, 8 methods) with 4
endpoints each are drawn and judged by the gate's own rule. Two endpoints alarm when worse, two (fidelity) in either direction.
The family-wise rate of 5 % is shared over {tests} endpoints and 3 looks, in every row. Losses and noise are in percentage points;
the tolerance is 0.5. A smaller suite sees more, since fewer endpoints share the rate.

- *false alarms*: share of unchanged suites in which any cell regressed or drifted, over all looks. *Equal noise*: one σ for all
  cells (its size does not matter). *Unequal noise*: each metric of each method has its own, between 0.15 and 0.5 points.
- *found*: share of the cells that really lost so much (in one metric) that are called regressed; in staged rows by the last look.
- *3, 6, 10*: looks of `kdbench run --decide`. Only undecided cells get more seeds.
- *passes*: share of unchanged metrics that are called not worse by more than the tolerance. The others are inconclusive, which is
  no alarm. (The rule never asks for less than twice the noise of a run: there the tolerance is wider.)

{table}

Seeds in the baseline are the cheapest power: they are trained once. The rule is that of `kdbench/gate/rule.py` and `noise.py`:
noise is pooled over the methods of a task as far as these are equally noisy, and never below what a cell shows by itself.

What this does not cover: noise is drawn from the normal distribution. With heavy tails (t with 5 degrees of freedom) false alarms
were 2 to 4 % at 3 new seeds or 5 baseline seeds, and up to 8 % at three looks against 10 baseline seeds. Students that share one
teacher shift together when it is trained anew; the gate says so where a suite has only one.

What the gate saw of methods that were broken on purpose, in real runs: `gate-broken.md`.
"""


def row(looks: tuple[int, ...], base: int) -> list[str]:
    """One line of the table."""
    alarms = [simulate(SUITES, looks, base, noise).alarms for noise in (alike(0.25), unlike(0.15, 0.5))]
    lost = {sd: simulate(CHECKED, looks, base, alike(sd), loss=1.0) for sd in NOISES}
    small = simulate(CHECKED, looks, base, alike(0.15), loss=0.5)
    unchanged = simulate(CHECKED, looks, base, alike(0.15))
    cells = [f"{share:.1%}" for share in alarms]
    cells += [f"{share:.0%}" for share in (*(lost[sd].worse for sd in NOISES), small.worse)]
    return [", ".join(map(str, looks)), str(base), *cells, f"{lost[0.25].seeds:.1f}", f"{unchanged.passed:.0%}"]


def line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def document() -> str:
    """The whole page."""
    lines = [line(HEAD), line(["---"] * len(HEAD)), *(line(row(*one)) for one in ROWS)]
    return TEXT.format(suites=SUITES, cells=TASKS * METHODS, tests=TESTS, table="\n".join(lines))


if __name__ == "__main__":
    print(document(), end="")
