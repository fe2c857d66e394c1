"""The ImageNet suites: planned without data in their papers' settings, and their smoke profiles run on a small ImageNet."""

import os
import subprocess
import sys
from pathlib import Path

import imagenet_files as files
import pytest

from kdbench.cli.session import open_suite
from kdbench.jobs.job import Job
from kdbench.results.store import ResultStore
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.photos import imagenet_check, images

ROOT = Path(__file__).parents[2]
PAIR, A3 = ROOT / "suites/imagenet/resnet34_resnet18.yaml", ROOT / "suites/imagenet/a3.yaml"


def jobs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str | None = None) -> list[Job]:
    monkeypatch.delenv("KDBENCH_DATA", raising=False)
    session = open_suite(path, tmp_path, profile, None, None)
    assert not session.jobs.refusals
    return list(session.jobs.jobs.values())


@pytest.mark.parametrize("path", [PAIR, A3], ids=["pair", "a3"])
def test_smoke_is_small_and_full_is_everything(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    everything = {job.key for job in jobs(path, tmp_path, monkeypatch)}
    assert {job.key for job in jobs(path, tmp_path, monkeypatch, "full")} == everything
    smoke = jobs(path, tmp_path, monkeypatch, "smoke")
    assert len(smoke) <= 12 and all(job.spec["recipe"]["steps"] <= 4 for job in smoke)
    assert all(job.spec["task"]["params"]["train"] <= 64 for job in smoke)


def test_the_pair_has_the_published_recipe_view_and_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    methods = {}
    for job in jobs(PAIR, tmp_path, monkeypatch):
        recipe, params = job.spec["recipe"], job.spec["task"]["params"]
        assert round(recipe["steps"] * recipe["batch"]["labelled"] / 1_281_167) == 100
        assert (recipe["lr"], recipe["weight_decay"], recipe["milestones"]) == (0.2, 1e-4, [0.3, 0.6, 0.9])
        assert (params["size"], params["resize"], params["views_from"]) == (224, 256, "files")
        assert job.spec["view"]["augment"] == "resized_crop"
        if job.kind == "student":
            methods[job.labels["cell"]] = job.spec["method"]
    given = {cell: method["params"] for cell, method in methods.items()}
    assert given["dkd[T=1,beta=0.5,warmup=0.01]·parts"].items() >= {"T": 1, "beta": 0.5}.items()
    assert "none·parts" in given and len(given) == 9


def test_a3_is_trained_at_160_and_tested_at_224(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for job in jobs(A3, tmp_path, monkeypatch):
        recipe, params = job.spec["recipe"], job.spec["task"]["params"]
        assert round(recipe["steps"] * 2048 / 1_281_167) == 100 and recipe["batch"]["labelled"] == 2048
        assert (recipe["weight_decay"], recipe["schedule"], recipe["warmup"]) == (0.02, "cosine", 0.05)
        assert (params["size"], params["test_size"], params["resize"]) == (160, 224, 236)


def smoke(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *only: str) -> dict:
    """Records of a suite's smoke profile on a small ImageNet with its devkit."""
    files.devkit(files.base(tmp_path / "data" / "imagenet"))
    settings = {"KDBENCH_DATA": str(tmp_path / "data"), array_cache.VARIABLE: str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    content = images.listed(imagenet_check.find()).fingerprint
    suite = tmp_path / path.name
    suite.write_text(path.read_text().replace('content: ""', f"content: {content}"))
    words = ["run", suite.name, "--profile", "smoke", "--executor", "inline", "--no-track", *only]
    made = subprocess.run(
        [sys.executable, "-m", "kdbench.cli.app", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return ResultStore(tmp_path / "results").scan().records


def sound(records: dict) -> bool:
    """All done, from files, with the time for which they waited for data."""
    return all(
        record.status == "done" and 0 <= record.timing["data_share"] <= 1 and record.metrics["truth"]["accuracy"] >= 0
        for record in records.values()
    )


def test_an_arm_of_the_smoke_profile_runs_on_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    records = smoke(PAIR, tmp_path, monkeypatch, "--only", "method=dkd")
    assert {record.labels.get("method", record.kind) for record in records.values()} >= {"dkd"} and sound(records)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "count"), [(PAIR, 10), (A3, 5)], ids=["pair", "a3"])
def test_the_smoke_profiles_run(path: Path, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    records = smoke(path, tmp_path, monkeypatch)
    assert len(records) == count and sound(records)
