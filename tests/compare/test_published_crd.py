"""The CRD table and the suite that repeats it agree: nothing but the runs keeps a line of one from a cell of the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdbench.cli.session import open_suite
from kdbench.compare.apart import budget, data, epoch, settings, stated, weights
from kdbench.compare.likeness import whole
from kdbench.jobs.job import Job
from kdbench.results.figure import Figure
from kdbench.results.published import read
from kdbench.results.record import Record

ROOT = Path(__file__).parents[2]


def apart(job: Job, figure: Figure, session) -> list[str]:  # type: ignore[no-untyped-def]
    record = Record(job.key, "student", "done", job.identity, {**job.labels}, {"truth": {"accuracy": 0.5}})
    identity = whole(job.identity)
    recipe = settings("recipe", stated(identity, figure), figure.recipe or {})
    found = [
        budget(identity, figure),
        *data(record, figure),
        *recipe,
        *weights(identity, figure, session.registry),
        epoch(figure),
    ]
    return [reason for reason in (*found, figure.differs) if reason]


def test_every_line_of_the_table_can_stand_beside_a_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDBENCH_DATA", raising=False)
    session = open_suite(ROOT / "suites/cifar100/crd.yaml", tmp_path)
    jobs = session.jobs.jobs
    students = [job for job in jobs.values() if job.kind == "student" and job.labels["seed"] == 0]
    figures = [f for f in read(ROOT / "baselines/published", session.registry) if f.source == "RepDistiller README" and f.teacher]
    assert len(figures) == 162
    reasons: list[tuple[Figure, list[str]]] = []
    for figure in figures:
        of = [
            job
            for job in students
            if (job.identity["student"]["model"], job.identity["method"]["name"]) == (figure.student, figure.method)
            and not job.identity["method"]["wrap"]
            and {jobs[key].identity["student"]["model"] for key in job.teachers} == {figure.teacher}
        ]
        assert of, f"{figure.place}: no cell"
        reasons.append((figure, min((apart(job, figure, session) for job in of), key=len)))
    said = {(f.method, f.student): why for f, why in reasons if why and not f.differs}
    assert not said
    assert {f.method for f, why in reasons if why} == {"fitnets", "ab", "ft", "fsp"}  # told in the suite's description
