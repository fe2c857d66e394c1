"""The work that is timed: a suite on made-up images in CIFAR-100's form, planned as any is, and the bare loop on its nets."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.bare import Bare
from kdbench.cli.session import Session, open_suite
from kdbench.contract.model import Facts
from kdbench.jobs.job import Job
from kdbench.jobs.payload import payload
from kdbench.models import weights
from kdbench.registry import Registry, load_target
from kdbench.tasks.data.photos import cifar
from kdbench.train import build
from kdbench.train.job import run

NULL_NET = Path(__file__).with_name("null_net.py")
CPU = torch.device("cpu")
CLASSES, TEST = 100, 100
PAIR = ("wrn_40_2", "wrn_16_2")
NULL = ("null_net", "null_net")
SMALL = ("resnet8", "resnet8")
LONG = 100_000  # steps of a budget of which a few are run: terms' gradients are looked at one by one in its first step alone
KD = ["kd"]


def images(folder: Path, count: int) -> str:
    """Write so many training images, in the layout of CIFAR-100; their fingerprint."""
    random = np.random.default_rng(0)
    place = folder / "cifar-100-python"
    place.mkdir()
    for name, size in (("train", count), ("test", TEST)):
        pixels = random.integers(0, 256, (size, 3 * 32 * 32), dtype=np.uint8)
        held = {b"data": pixels, b"fine_labels": [n % CLASSES for n in range(size)], b"filenames": ["x.png"] * size}
        (place / name).write_bytes(pickle.dumps(held, protocol=2))
    names = [f"class{number:02}" for number in range(CLASSES)]
    (place / "meta").write_bytes(pickle.dumps({b"fine_label_names": names}, protocol=2))
    return cifar.read("cifar100", place).fingerprint


@dataclass(frozen=True)
class Work:
    """A planned suite whose teacher has its weights."""

    folder: Path
    session: Session
    batch: int

    def job(self, method: str) -> dict[str, Any]:
        """What the training side gets of the first student that the suite calls so."""
        return next(self.payload(job) for job in self.jobs("student") if job.labels.get("alias") == method)

    def jobs(self, kind: str) -> list[Job]:
        return [job for job in self.session.jobs.jobs.values() if job.kind == kind]

    def students(self, method: str) -> list[dict[str, Any]]:
        """What the training side gets of all seeds of a method."""
        return [self.payload(job) for job in self.jobs("student") if job.labels["method"] == method]

    def payload(self, job: Job) -> dict[str, Any]:
        home, results = self.session.home.path.absolute(), self.session.store.folder.absolute()
        return json.loads(json.dumps(payload(job, self.session.jobs, home, results, checkpoint_seconds=3600.0)))

    def bare(self) -> Bare:
        """The bare loop on this work: the same networks and images."""
        job = self.job("kd")
        task = build.make_task(job["spec"], job["targets"])
        samples = task.data("train")
        teacher, student = (
            build.make_net(task, net, job["targets"], CPU).backbone for net in (job["teachers"][0], job["spec"]["student"])
        )
        return Bare(teacher, student, samples.fields["image"], samples.fields["label"], self.batch)


def untrained(model: str, registry: Registry) -> nn.Module:
    torch.manual_seed(0)
    plugin = load_target(registry.model(model).target)
    return plugin.build(Facts(outputs=CLASSES, channels=3, size=(cifar.SIZE, cifar.SIZE)), plugin.Config())


def make(
    folder: Path,
    methods: Sequence[Any] = KD,
    pair: tuple[str, str] = PAIR,
    count: int = 128,
    batch: int = 64,
    steps: int = LONG,
    seeds: int = 1,
    source: str = "live",
) -> Work:
    """Images, suite and teacher in an empty folder. The teacher is not trained: what it says costs the same."""
    content = images(folder, count)
    teacher, student = pair
    kept = {"steps": steps, "batch": batch, "optimiser": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4}
    nets = {"name": "pair", "teacher": {"model": teacher, "weights": "teacher.safetensors"}, "student": {"model": student}}
    suite = {
        "version": 1,
        "name": "benchmark",
        "plugins": [str(NULL_NET)],
        "seeds": seeds,
        "recipe": kept,
        "tasks": [{"task": "cifar100", "params": {"root": str(folder), "content": content}, "pairs": [nets]}],
        "sources": {"kept": {"source": "stored"}},
        "methods": [{**({"method": m, "name": m} if isinstance(m, str) else m), "source": source} for m in methods],
    }
    path = folder / "suite.yaml"
    path.write_text(json.dumps(suite), encoding="utf-8")  # JSON is YAML
    weights.save(untrained(teacher, Registry([NULL_NET], packages=False)).state_dict(), folder / "teacher.safetensors")
    work = Work(folder, open_suite(path, folder / "results"), batch)
    for job in work.jobs("teacher"):
        run(work.payload(job), folder, "cpu", lambda event: None, lambda: False)
    return work
