"""A student that leaves says elsewhere what it said here: as a program, and as weights that kdbench reads again."""

from pathlib import Path

import pytest
import torch

import kdbench
from kdbench.contract.errors import DataError, KdbenchError
from kdbench.registry import Registry
from kdbench.results.record import Record
from kdbench.ship import leave
from kdbench.ship.student import Student
from kdbench.train import build

REGISTRY = Registry(packages=False)
CPU = torch.device("cpu")


def untrained(folder: Path, task: str, params: dict, model: str, options: dict) -> tuple[Record, Path, Student]:
    """A record of a network as it is made, its weights, and what it really is."""
    info = REGISTRY.task(task)
    made = build.make_task({"task": {"params": params}}, {"task": info.target})
    student = {"model": model, "params": options, "version": 1}
    net = build.make_net(made, student, REGISTRY.model_targets(model), CPU).eval()
    path = folder / "weights.safetensors"
    sha = leave.weights.save(net.backbone.state_dict(), path)
    identity = {"task": {"name": task, "params": params, "fingerprint": "", "version": 1}, "student": student, "seed": 0}
    labels = {"task": task, "method": "kd", "cell": "kd", "seed": 0, "pair": "default"}
    metrics = {"truth": {"accuracy": 0.5}}
    return Record("ab" * 12, "student", "done", identity, labels, metrics, weights=sha), path, Student(net, {}).eval()


FAMILIES = {
    "images": ("digits", {}, "resnet8", {}),
    "timm": ("digits", {}, "timm:resnet18", {}),
    "twin": ("digits", {}, "cheap:resnet8", {}),
    "maps": ("streets", {"size": "small"}, "street_student", {}),
    "sounds": ("sounds", {"size": "small"}, "tagcnn", {"size": "small"}),
    "events": ("sound_events", {"size": "small"}, "framecnn", {}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_program_and_weights_say_what_the_network_says(tmp_path, family):
    record, path, original = untrained(tmp_path, *FAMILIES[family])
    found = leave.trained(record, path, REGISTRY, {})
    leave.write_program(tmp_path / "s.pt2", found)
    leave.write_weights(tmp_path / "s.safetensors", path, found.student.card)
    again = kdbench.load_student(tmp_path / "s.safetensors")
    program = torch.export.load(tmp_path / "s.pt2").module()
    task = leave.task_of(record, REGISTRY, {})
    images = task.data("test").fields["image"]
    assert len(again.card["answers"]) == task.facts.outputs
    for some in (images[:1], images[:7]):
        with torch.no_grad():
            expected = original(some)
            torch.testing.assert_close(program(some), expected, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(again(some), expected, rtol=1e-5, atol=1e-6)
    assert all(not parameter.requires_grad for parameter in again.parameters()) and not again.training


def test_a_ranker_leaves_as_weights_alone(tmp_path):
    record, path, original = untrained(tmp_path, "topics", {"size": "small"}, "dense_text", {})
    found = leave.trained(record, path, REGISTRY, {})
    with pytest.raises(KdbenchError, match="no function of one input"):
        leave.write_program(tmp_path / "s.pt2", found)
    assert not (tmp_path / "s.pt2").exists()
    leave.write_weights(tmp_path / "s.safetensors", path, found.student.card)
    again = kdbench.load_student(tmp_path / "s.safetensors")
    torch.testing.assert_close(again(*found.inputs), original(*found.inputs).detach())


def test_what_a_card_does_not_tell_is_not_guessed(tmp_path, monkeypatch):
    """A task that prepares its images in a way that its `usage` does not tell: the program does so, the weights cannot."""
    record, path, _ = untrained(tmp_path, *FAMILIES["images"])
    kind = type(leave.task_of(record, REGISTRY, {}))
    monkeypatch.setattr(kind, "usage", lambda self: {})
    found = leave.trained(record, path, REGISTRY, {})
    leave.write_weights(tmp_path / "s.safetensors", path, found.student.card)
    with pytest.raises(DataError, match="in a way of its own"):
        kdbench.load_student(tmp_path / "s.safetensors")


def test_a_file_that_is_no_student_is_refused(tmp_path):
    leave.weights.save({"a": torch.zeros(2)}, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="has no card of kdbench"):
        kdbench.load_student(tmp_path / "a.safetensors")


def test_a_networks_own_normalisation_goes_with_it(tmp_path):
    record, path, _ = untrained(tmp_path, *FAMILIES["images"])
    record.identity["student"]["normalisation"] = {"mean": [0.1], "std": [0.7]}
    found = leave.trained(record, path, REGISTRY, {})
    assert found.student.card["mean"] == [0.1] and "facts" in found.student.card
