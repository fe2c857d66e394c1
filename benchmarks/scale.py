"""Ten thousand jobs: planning them, looking what is done, the report's model, the tracker; and what a job costs in memory."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from pydantic_core import from_json

from benchmarks import made_up
from benchmarks.measure import Effort, Found, Line, guard, interleave, ratios, seconds
from kdbench.cli.session import open_suite
from kdbench.cli.work import How, Where, spec
from kdbench.execute.base import Policy
from kdbench.execute.ready import ReadyQueue
from kdbench.report.assemble import assemble
from kdbench.report.model import Part
from kdbench.track.mlflow import sync


class Large:
    """A suite with all its results, and what a person asks of it."""

    def __init__(self, folder: Path, jobs: int):
        self.suite = made_up.write(folder, jobs)
        self.results = folder / "results"
        self.session = open_suite(self.suite, self.results)

    def plan(self) -> None:
        """From the suite's file to the state of every job, where there is no result yet."""
        session = open_suite(self.suite, self.suite.parent / "none")
        session.plan(session.outlines())

    def resume(self) -> None:
        """From the results folder to the state of every job."""
        self.session.plan(self.session.outlines())

    def report(self) -> None:
        """From the results folder to all that a report shows."""
        session = replace(self.session)  # what it has read of the folder before is forgotten
        records = session.records()
        readings, reader = session.read(records)
        assemble(session.suite, Part(), session.expansion, session.jobs, readings, records, reader)

    def read(self) -> None:
        """What nobody can do without: read the files."""
        for path in self.results.glob("*/*/*.json"):
            from_json(path.read_bytes())


def measure(folder: Path, effort: Effort) -> Found:
    for name in ("large", "few"):
        (folder / name).mkdir()
    large, few = Large(folder / "large", effort.jobs), Large(folder / "few", effort.few)
    first = seconds(large.report)()  # intervals are computed once, and kept
    few.report()
    parts = {f"{name} {size}": seconds(getattr(suite, name)) for name in BARS for size, suite in (("large", large), ("few", few))}
    found = interleave({**parts, "read": seconds(large.read)}, "read", effort.rounds)
    at, jobs = guard(found, "read"), f"{effort.jobs:,} jobs"
    share = effort.jobs / 10_000
    notes = {"report": f"the first time, with all intervals: {first:.0f} s"}
    lines = [
        Line(f"{what}, {jobs}", "s", found[f"{name} large"], bar * share, at, note=notes.get(name, ""))
        for name, (what, bar) in BARS.items()
    ]
    growth = GROWTH * effort.jobs / effort.few / 10
    lines += [
        Line(f"{what}, {effort.jobs:,} / {effort.few:,}", "×", ratios(found[f"{name} large"], found[f"{name} few"]), growth, at)
        for name, (what, _) in BARS.items()
    ]
    suites = [few.suite, large.suite]
    lines.append(
        Line("memory of the parent, a job", "KB", [memory(suites)], 5.0, note="all of them to be run; in a process of its own")
    )
    return Found([*lines, *tracked(large, effort.jobs // 50, at)])


HOW = How(
    executor=Where.local, workers=None, device="cpu", policy=Policy(), timeout=3600.0, checkpoint=60.0, gang=True, pack=False,
    as_json=False, say=print,
)  # fmt: skip
BARS = {"plan": ("plan", 1.0), "resume": ("resume scan", 0.3), "report": ("report's model", 3.0)}  # of 10,000 jobs
GROWTH = 13.0  # from 1,000 jobs to ten times as many


def tracked(suite: Large, count: int, at: float) -> list[Line]:
    """What MLflow costs for each of some results, when it is written and when it is there."""
    some = list(suite.session.records().values())[:count]
    home = suite.session.home.ensure()

    def bring() -> None:
        done = sync(some, home, "large")
        if done.failed:
            raise RuntimeError(done.failed)

    first, again = seconds(bring)(), [seconds(bring)() for _ in range(3)]
    return [
        Line("MLflow: a result that is written", "ms", [1e3 * first / len(some)], None, at, note="the store is made with them"),
        Line("MLflow: a result that is there", "ms", [1e3 * each / len(some) for each in again], None, at),
    ]


def memory(suites: list[Path]) -> float:
    """KB by which a parent grows with a job, from the one suite to the other."""
    command = [sys.executable, "-m", "benchmarks.scale", *map(str, suites)]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    return float(subprocess.run(command, capture_output=True, text=True, check=True, env=environ).stdout)


def parent(suite: Path) -> tuple[int, object]:
    """All that a parent holds while jobs run, none of which has a result yet; how many these are."""
    session = open_suite(suite, suite.parent / "none")
    planned, past = session.plan(session.outlines()), session.past([])
    specs = [spec(session, item, HOW, past) for item in planned.jobs]
    return len(specs), (session, planned, specs, ReadyQueue(specs))


def resident() -> float:
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1000


def growth(few: Path, many: Path) -> float:
    """Both are held: what the first allocated is not there to be used again."""
    first = parent(few)
    before = resident()
    second = parent(many)
    grown = (resident() - before) / second[0]
    return grown if first else 0.0


if __name__ == "__main__":
    print(growth(Path(sys.argv[1]), Path(sys.argv[2])))
