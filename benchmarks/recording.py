"""What is written of a whole run beside the training of one epoch: its events, its record and outputs, its run in the tracker."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks import made_up, work
from benchmarks.measure import Effort, Found, Line, guard, interleave, mean_of, seconds
from benchmarks.overhead import warm
from kdbench.cli.session import open_suite
from kdbench.execute.events import EventWriter
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.track.mlflow import sync

EPOCH, TEST = 50_000, 10_000  # images of CIFAR-100
ARRAYS = 3  # the student's answers on the test and the distillation set, the teacher's on the latter


def measure(folder: Path, effort: Effort) -> Found:
    (folder / "work").mkdir()
    bare = warm(work.make(folder / "work", ["kd"], effort.pair, batch=effort.batch).bare())
    runs = Runs(folder, effort.rounds + 1)
    runs.tracker()  # makes the store, once for all suites of a project
    parts = {"events": runs.events, "results": runs.results, "tracker": runs.tracker}
    found = interleave(
        {**{name: seconds(part) for name, part in parts.items()}, "bare": seconds(bare.step)}, "bare", effort.rounds
    )
    epoch = [step * EPOCH / effort.batch for step in mean_of(found, "bare")]
    at = guard(found, "bare")
    lines = []
    for name in parts:
        note = f"{sorted(found[name])[effort.rounds // 2] * 1e3:.1f} ms a run"
        lines.append(Line(f"{name} of a whole run / one epoch of CIFAR-100", "%", share(found[name], epoch), None, at, note=note))
    whole = [sum(each) for each in zip(*(found[name] for name in parts))]
    return Found([*lines, Line("recording of a whole run / one epoch of CIFAR-100", "%", share(whole, epoch), 0.5, at)])


def share(cost: list[float], epoch: list[float]) -> list[float]:
    return [100 * a / b for a, b in zip(cost, epoch)]


class Runs:
    """Finished runs of a made-up suite, recorded one after the other."""

    def __init__(self, folder: Path, count: int):
        suite = folder / "suite.yaml"
        suite.write_text(made_up.suite_text(made_up.FEWEST), encoding="utf-8")
        session = open_suite(suite, folder / "results")
        made = list(made_up.records(session, [made_up.template(seed) for seed in range(made_up.SEEDS)]))
        self.waiting = {name: [record for record in made if record.kind == "student"][:count] for name in ("results", "tracker")}
        self.store = ResultStore(folder / "results", session.home.ensure())
        for record in self.waiting["tracker"]:
            self.tell(record.key)
        random = np.random.default_rng(0)
        self.said = [random.standard_normal((TEST, 100), dtype=np.float32) for _ in range(ARRAYS)]

    def tell(self, key: str) -> None:
        folder = self.store.home.events(key).parent
        folder.mkdir(parents=True, exist_ok=True)
        with closing(EventWriter(folder)) as writer:
            for event in made_up.curve():
                writer(event)

    def events(self) -> None:
        self.tell("another")

    def results(self) -> None:
        outputs = {f"test/{number}": OutputStore(self.store.home).put(array) for number, array in enumerate(self.said)}
        self.store.write(Record.read(replace(self.waiting["results"].pop(), outputs=outputs).data()))

    def tracker(self) -> None:
        done = sync([self.waiting["tracker"].pop()], self.store.home, "benchmark")
        if done.failed or done.created != 1:
            raise RuntimeError(f"MLflow was not updated: {done}")
