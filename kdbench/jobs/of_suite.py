"""A suite's jobs in two stages: the trials that choose settings, and what can be run with those that are chosen already.

Which settings are chosen is read from the results folder, as teachers are. So the same suite plans more jobs once its trials are
done, and other ones where a grid was changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from kdbench.jobs.decide import Decision, decide
from kdbench.jobs.graph import graph
from kdbench.jobs.identity import canonical
from kdbench.jobs.job import Cell, Job, JobSet
from kdbench.jobs.rounds import trial_label
from kdbench.registry import Registry
from kdbench.suite.arm import Expansion, Place
from kdbench.suite.expand import expand
from kdbench.suite.schema import Suite
from kdbench.suite.tuning import Tuning


def jobs_of(
    suite: Suite,
    registry: Registry,
    root: Path,
    profile: str | None,
    only: str | None,
    records: Callable[[], Mapping[str, Any]],
) -> tuple[Expansion, JobSet]:
    """What a suite plans, given the records that there are; they are asked for only where something is chosen."""
    first = expand(suite, registry, profile, only)
    if not first.tunings:
        return first, graph(first.arms, registry, root)
    trials, decisions = trial_jobs(list(first.tunings.values()), registry, root, records())
    chosen = {one.tuning.place: one.chosen for one in decisions if one.chosen is not None}
    expansion = expand(suite, registry, profile, only, chosen)
    jobs = together(trials, graph(expansion.arms, registry, root), graph(expansion.waiting, registry, root))
    jobs.decisions = decisions
    jobs.waiting = dict(Counter(Cell(*arm.place) for arm in expansion.waiting))
    return expansion, jobs


def trial_jobs(
    tunings: Sequence[Tuning], registry: Registry, root: Path, records: Mapping[str, Any]
) -> tuple[JobSet, list[Decision]]:
    """The jobs of all trials, and what they have chosen."""
    jobs = JobSet()
    found: dict[Place, Decision] = {}
    alike: dict[str, list[Tuning]] = {}
    for tuning in tunings:  # what is held out is another task, whose teachers are others
        alike.setdefault(canonical(tuning.task), []).append(tuning)
    for group in alike.values():
        arms = {(arm.pair, arm.cell, arm.seed): arm for tuning in group for arm in tuning.trials()}
        part = graph(list(arms.values()), registry, root)
        if group[0].hold_out:
            part.jobs = {key: own_teacher(job) for key, job in part.jobs.items()}
        jobs.jobs |= part.jobs
        jobs.reference |= part.reference
        jobs.refusals += part.refusals
        for tuning in group:
            keys = [part.cells.get(Cell(*variant.arm.place), []) for variant in tuning.variants]
            wanted = [[key for key in trials if part.jobs[key].labels["seed"] in tuning.seeds] for trials in keys]
            found[tuning.place] = decide(tuning, wanted, records)
    return jobs, [found[tuning.place] for tuning in tunings]


def own_teacher(job: Job) -> Job:
    """A teacher that leaves the held-out part out is none of those that are reported."""
    if job.kind != "teacher":
        return job
    return replace(job, labels={**job.labels, "cell": trial_label(job.labels["cell"])})


def together(trials: JobSet, final: JobSet, late: JobSet) -> JobSet:
    """All jobs that can be run now, trials first; the teachers of arms that wait are made meanwhile."""
    teachers = {key: job for key, job in late.jobs.items() if job.kind == "teacher"}
    final.jobs = {**trials.jobs, **teachers, **final.jobs}
    final.reference = {**trials.reference, **final.reference}
    final.teachers = {**late.teachers, **final.teachers}
    final.refusals += [refusal for refusal in trials.refusals if refusal not in final.refusals]
    return final
