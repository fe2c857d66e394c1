"""Several methods on one teacher beside as many bare runs: with stored signals, and as a gang."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks import work
from benchmarks.harness import WARM, Harness
from benchmarks.measure import Effort, Found, Line, guard, interleave, mean_of, ratios, seconds
from benchmarks.overhead import warm
from kdbench.contract.model import Net

LOGITS = ["kd", "dkd", "dist", {"method": "kd", "name": "kd_ls", "wrap": "logit_std"}, "mlkd"]
CATALOGUE = [*LOGITS[:4], "at", "sp", "rkd", "pkt", "cc", "vid"]


def called(method: Any) -> str:
    return method if isinstance(method, str) else method["name"]


def measure(folder: Path, effort: Effort) -> Found:
    return Found([*stored(folder / "stored", effort), *gangs(folder / "gangs", effort)])


def stored(folder: Path, effort: Effort) -> list[Line]:
    """A round is an epoch. Five jobs find no signal of it yet, the first of them fills the table; five others, an epoch behind,
    find all of it there."""
    folder.mkdir()
    epoch = effort.steps
    made = work.make(folder, LOGITS, effort.pair, count=epoch * effort.batch, batch=effort.batch, source="kept")
    bare, jobs = warm(made.bare()), [made.job(called(method)) for method in LOGITS]
    ahead = [Harness(job, warm=2 * epoch) for job in jobs]
    behind = [Harness(job, warm=epoch) for job in jobs]
    rows = Rows()

    def train(harnesses: list[Harness]) -> None:
        for harness in harnesses:
            harness.run(epoch)

    def fill() -> None:
        with rows.counted():
            train(ahead)

    parts = {"fill": seconds(fill), "filled": seconds(lambda: train(behind)), "bare": seconds(lambda: steps(bare.step, epoch))}
    found = interleave(parts, "bare", effort.rounds)
    one, at, n = mean_of(found, "bare"), guard(found, "bare"), len(LOGITS)
    asked = rows.count / (effort.rounds * epoch * effort.batch)
    what = f"N = {n} logit methods on one teacher / {n} bare runs"
    return [
        Line(f"{what}, signals stored", "×", [r / n for r in ratios(found["filled"], one)], 0.56, at),
        Line(f"{what}, storing them included", "×", [r / n for r in ratios(found["fill"], one)], 0.66, at),
        Line(f"teacher forwards a sample and view, of {n} methods", "×", [asked], 1.0, note="counted"),
    ]


def gangs(folder: Path, effort: Effort) -> list[Line]:
    """A round is a few steps of each gang."""
    folder.mkdir()
    made = work.make(folder, [*CATALOGUE, "mlkd"], effort.pair, batch=effort.batch)
    bare = warm(made.bare())
    five, ten = (Harness(*(made.job(called(method)) for method in methods), warm=WARM) for methods in (LOGITS, CATALOGUE))
    rows = Rows()

    def ten_steps() -> None:
        with rows.counted():
            ten.run(effort.steps)

    parts = {"five": seconds(lambda: five.run(effort.steps)), "ten": seconds(ten_steps)}
    found = interleave({**parts, "bare": seconds(lambda: steps(bare.step, effort.steps))}, "bare", effort.rounds)
    one, at = mean_of(found, "bare"), guard(found, "bare")
    asked = rows.count / (effort.rounds * effort.steps * effort.batch)
    names = ", ".join(map(called, CATALOGUE))
    return [
        Line("N = 5 logit methods as one gang / 5 bare runs", "×", [r / 5 for r in ratios(found["five"], one)], 0.66, at),
        Line(
            "N = 10 of the catalogue as one gang / 10 bare runs",
            "×",
            [r / 10 for r in ratios(found["ten"], one)],
            0.65,
            at,
            note=names,
        ),
        Line("teacher forwards a sample and view, of a gang of 10", "×", [asked], 1.0, note="counted"),
    ]


def steps(step: Callable[[], object], count: int) -> None:
    for _ in range(count):
        step()


class Rows:
    """Counts the samples that go through networks that do not learn."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        forward = Net.forward

        def counting(net: Net, batch: Any) -> Any:
            self.count += 0 if net.training else len(batch)
            return forward(net, batch)

        with patch.object(Net, "forward", counting):
            yield
