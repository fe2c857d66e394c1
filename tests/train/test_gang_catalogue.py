"""Every method of the catalogue in gangs, as its suites form them: each record equals the one that was made alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from gang_bench import Place, same

from kdbench.jobs.gang import gang_of
from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.suite import expand, read_suite

SUITES = Path(__file__).parents[2] / "suites" / "catalogue"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("family", ["classification", "segmentation", "retrieval", "tagging"])
def test_all_methods_in_gangs_are_what_they_are_alone(family, tmp_path):
    torch.set_num_threads(1)
    registry = Registry(packages=False)
    jobs = graph(expand(read_suite(SUITES / f"{family}.yaml", registry), registry, "smoke").arms, registry)
    alone, place = Place(jobs, tmp_path / "alone"), Place(jobs, tmp_path / "gangs")
    for job in jobs.jobs.values():
        alone.alone(job)
    left, done, largest = list(jobs.jobs.values()), set(), 1
    while left:
        ready = [job for job in left if done.issuperset(job.after)]
        first = ready[0]
        gang = [job for job in ready if gang_of(job) == gang_of(first)] if gang_of(first) else [first]
        assert set(place.together(gang)) <= {"done", "diverged"}
        largest = max(largest, len(gang))
        done |= {job.key for job in gang}
        left = [job for job in left if job.key not in done]
    same(place, alone, jobs.jobs.values())
    assert max(place.record(job).timing.get("gang", 1) for job in jobs.jobs.values()) == largest > 10
