"""Every arm of the catalogue, stopped twice and resumed in new processes: record and weights equal the uninterrupted run's."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from kdbench.jobs.graph import graph
from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.payload import payload
from kdbench.registry import Registry
from kdbench.results.home import Home
from kdbench.results.record import canonical, comparable
from kdbench.results.store import ResultStore
from kdbench.suite import expand, read_suite
from kdbench.train import job as training

FAMILIES = ["classification", "segmentation", "retrieval"]  # tagging has no form that these lack
SUITES = Path(__file__).parents[2] / "suites" / "catalogue"
ONE = multiprocessing.get_context("fork")


def attempt(given: dict[str, Any], folder: Path, steps: int | None) -> None:
    """In a process of its own: a job from where it is to its end, or until it has done so many steps more."""
    looks = iter(range(10**9))

    def stop() -> bool:  # asked once before the job is built, and then before each step
        return steps is not None and next(looks) > steps

    status = training.run(given, folder, "cpu", lambda event: None, stop)["status"]
    assert status == ("interrupted" if steps is not None else "done"), status


def in_a_new_process(*given: Any) -> None:
    process = ONE.Process(target=attempt, args=given)
    process.start()
    process.join()
    assert process.exitcode == 0, "the log above says why"


class Place:
    """A home and a results folder, where a job runs with or without stops."""

    def __init__(self, jobs: JobSet, folder: Path):
        self.jobs, self.folder, self.home = jobs, folder, Home(folder / "home")
        self.store = ResultStore(folder / "results", self.home)

    def run(self, job: Job, stops: int) -> list[int]:
        """The steps at which it was stopped."""
        given = json.loads(json.dumps(payload(job, self.jobs, self.home.path, self.store.folder, 1e9)))
        steps = job.spec["recipe"]["steps"]
        stopped = []
        for _ in range(stops):
            in_a_new_process(given, self.folder, steps // (stops + 1))
            state = load_file(self.home.checkpoints / job.key / "state.safetensors")
            stopped.append(int(state["at"]))
        in_a_new_process(given, self.folder, None)
        return stopped

    def left(self, job: Job) -> tuple[str, bytes]:
        record = self.store.read(job.key)
        return canonical(comparable(record)), (self.home.weights / f"{job.key}.safetensors").read_bytes()


def planned(family: str) -> JobSet:
    registry = Registry(packages=False)
    return graph(expand(read_suite(SUITES / f"{family}.yaml", registry), registry, "smoke").arms, registry)


def form(job: Job) -> str:
    """What of a job has a state of its own to be saved: its method and wrappers, source, start, and the stages of its view."""
    spec = job.spec
    wraps = [each["name"] for each in spec["method"]["wrap"]]
    source, start = (spec["source"] or {}).get("name"), spec["init"] if isinstance(spec["init"], str) else sorted(spec["init"])
    stages = [each.get("name") for each in spec["view"]["stages"]]
    return json.dumps([job.kind, spec["method"]["name"], wraps, source, start, stages])


def arms(family: str) -> tuple[JobSet, list[Job]]:
    """On digits all arms of the catalogue; elsewhere those of a form that digits, and the families before, do not have, and what
    these learn from."""
    jobs = planned(family)
    if family == FAMILIES[0]:
        return jobs, list(jobs.jobs.values())
    known = {form(job) for other in FAMILIES[: FAMILIES.index(family)] for job in planned(other).jobs.values()}
    wanted: set[str] = set()
    for key, job in reversed(jobs.jobs.items()):
        if form(job) not in known or key in wanted:
            wanted |= {key, *job.after}
    return jobs, [job for key, job in jobs.jobs.items() if key in wanted]


@pytest.mark.chaos
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("family", FAMILIES)
def test_resumed_is_uninterrupted_bit_for_bit(family: str, tmp_path: Path, record_property, capsys: pytest.CaptureFixture[str]):
    torch.set_num_threads(1)
    jobs, chosen = arms(family)
    whole, broken = Place(jobs, tmp_path / "whole"), Place(jobs, tmp_path / "broken")
    differ = []
    for job in chosen:
        whole.run(job, 0)
        stopped = broken.run(job, 2)
        assert 0 < stopped[0] < stopped[1] < job.spec["recipe"]["steps"], (job.title, stopped)
        assert broken.store.read(job.key).timing["resumed"] is True
        if whole.left(job) != broken.left(job):
            differ.append(job.title)
    with capsys.disabled():
        print(f"\n{family}: {len(chosen)} jobs stopped twice and resumed in new processes, {len(differ)} differ")
    record_property("chaos", [f"stopped and resumed, {family}", "no executor", 2 * len(chosen), len(differ)])
    assert chosen and not differ
