"""A record tells what its job held, and how many shared its device."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from kdbench.jobs.graph import graph
from kdbench.jobs.payload import payload
from kdbench.registry import Registry
from kdbench.results import company
from kdbench.results.home import Home
from kdbench.results.store import ResultStore
from kdbench.results.timing import marks
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads
from kdbench.train import footprint
from kdbench.train import job as training

CPU = torch.device("cpu")
MIB = 2**20
SUITE = {"version": 1, "name": "s", "tasks": [{"task": "digits", "recipe": {"steps": 2}}], "methods": ["none"]}


def test_the_peak_is_that_of_the_job_and_not_of_what_its_process_did_before(tmp_path: Path):
    def held(size: int) -> int:
        footprint.begin(CPU)
        kept = np.ones(size, dtype=np.uint8)
        del kept
        return footprint.taken(CPU, tmp_path)["peak_bytes"]

    small, large, again = held(MIB), held(400 * MIB), held(MIB)
    assert large - small > 300 * MIB and large - again > 300 * MIB and small > 20 * MIB


def test_a_record_tells_both(tmp_path: Path):
    registry = Registry(packages=False)
    jobs = graph(expand(parse_suite(loads(json.dumps(SUITE), "s.yaml"), registry), registry).arms, registry)
    key, job = next((key, job) for key, job in jobs.jobs.items() if job.labels["cell"] == "none")
    home, results = Home(tmp_path / "home"), tmp_path / "results"
    given = json.loads(json.dumps(payload(job, jobs, home.path, results, 60.0)))
    given["teachers"] = []
    folder = home.jobs / key
    for others in ([], [[tmp_path / "a"], [tmp_path / "b"]]):
        folder.mkdir(exist_ok=True, parents=True)
        company.note([folder], others)
        training.run(given, folder, "cpu", lambda event: None, lambda: False)
        timing = ResultStore(results, home).read(key).timing
        assert timing["peak_bytes"] > 20 * MIB
        assert marks(timing) == (["packed"] if others else []) and timing.get("packed", 1) == 1 + len(others)
