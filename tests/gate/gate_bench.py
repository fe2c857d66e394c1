"""A working folder with a real suite, real jobs and keys, and results whose numbers a test makes up; verbs run in-process."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from kdbench.cli import app as main
from kdbench.cli.session import Session, open_suite
from kdbench.cli.verbs import baseline, gate, history
from kdbench.gate.experiments import Experiments
from kdbench.jobs.job import Cell, Job
from kdbench.jobs.sources import modules_of
from kdbench.metrics.catalogue import primary
from kdbench.results.record import Record
from kdbench.results.source_digests import source_digest

SUITE = """\
version: 1
name: made
seeds: SEEDS
tasks:
  - task: digits
    teachers: {pool: 3}
methods:
  - kd
  - METHOD
MORE
"""
LEVELS = {"accuracy": 0.86, "ece": 0.04, "agreement": 0.80, "log_kl": -1.5, "miou": 0.6, "miou_st": 0.7}
NOISE = {"accuracy": 0.0025, "ece": 0.0025, "agreement": 0.0025, "log_kl": 0.02, "miou": 0.0025, "miou_st": 0.0025}
CODE = "same"  # the present digest of the sources

# (cell, seed) -> what its metrics are moved by; None: no result; "diverged"
Change = Callable[[str, int], Mapping[str, float] | str | None]


def unchanged(cell: str, seed: int) -> Mapping[str, float]:
    return {}


@dataclass
class Bench:
    """One working folder; `salt` draws other noise for the same jobs, as other code or another machine would."""

    folder: Path

    def suite(self, seeds: int | str = 3, more: str = "", method: str = "dkd") -> None:
        text = SUITE.replace("SEEDS", str(seeds)).replace("METHOD", method).replace("MORE", more)
        (self.folder / "made.yaml").write_text(text)

    def session(self, **more: Any) -> Session:
        return open_suite(Path("made.yaml"), Path("results"), **more)

    def fill(
        self, change: Change = unchanged, salt: int = 0, code: str = CODE, torch: str = "2.15.0", device: str = "cpu"
    ) -> None:
        """Results for every planned student."""
        session = self.session()
        for keys in session.jobs.cells.values():
            for key in keys:
                self.write(session, session.jobs.jobs[key], change, salt, code, torch, device)

    def further(self, cells: Mapping[Cell, Iterable[int]], change: Change = unchanged, salt: int = 0, code: str = CODE) -> None:
        """Results of seeds that the suite does not plan, as `run --decide` makes them."""
        session = self.session()
        experiments = Experiments.of(session.expansion.arms, session.registry, session.path.parent)
        made = experiments.graph_at({cell: tuple(seeds) for cell, seeds in cells.items()})
        for key in (key for keys in made.cells.values() for key in keys):
            self.write(session, made.jobs[key], change, salt, code, "2.15.0", "cpu")

    def write(self, session: Session, job: Job, change: Change, salt: int, code: str, torch: str, device: str) -> None:
        label = job.labels
        moved = change(label["cell"], label["seed"])
        if moved is None:
            return
        status, moved = ("diverged", {}) if isinstance(moved, str) else ("done", moved)
        stream = np.random.default_rng([salt, label["seed"], zlib.crc32(f"{label['task']} {label['cell']}".encode())])
        family = session.registry.task(next(a.task["plugin"] for a in session.expansion.arms if a.task["name"] == label["task"]))
        groups: dict[str, dict[str, float]] = {"truth": {}, "fidelity": {}}
        for info in primary(family.facts["family"]):
            value = LEVELS[info.name] + NOISE[info.name] * stream.standard_normal() + moved.get(info.name, 0.0)
            if info.kind != "fidelity" or job.teachers:
                groups["fidelity" if info.kind == "fidelity" else "truth"][info.name] = float(value)
        digest = source_digest(modules_of(job))
        sources = digest if code == CODE else {name: f"{code}-{sha}" for name, sha in digest.items()}
        made = {"versions": {"torch": torch}, "device": device, "sources": sources}
        metrics = {} if status == "diverged" else groups
        record = Record(job.key, job.kind, status, job.identity, label, metrics, list(job.teachers), provenance=made)
        session.store.write(record)

    def empty(self) -> None:
        """No results, as in a fresh checkout."""
        for path in (self.folder / "results").rglob("*.json"):
            path.unlink()

    def baseline(self, seeds: int = 5, **more: Any) -> None:
        """A baseline of so many seeds; the suite goes back to three seeds and has no results."""
        self.suite(seeds, **more)
        self.fill(salt=1)
        assert self("baseline", "accept", "made.yaml", "--reason", "first baseline") == 0
        self.empty()
        self.suite(3, **more)

    def edit(self, path: Path, old: str, new: str, times: int = -1) -> None:
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, times))

    @property
    def csv(self) -> Path:
        return self.folder / "baselines" / "made" / "digits.csv"

    def __call__(self, *words: str) -> int:
        """Run a verb as `kdbench` does, with its exit code."""
        try:
            return int(APP(args=list(words), standalone_mode=False) or 0)
        except Exception as error:
            return main.explain(error)


def made_app() -> typer.Typer:
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command("gate")(gate.gate)
    app.add_typer(baseline.app, name="baseline")
    app.command("history")(history.history)
    return app


APP = made_app()


def moved(cell: str, **by: float) -> Change:
    """One cell moved, all others as they were."""
    return lambda name, seed: by if name == cell else {}
