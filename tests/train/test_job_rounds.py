"""Whole jobs in rounds: a student that goes on from an earlier one, and is taught by it; what its record says of that."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from kdbench.jobs.graph import graph
from kdbench.jobs.payload import payload
from kdbench.metrics.flips import flips
from kdbench.models import weights
from kdbench.models.weights import WeightsError
from kdbench.registry import Registry
from kdbench.results.home import Home
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads
from kdbench.train import job as training
from kdbench.train.start import from_weights

NET = {"model": "lenet8", "recipe": {"steps": 8, "lr": 0.01}}
SUITE: dict[str, Any] = {
    "version": 1,
    "name": "s",
    "tasks": [{"task": "digits", "params": {"test": "clean"}, "pairs": [{"name": "p", "teacher": NET, "student": NET}]}],
    "methods": [
        {"method": "dp_transfer", "rounds": {"each": {"recipe": {"lr": 1e-9, "weight_decay": 0.0}}}},
        {"method": "dp_transfer", "rounds": {"each": {"recipe": {"lr": 0.02}}}},
        {"method": "kd", "source": "earlier", "rounds": {"first": {"method": "none"}}},
        {"method": "kd", "source": "average"},
    ],
    "sources": {"average": {"source": "ema", "params": {"decay": 0.0, "ramp": False}}},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> tuple[dict[str, Record], Home]:
    """The records by the cells that jobs are told by."""
    folder, registry, found = tmp_path_factory.mktemp("rounds"), Registry(packages=False), {}
    jobs = graph(expand(parse_suite(loads(json.dumps(SUITE), "s.yaml"), registry), registry).arms, registry)
    assert not jobs.refusals
    home, results = Home(folder / "home"), folder / "results"
    for key, job in jobs.jobs.items():
        given = json.loads(json.dumps(payload(job, jobs, home.path, results, 60.0)))
        events: list[dict[str, Any]] = []
        assert training.run(given, folder / key, "cpu", events.append, lambda: False)["status"] == "done"
        shares = [event["share"] for event in events if event["event"] == "shares"]
        assert shares and all(sum(share.values()) == pytest.approx(1) for share in shares)
        found[job.labels["cell"]] = ResultStore(results, home).read(key)
    return found, home


def cell(done: dict[str, Record], *words: str) -> Record:
    [found] = [record for name, record in done.items() if all(word in name for word in words) and "round=" not in name]
    return found


def test_a_student_that_does_not_move_is_the_one_it_started_as(done):
    records, home = done
    first, second = records["none"], cell(records, "dp_transfer", "lr:1e-09")
    one, other = (weights.load(home.weights / f"{record.key}.safetensors") for record in (first, second))
    assert all(
        torch.allclose(one[name], other[name], atol=1e-6)
        for name in one
        if other[name].is_floating_point() and "running" not in name
    )
    assert second.metrics["flips"]["transfer"] == pytest.approx(
        second.metrics["truth"]["accuracy"] - first.metrics["truth"]["accuracy"]
    )


def test_what_was_gained_and_lost_is_in_the_record(done):
    records, _ = done
    moved, first, teacher = cell(records, "dp_transfer", "lr:0.02"), records["none"], records["teacher"]
    told = moved.metrics["flips"]
    assert told["gain"] - told["loss"] == pytest.approx(moved.metrics["truth"]["accuracy"] - first.metrics["truth"]["accuracy"])
    ahead = teacher.metrics["truth"]["accuracy"] - first.metrics["truth"]["accuracy"]
    assert told["positive_flips"] - told["negative_flips"] == pytest.approx(ahead)
    assert moved.teachers == [teacher.key] and moved.identity["init"] == {"job": first.key}
    assert moved.labels["preset"] == "dp_transfer" and "flips" not in first.metrics


def test_a_student_may_be_the_teacher_of_the_next(done):
    records, _ = done
    taught = cell(records, "kd·earlier")
    assert taught.teachers == [records["none"].key] and taught.metrics["fidelity"]["agreement"] > 0
    assert taught.identity["seed"] != records["none"].identity["seed"] and taught.labels["seed"] == 0


def test_what_taught_beside_the_student_is_scored(done):
    """An average without memory is the student itself: it is as good, and agrees with it wholly."""
    record = cell(done[0], "average")
    companion = record.metrics["companion"]
    assert companion["agreement"] == 1 and companion["kl"] == pytest.approx(0, abs=1e-6)
    assert companion["own_accuracy"] == record.metrics["truth"]["accuracy"]
    assert not any("companion" in other.metrics for name, other in done[0].items() if "average" not in name)


def test_how_long_the_teacher_was_asked(done):
    records, _ = done
    assert 0 < cell(records, "kd·earlier").timing["teacher_share"] < 1
    assert "teacher_share" not in records["none"].timing
    assert records["none"].cost["dropped"] == 0


def test_flips_by_hand():
    def said(*classes):
        return {"logits": np.eye(3)[list(classes)], "labels": np.array([0, 1, 2, 0])}

    found = flips(said(0, 1, 0, 1), said(0, 2, 2, 1), [said(1, 1, 2, 0), said(0, 2, 0, 1)])
    assert found == {"gain": 0.25, "loss": 0.25, "transfer": 0.0, "positive_flips": 0.25, "negative_flips": 0.25}


def test_weights_are_taken_in_part(tmp_path):
    given, own = torch.nn.Linear(2, 2), torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 3))
    path = tmp_path / "a.safetensors"
    save_file({f"0.{name}": value for name, value in given.state_dict().items()} | {"1.weight": torch.zeros(9)}, path)
    before = own[1].weight.detach().clone()
    from_weights(own, path, ["0."])
    assert torch.equal(own[0].weight, given.weight) and torch.equal(own[1].weight, before)
    with pytest.raises(WeightsError, match=r"1.weight is \[9\], the student has \[3, 2\]"):
        from_weights(own, path, ["1."])
    with pytest.raises(WeightsError, match="no weights whose names begin with 'stem'"):
        from_weights(own, path, ["stem"])
