"""The suites of domain adaptation plan without data, and run from small folders in the layouts of their sets."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scene_files

from kdbench.cli.session import open_suite
from kdbench.jobs.job import Job
from kdbench.jobs.payload import payload
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore, arrays
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.tasks.data import array_cache, place
from kdbench.tasks.data.scenes import scene_layouts
from kdbench.tasks.maps import Segmentation
from kdbench.tasks.scene_params import ScenesConfig
from kdbench.train import job as training

ROOT = Path(__file__).parents[2]
SUITES = {name: ROOT / f"suites/uda/{name}.yaml" for name in ("gta5_cityscapes", "synthia_cityscapes", "folders")}


def jobs(name: str, tmp_path: Path, profile: str | None = None) -> list[Job]:
    session = open_suite(SUITES[name], tmp_path, profile, None, None)
    assert not session.jobs.refusals
    return list(session.jobs.jobs.values())


@pytest.mark.parametrize("name", ["gta5_cityscapes", "synthia_cityscapes"])
def test_settings_are_daformers_at_full_size(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KDBENCH_DATA", raising=False)
    planned = jobs(name, tmp_path)
    assert {job.key for job in planned} == {job.key for job in jobs(name, tmp_path, "full")}
    for job in planned:
        recipe, params = job.spec["recipe"], ScenesConfig(**job.spec["task"]["params"])
        assert (recipe["steps"], recipe["lr"], recipe["schedule"]) == (40_000, 6e-5, "linear")
        assert recipe["warmup"] * recipe["steps"] == pytest.approx(1500) and set(recipe["batch"].values()) == {2}
        assert (params.size, params.test_size, params.crop) == ((512, 1024), (1024, 2048), (512, 512))
        assert not params.val, "trained on all target images, tested on val"
    arms = {job.labels.get("cell", "").split("/")[-1] for job in planned}
    wanted = ("self_training", "mean_teacher", "mean_teacher_classmix", "uda_average", "uda_channel", "kd[T=1]")
    assert all(any(want in arm for arm in arms) for want in wanted)
    reduced = jobs(name, tmp_path, "reduced")
    assert all(job.spec["recipe"]["steps"] == 4000 and job.spec["task"]["params"]["crop"] == [256, 256] for job in reduced)
    smoke = jobs(name, tmp_path, "smoke")
    assert len(smoke) <= 16 and all(job.spec["recipe"]["steps"] <= 3 for job in smoke)


def written(name: str, root: Path) -> Path:
    """The suite with the fingerprints of the folders that lie there, and with small networks."""
    folders = name.split("_") if name != "folders" else ("source", "target")
    drop = name == "gta5_cityscapes"
    found = [scene_layouts.look("pairs" if name == "folders" else each, root / each, drop).fingerprint for each in folders]
    text = SUITES[name].read_text(encoding="utf-8")
    for large, small in (("resnet50", "street_teacher"), ("resnet18", "street_student")):
        text = text.replace(f"model: timm_fpn, params: {{encoder: {large}}}", f"model: {small}")
    for side, fingerprint in zip(("source", "target"), found, strict=True):
        text = text.replace(f'{side}_content: ""', f"{side}_content: {fingerprint}")
    path = root / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def run(name: str, root: Path, monkeypatch: pytest.MonkeyPatch, *arms: str) -> list[Record]:
    """The records of the suite's smallest profile, of all jobs or of some arms and the teachers that they need."""
    monkeypatch.setenv(array_cache.VARIABLE, str(root / "cache"))
    monkeypatch.setenv(place.VARIABLE, str(root))
    found = open_suite(written(name, root), root / "results", "smoke", None, None).jobs
    wanted = {key for key, job in found.jobs.items() if not arms or any(arm in job.labels["cell"] for arm in arms)}
    wanted |= {teacher for key in wanted for teacher in found.jobs[key].teachers}
    home, results = Home(root / "home"), root / "results"
    for key in (key for key in found.jobs if key in wanted):  # teachers stand before their students
        given = json.loads(json.dumps(payload(found.jobs[key], found, home.path, results, 60.0)))
        assert training.run(given, root / key, "cpu", lambda event: None, lambda: False)["status"] == "done"
    return [ResultStore(results, home).read(key) for key in wanted]


def test_own_folders_train_and_are_judged_from_yaml_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene_files.pairs(tmp_path / "source", {"train": 6}, source=True)
    scene_files.pairs(tmp_path / "target", {"train": 6, "test": 4}, labelled=("test",))
    monkeypatch.setattr(Segmentation, "large", 1000)  # judged as a set whose logits cannot all be kept
    records = run("folders", tmp_path, monkeypatch, "kd[", "classmix")
    assert len(records) == 3 and all(0 <= record.metrics["truth"]["miou"] < 1 for record in records)
    [student] = [record for record in records if "kd[" in record.labels["cell"]]
    stored = arrays(student, "test", OutputStore(Home(tmp_path / "home")))
    assert stored["decisions"].shape == stored["labels"].shape == (4, 48, 64)
    matrix = np.histogram2d(*(stored[name][stored["labels"] < 255] for name in ("labels", "decisions")), [range(9)] * 2)[0]
    with np.errstate(invalid="ignore"):
        iou = np.diag(matrix) / (matrix.sum(0) + matrix.sum(1) - np.diag(matrix))
    assert student.metrics["truth"]["miou"] == pytest.approx(np.nanmean(iou))
    assert student.metrics["fidelity"]["log_kl"] < 0 and student.metrics["distil"]["agreement"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gta5_cityscapes", "synthia_cityscapes"])
def test_every_arm_runs_on_small_sets_in_published_layouts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in name.split("_"):
        getattr(scene_files, each)(tmp_path / each)
    records = run(name, tmp_path, monkeypatch)
    assert len(records) == 16 and all(record.status == "done" for record in records)
