"""The CIFAR suites plan without data, in the settings of their papers, and the published figures belong to their pairs."""

import csv
from pathlib import Path

import pytest

from kdbench.cli.session import open_suite
from kdbench.jobs.job import Job

ROOT = Path(__file__).parents[2]
FIDELITY, CRD = ROOT / "suites/fidelity/cifar100.yaml", ROOT / "suites/cifar100/crd.yaml"


def students(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str | None = None) -> list[Job]:
    monkeypatch.delenv("KDBENCH_DATA", raising=False)
    session = open_suite(path, tmp_path, profile, None, None)
    assert not session.jobs.refusals
    return list(session.jobs.jobs.values())


@pytest.mark.parametrize("path", [FIDELITY, CRD], ids=["fidelity", "crd"])
def test_smoke_is_small_and_full_is_everything(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    everything = {job.key for job in students(path, tmp_path, monkeypatch)}
    assert {job.key for job in students(path, tmp_path, monkeypatch, "full")} == everything
    smoke = students(path, tmp_path, monkeypatch, "smoke")
    assert len(smoke) <= 30 and all(job.spec["recipe"]["steps"] <= 4 for job in smoke)
    assert all(job.spec["task"]["params"]["train"] <= 200 for job in smoke)


def test_the_fidelity_suite_has_the_papers_budgets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    jobs = students(FIDELITY, tmp_path, monkeypatch)
    for job in jobs:
        recipe, batch = job.spec["recipe"], job.spec["recipe"]["batch"]
        assert recipe["schedule"] == "cosine" and recipe["warmup"] == 0 and job.spec["task"]["params"]["pixels"] == "unit"
        epochs = recipe["steps"] * batch["labelled"] / 50_000
        if job.kind == "teacher":
            assert (round(epochs), recipe["lr"], recipe["weight_decay"], recipe["nesterov"]) == (200, 0.1, 1e-4, False)
        else:
            assert round(epochs) in (300, 1000, 5000) and batch["labelled"] == 128
    views = {job.labels["view"]: job.spec["view"] for job in jobs if job.kind == "student"}
    assert views["mixup"]["stages"][0]["name"] == "mixup" and views["svhn"]["transfer"] == "svhn"


def test_the_crd_suite_has_the_published_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for job in students(CRD, tmp_path, monkeypatch):
        recipe = job.spec["recipe"]
        assert (recipe["steps"] * 64 / 50_000, recipe["weight_decay"], recipe["momentum"]) == (240, 5e-4, 0.9)
        assert [240 * share for share in recipe["milestones"]] == [150, 180, 210] and recipe["gamma"] == 0.1
        cheap = any(word in job.spec["student"]["model"] for word in ("mobile", "shuffle"))
        assert recipe["lr"] == (0.01 if cheap else 0.05)
        assert job.spec["view"]["labelled"] == job.spec["view"]["transfer"] == "train", "both losses see the same batch"
        assert not job.spec["task"]["params"].get("val"), "trained on all images, as the table was"


def test_every_published_figure_is_of_a_pair_and_method_of_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    session = open_suite(CRD, tmp_path, None, None, None)
    jobs = session.jobs.jobs
    planned = {
        (jobs[job.teachers[0]].spec["student"]["model"], job.spec["student"]["model"], job.spec["method"]["name"])
        for job in jobs.values()
        if job.teachers
    }
    with open(ROOT / "baselines/published/cifar100.csv", newline="") as file:
        every = list(csv.DictReader(file))
    rows = [row for row in every if row["source"] in ("RepDistiller README", "mdistiller README") and row["teacher"]]
    plain = [row for row in rows if row["method"] != "dot(kd)"]
    assert len(plain) == 173 and {(r["teacher"], r["student"], r["method"]) for r in plain} <= planned
    for row in plain:
        assert 55 < float(row["value"]) < 80 and row["epoch"] in ("last", "best")
        assert float(row["student_value"]) < float(row["teacher_value"])
    known = {(r["teacher"], r["student"], r["method"]): r["value"] for r in plain}
    assert known["resnet32x4", "resnet8x4", "dkd"] == "76.32" and known["vgg13", "mobilenetv2_half", "at"] == "59.40"
