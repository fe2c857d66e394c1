"""A whole job with a start and a stage: its student begins at its teacher, and is taught on blends."""

import json
from pathlib import Path

import pytest
import timm
import torch

from kdbench.jobs.graph import graph
from kdbench.jobs.payload import payload
from kdbench.models import weights
from kdbench.models.weight_files import sha256
from kdbench.registry import Registry
from kdbench.results.home import Home
from kdbench.results.store import ResultStore
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads
from kdbench.train import job as training

SUITE = {
    "version": 1,
    "name": "s",
    "tasks": [
        {
            "task": "digits",
            "params": {"test": "clean"},
            "pairs": [
                {
                    "name": "p",
                    "teacher": {"model": "lenet8", "recipe": {"steps": 20}},
                    "student": {"model": "lenet8", "recipe": {"steps": 2, "lr": 1e-9, "weight_decay": 0.0}},
                }
            ],
        }
    ],
    "methods": [
        {"method": "none", "name": "alone"},
        {"method": "kd", "source": "one", "view": "mixed", "params": {"task": 0}, "init": ["fresh", {"mix": 1}]},
    ],
    "sources": {"one": {"source": "stored"}},
    "views": {"mixed": {"stages": "mixup"}},
}


def test_a_student_that_starts_at_its_teacher_and_does_not_move_is_its_teacher(tmp_path: Path):
    registry = Registry(packages=False)
    jobs = graph(expand(parse_suite(loads(json.dumps(SUITE), "s.yaml"), registry), registry).arms, registry)
    assert not jobs.refusals
    home, results = Home(tmp_path / "home"), tmp_path / "results"
    found = {}
    for key, job in jobs.jobs.items():
        given = json.loads(json.dumps(payload(job, jobs, home.path, results, 60.0)))  # as the executor hands it over
        done = training.run(given, tmp_path / key, "cpu", lambda event: None, lambda: False)
        assert done["status"] == "done"
        found[job.labels["cell"]] = ResultStore(results, home).read(key)
    at_teacher = found["kd[task=0]·one·mixed{init.mix=1}"]
    assert at_teacher.metrics["fidelity"]["agreement"] == 1 and at_teacher.metrics["distil"]["agreement"] == 1
    assert at_teacher.metrics["fidelity"]["kl"] == pytest.approx(0, abs=1e-6)
    assert found["kd[task=0]·one·mixed"].metrics["fidelity"]["agreement"] < 0.9
    assert at_teacher.identity["init"] == {"mix": 1.0} and found["none"].identity["init"] == "fresh"
    first, second = (found[cell].timing for cell in ("kd[task=0]·one·mixed", "kd[task=0]·one·mixed{init.mix=1}"))
    assert first["signals_read"] == second["signals_read"] == 2 * at_teacher.identity["recipe"].get("batch", 64)
    assert first["signals_asked"] >= 900 and second["signals_asked"] == 0, "the teacher answers once for both"


def test_teacher_and_student_train_on_from_a_file_with_a_new_head(tmp_path: Path):
    registry = Registry(packages=False)
    torch.manual_seed(0)
    theirs = timm.create_model("resnet10t", num_classes=7, in_chans=1).state_dict()
    torch.save(theirs, tmp_path / "seven.pth")
    still = {"steps": 1, "lr": 1e-12, "weight_decay": 0.0}
    side = {"model": "timm:resnet10t", "recipe": still, "init": {"file": "seven.pth", "fresh": "fc"}}
    pair = {"name": "p", "teacher": side, "student": side}
    suite = {**SUITE, "tasks": [{**SUITE["tasks"][0], "pairs": [pair]}], "methods": ["kd"]}
    path = tmp_path / "s.yaml"
    read = parse_suite(loads(json.dumps(suite), str(path)), registry)
    jobs = graph(expand(read, registry).arms, registry, tmp_path)
    home, results = Home(tmp_path / "home"), tmp_path / "results"
    for key, job in jobs.jobs.items():
        assert job.identity["init"] == {"weights": sha256(tmp_path / "seven.pth"), "fresh": ["fc"]}
        given = json.loads(json.dumps(payload(job, jobs, home.path, results, 60.0)))
        assert training.run(given, tmp_path / key, "cpu", lambda event: None, lambda: False)["status"] == "done"
        got = weights.load(home.weights / f"{key}.safetensors")
        assert got["fc.weight"].shape == (10, 512)
        assert torch.allclose(got["conv1.0.weight"], theirs["conv1.0.weight"], atol=1e-6), "trained on from the file"
    fresh = {
        **suite,
        "tasks": [{**suite["tasks"][0], "pairs": [{**pair, "teacher": {"model": "timm:resnet10t", "recipe": still}}]}],
    }
    other = graph(expand(parse_suite(loads(json.dumps(fresh), str(path)), registry), registry).arms, registry, tmp_path)
    assert not {key for key, job in other.jobs.items() if job.kind == "teacher"} & jobs.jobs.keys(), "another start, another key"
