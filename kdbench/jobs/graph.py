"""From a suite's arms to jobs: each arm is a student, and the teachers that it learns from are jobs of their own, shared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kdbench.jobs.design import Design, student_design
from kdbench.jobs.fit import misfits, unshowable
from kdbench.jobs.job import Cell, Job, JobSet, Refusal
from kdbench.jobs.pool import pick, teacher_jobs
from kdbench.jobs.rounds import round_label, seed_of, students_asked
from kdbench.jobs.start import start_of, unstartable
from kdbench.registry import Registry
from kdbench.suite.arm import Arm


def graph(arms: Sequence[Arm], registry: Registry, root: Path = Path(".")) -> JobSet:
    """All jobs of the arms. Cells that cannot run become refusals with their reasons; nothing is imported or read but weights."""
    found = JobSet()
    # Seeds of a cell differ in nothing that decides whether it can run, and cells of a pair share their pool of teachers.
    reasons: dict[Cell, list[str]] = {}
    pools: dict[tuple[str, str], list[Job]] = {}
    designs: dict[Cell, list[Design]] = {}  # of each round, the arm's own last
    for arm in arms:
        cell = Cell(*arm.place)
        if cell not in reasons:
            reasons[cell] = refused(arm, registry)
            if reasons[cell]:
                found.refusals.append(Refusal(cell, tuple(reasons[cell])))
        if reasons[cell]:
            continue
        pair = (cell.task, cell.pair)
        if pair not in pools:
            pools[pair] = teacher_jobs(arm, registry, root)
        chain: list[Job] = []
        for part in (*arm.before, arm):
            job, others, refer = round_jobs(part, arm, registry, pools[pair], chain, root, designs.setdefault(cell, []))
            for wanted in (*others, job):
                found.jobs.setdefault(wanted.key, wanted)
            found.reference[(*pair, job.key)] = tuple(t.key for t in refer)
            chain.append(job)
        found.cells.setdefault(cell, []).append(chain[-1].key)
    for pair, pool in pools.items():
        found.teachers[pair] = [teacher.key for teacher in pool if teacher.key in found.jobs]
    return found


def refused(arm: Arm, registry: Registry) -> list[str]:
    """Every reason why an arm cannot run, with the round that it is about where there are several."""
    parts = (*arm.before, arm)
    rounds: dict[str, list[str]] = {}
    for number, part in enumerate(parts):
        for reason in misfits(part, registry, parts[:number]) + unstartable(part, parts[:number]) + unshowable(part, registry):
            rounds.setdefault(reason, []).append(str(number + 1))
    if not arm.before:
        return list(rounds)
    return [f"round{'s' if len(where) > 1 else ''} {', '.join(where)}: {reason}" for reason, where in rounds.items()]


def round_jobs(
    part: Arm, arm: Arm, registry: Registry, pool: Sequence[Job], chain: Sequence[Job], root: Path, designs: list[Design]
) -> tuple[Job, list[Job], list[Job]]:
    """The job of one round of an arm, the teachers that must be there, and those that its fidelity refers to."""
    start = start_of(part, chain, root)
    asked = pick(pool, part.source["teachers"], arm.seed) if part.source else []
    students = students_asked(part, chain, start)
    refer = asked or [s for s in students if s is not start.job] or pick(pool, len(part.teachers), arm.seed)
    if len(designs) == len(chain):
        named = part if part is arm else replace(part, cell=round_label(arm.cell, len(chain) + 1))
        designs.append(student_design(named, registry, [*asked, *students]))
    job = designs[len(chain)].job(seed_of(arm.seed, len(chain)), arm.seed, [*asked, *students], start)
    return job, [t for t in (*asked, *refer) if t.kind == "teacher"], [t for t in refer if not t.foreign]
