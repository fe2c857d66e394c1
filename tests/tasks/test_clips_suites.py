"""The audio suites plan without data, in the settings that they tell of, and their smoke profiles are small."""

from pathlib import Path

import pytest

from kdbench.cli.session import open_suite
from kdbench.jobs.job import Job

SUITES = Path(__file__).parents[2] / "suites/audio"


def jobs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str | None = None) -> list[Job]:
    monkeypatch.delenv("KDBENCH_DATA", raising=False)
    session = open_suite(SUITES / f"{name}.yaml", tmp_path, profile, None, None)
    assert not session.jobs.refusals
    return list(session.jobs.jobs.values())


@pytest.mark.parametrize("name", ["esc10", "fsd50k", "audioset"])
def test_smoke_is_small_and_full_is_everything(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    full, smoke = (jobs(name, tmp_path, monkeypatch, profile) for profile in ("full", "smoke"))
    assert {job.key for job in full} == {job.key for job in jobs(name, tmp_path, monkeypatch)}
    assert len(smoke) < len(full) and len(smoke) <= 15
    if name != "esc10":  # the others need a GPU, and their data is not everybody's
        assert all(job.identity["recipe"]["steps"] == 4 for job in smoke)


def test_every_fold_of_esc10_is_tested_once_with_rates_that_were_not_chosen_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tasks: dict[str, dict] = {}
    rates: dict[str, dict[str, tuple[float, int]]] = {}
    for job in jobs("esc10", tmp_path, monkeypatch):
        task, recipe = job.labels["task"], job.identity["recipe"]
        tasks[task] = job.identity["task"]["params"]
        assert rates.setdefault(task, {}).setdefault(job.identity["role"], (recipe["lr"], recipe["steps"])) == (
            recipe["lr"],
            recipe["steps"],
        )
    for kind, steps, most in (("mix", 300, 3), ("clips", 200, 1)):
        for fold in range(1, 6):
            params = tasks[f"{kind}{fold}"]
            assert (params.get("test_fold", 1), params.get("most", 1), params.get("val_fold", 0)) == (fold, most, 0)
            chosen_on_5, chosen_on_1 = (0.01, steps), (0.03, steps)
            assert rates[f"{kind}{fold}"] == {"teacher": chosen_on_1 if fold == 5 else chosen_on_5, "student": (0.03, steps)}
    assert len(tasks) == 10
