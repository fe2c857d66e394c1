"""A large suite and its results, made up: real plans and keys, records of real form and length, numbers from a fixed stream."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kdbench.cli.session import Session, open_suite
from kdbench.jobs.sources import modules_of
from kdbench.metrics import card
from kdbench.results.against import digest
from kdbench.results.machine import machine
from kdbench.results.provenance import versions
from kdbench.results.record import AGAINST_FILE, Record
from kdbench.results.source_digests import source_digest
from kdbench.results.units import Units, pack

TASKS, SEEDS = 4, 10
FEWEST = 3 * TASKS * SEEDS  # jobs: teachers, controls and one method
UNITS, VIEWS, CLASSES = 600, 3, 10  # of a test set as that of `digits`, whose records are 23 KB long
FAMILY = "classification"


def suite_text(jobs: int) -> str:
    """A suite of so many jobs, a multiple of 40: four tasks with a pool of ten teachers each, methods over ten seeds."""
    cells = jobs // (TASKS * SEEDS) - 2  # beside the teachers and the control
    temperatures = [round(1 + number / 10, 1) for number in range(cells)]
    task = "  - {{task: digits, name: d{0}, params: {{labelled: {1}}}, teachers: {{pool: {2}}}}}"
    tasks = [task.format(number, 100 + number, SEEDS) for number in range(TASKS)]
    return "\n".join(
        ["version: 1", "name: large", f"seeds: {SEEDS}", "tasks:", *tasks, "methods:"]
        + [f"  - {{method: kd, params: {{T: {temperatures}}}}}", ""]
    )


@dataclass(frozen=True)
class Template:
    """What a student of one seed measures."""

    metrics: dict[str, dict[str, float]]
    blocks: dict[str, Any]
    against: dict[str, float]
    against_blocks: dict[str, Any]


def template(seed: int) -> Template:
    random = np.random.default_rng(seed)
    truth = {"labels": np.tile(random.integers(0, CLASSES, UNITS), VIEWS), "blocks": np.tile(np.arange(UNITS), VIEWS)}
    right = 3 * np.eye(CLASSES, dtype=np.float32)[truth["labels"]]
    ours, theirs = ({**truth, "logits": right + random.normal(size=right.shape, scale=1.5).astype(np.float32)} for _ in range(2))
    fidelity = card.fidelity(FAMILY, ours, [theirs])
    metrics = {"truth": card.truth(FAMILY, ours), "fidelity": fidelity, "distil": fidelity}
    units = Units.read(card.blocks(FAMILY, ours, [theirs]), truth["blocks"])
    own = Units(units.of, {metric: block for metric, block in units.blocks.items() if metric in fidelity})
    return Template(metrics, pack(units), fidelity, pack(own))


def records(session: Session, templates: list[Template]) -> Iterator[Record]:
    """A result for every job that is planned, by the code as it is now."""
    sources = functools.cache(source_digest)
    for job in session.jobs.jobs.values():
        made = templates[job.labels["seed"]]
        stream = np.random.default_rng(int(job.key[:8], 16))
        groups = made.metrics if job.teachers else {"truth": made.metrics["truth"]}
        yield Record(
            key=job.key,
            kind=job.kind,
            status="done",
            identity=job.identity,
            labels=job.labels,
            metrics={group: jittered(values, stream) for group, values in groups.items()},
            teachers=list(job.teachers),
            outputs={f"test/{name}": f"{job.key:0>64}" for name in ("logits", "labels", "blocks")},
            weights=f"{job.key:0>64}",
            cost={"parameters": 2906, "macs": 25504, "steps": 400, "dropped": 0},
            blocks=made.blocks,
            timing={"setup_seconds": 0.1, "train_seconds": 12.5 + stream.random(), "evaluate_seconds": 0.2, "resumed": False},
            provenance={
                "git": {"commit": "0123456789abcdef" * 2, "branch": "main", "dirty": False, "remote": None},
                "machine": machine(),
                "versions": versions(),
                "device": "cpu",
                "started": "2026-11-20T10:00:00.000Z",
                "finished": "2026-11-20T10:01:00.000Z",
                "sources": sources(modules_of(job)),
            },
        )


def jittered(values: dict[str, float], stream: np.random.Generator) -> dict[str, float]:
    return dict(zip(values, (np.array(list(values.values())) + 1e-3 * stream.standard_normal(len(values))).tolist()))


def against(session: Session, known: dict[str, Record], templates: list[Template]) -> dict[str, dict[str, Any]]:
    """The lines of `against.json` that a report of these results writes, by task: of each student as the control of another, and
    of those without a teacher, whose lines have blocks for their intervals."""
    lines: dict[str, dict[str, Any]] = {}
    for cell, keys in session.jobs.cells.items():
        for place, key in enumerate(keys):
            teachers = session.jobs.reference[cell.task, cell.pair, key]
            made = templates[place]
            for student in (keys[(place + 1) % len(keys)], *([] if known[key].teachers else [key])):
                stands_on = digest(known[student], [known[teacher] for teacher in teachers])
                line = {"outputs": stands_on, "fidelity": made.against}
                line |= {"blocks": made.against_blocks} if student == key else {}
                lines.setdefault(cell.task, {})[f"{student} {' '.join(teachers)}"] = line
    return lines


def write(folder: Path, jobs: int) -> Path:
    """The suite and its results in a folder; the suite's path."""
    suite = folder / "large.yaml"
    suite.write_text(suite_text(jobs), encoding="utf-8")
    session = open_suite(suite, folder / "results")
    templates = [template(seed) for seed in range(SEEDS)]
    known = {record.key: record for record in records(session, templates)}
    for record in known.values():
        path = session.store.path(record)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.dumps(), encoding="utf-8")
    for task, lines in against(session, known, templates).items():
        text = ",\n".join(f"{json.dumps(name)}: {json.dumps(line, sort_keys=True)}" for name, line in sorted(lines.items()))
        (folder / "results" / task / AGAINST_FILE).write_text(f"{{\n{text}\n}}\n")
    for key in known:
        events = session.home.events(key)
        events.parent.mkdir(parents=True)
        events.write_text("".join(json.dumps(event) + "\n" for event in curve()))
    return suite


def curve() -> Iterator[dict[str, Any]]:
    """What a job tells while it trains."""
    for point in range(20):
        step = 20 * (point + 1)
        yield {"t": 1e9 + point, "event": "metric", "step": step, "steps": 400, "loss/kd": 1 / step, "loss/task": 2 / step}
        yield {"t": 1e9 + point, "event": "shares", "step": step, "share/kd": 0.5, "share/task": 0.5}
