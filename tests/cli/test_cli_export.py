"""kdbench export: a student leaves as a program that needs no kdbench, or as weights with a card."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from cli_bench import Bench
from safetensors import safe_open
from safetensors.torch import load_file

import kdbench
from kdbench.contract.errors import DataError
from kdbench.registry import Registry
from kdbench.ship import card as cards
from kdbench.ship import leave

PLAIN = """
import json, sys, torch
inside = {"kdbench.json": ""}
network = torch.export.load("student.pt2", extra_files=inside).module()
card, images = json.loads(inside["kdbench.json"]), torch.load("images.pt", weights_only=True)
assert not [name for name in sys.modules if name.startswith("kdbench")]
torch.save(network(images).detach(), "said.pt")
print(card["metrics"]["test"]["accuracy"])
"""


def test_the_accuracy_of_a_record_is_found_again_without_kdbench(finished: Bench):
    key, record = next((k, r) for k, r in finished.records().items() if r.labels["cell"] == "kd[weight=0.8]")
    done = finished("export", key[:12], code=0)
    assert "answers in order: 0, 1, 2" in done.out and "torch.export.load" in done.out
    samples = leave.task_of(record, Registry(), {}).data("test")
    torch.save(samples.fields["image"], finished.folder / "images.pt")
    ran = subprocess.run([sys.executable, "-c", PLAIN], cwd=finished.folder, capture_output=True, text=True, env={"PATH": ""})
    assert ran.returncode == 0, ran.stderr
    said = torch.load(finished.folder / "said.pt", weights_only=True)
    accuracy = float(np.mean((said.argmax(1) == samples.fields["label"]).numpy()))
    assert accuracy == record.metrics["truth"]["accuracy"] == float(ran.stdout)


def test_nothing_is_overwritten_unless_asked(finished: Bench):
    key = next(iter(finished.records()))
    (finished.folder / "student.pt2").write_text("mine")
    assert "--force overwrites it" in finished("export", key, code=2).err
    assert (finished.folder / "student.pt2").read_text() == "mine"
    finished("export", key, "--force", code=0)
    assert (finished.folder / "student.pt2").stat().st_size > 100


def test_a_student_that_its_method_rewrote_is_no_program(finished: Bench):
    key, record = next((k, r) for k, r in finished.records().items() if r.labels["cell"] == "kd[weight=0.8]")
    weights = finished.folder / f".kdbench/weights/{key}.safetensors"
    sha = leave.weights.save({f"inner.{name}": value for name, value in load_file(weights).items()}, weights)
    path = finished.folder / f"results/digits/kd/{key}.json"
    path.write_text(path.read_text().replace(record.weights, sha))
    refused, written = finished.many(f"export {key}", f"export {key} --to s.safetensors")
    assert refused.code == 2 and "kd rewrites the student" in refused.err and "--to NAME.safetensors" in refused.err
    assert written.code == 0 and "does not load it" in written.out
    with safe_open(finished.folder / "s.safetensors", "pt") as file:
        assert json.loads(file.metadata()[cards.ENTRY])["metrics"]["test"] == record.metrics["truth"]
    with pytest.raises(DataError, match="rewrites the student"):
        kdbench.load_student(finished.folder / "s.safetensors")
