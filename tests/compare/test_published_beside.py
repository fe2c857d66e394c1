"""Ours beside published figures: the verdict is that of an independent t interval, and whatever differs forbids one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from made_up_results import make
from scipy import stats
from typer.testing import CliRunner

from kdbench.cli.verbs.compare import compare
from kdbench.contract.errors import KdbenchError
from kdbench.results.published import COLUMNS
from kdbench.results.store import ResultStore

APP = typer.Typer()
APP.command()(compare)
SUITE = """\
version: 1
name: made-up
seeds: 5
tasks:
  - task: digits
    name: figures
    pairs: [{name: lenet, teacher: {model: lenet8, pool: 5}, student: {model: digit_net}}]
methods:
  - kd
  - {method: kd, name: hot, params: {T: 8.0}}
"""
ROW = {
    "task": "digits", "teacher": "lenet8", "student": "digit_net", "method": "kd", "metric": "accuracy", "value": "50.0",
    "steps": "400", "epoch": "last", "source": "somewhere",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KDBENCH_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "published").mkdir()
    return tmp_path


def table(*rows: dict[str, str], name: str = "digits") -> None:
    lines = [",".join(COLUMNS), *(",".join(f'"{row.get(column, "")}"' for column in COLUMNS) for row in rows)]
    Path(f"published/{name}.csv").write_text("\n".join(lines) + "\n")


def ask(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(APP, [*words, "--published-in", "published"], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value), done.output


def told(*words: str) -> list[dict[str, Any]]:
    return json.loads(ask("made-up.yaml", *words, "--json")[1])["lines"]


def of_kd(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["ours"]["cell"] == "kd"]


def accuracies(cell: str = "kd") -> list[float]:
    found = [r for r in ResultStore("results").scan().records.values() if r.labels["cell"] == cell]
    return [record.metrics["truth"]["accuracy"] for record in found]


def test_with_their_spread_it_is_welch(folder: Path) -> None:
    make(folder, SUITE)
    table({**ROW, "spread": "2.5", "runs": "4"})
    (line,) = of_kd(told())
    ours = accuracies()
    mean, sd = sum(ours) / 5, stats.tstd(ours)
    parts = (sd**2 / 5, 0.025**2 / 4)
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / 4 + parts[1] ** 2 / 3)
    half = stats.t.ppf(0.975, freedom) * sum(parts) ** 0.5 + 0.0005  # half of the last printed digit
    assert line["interval"]["low"] == pytest.approx(mean - 0.5 - half, abs=1e-12)
    assert line["interval"]["high"] == pytest.approx(mean - 0.5 + half, abs=1e-12)
    assert line["verdict"] == "within" and line["interval"]["how"].startswith("Welch")


@pytest.mark.parametrize("runs", ["", "1", "5"])
def test_without_their_spread_ours_stands_in_and_it_is_said(folder: Path, runs: str) -> None:
    make(folder, SUITE)
    table({**ROW, "runs": runs})
    (line,) = of_kd(told())
    ours = accuracies()
    half = stats.t.ppf(0.975, 4) * stats.tstd(ours) * (1 / 5 + 1 / int(runs or 1)) ** 0.5 + 0.0005
    assert line["interval"]["high"] - line["interval"]["low"] == pytest.approx(2 * half, abs=1e-12)
    assert "their spread is not known" in line["interval"]["how"]


def test_above_and_below(folder: Path) -> None:
    make(folder, SUITE)
    table({**ROW, "value": "20"}, {**ROW, "value": "90", "source": "elsewhere"})
    assert [line["verdict"] for line in of_kd(told())] == ["above", "below"]
    code, text = ask("made-up.yaml", "kd")
    assert code == 0 and "figures/lenet" in text and "1 above" in text and "1 below" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"steps": "40000", "epochs": "100"}, "budget: 400 steps, theirs 40,000 steps (100 epochs)"),
        ({"steps": ""}, "their budget is not known"),
        ({"steps": "", "epochs": "100"}, "theirs 100 epochs of unknown batches"),
        ({"epoch": "best"}, "theirs is the best epoch on the test set, ours the last"),
        ({"epoch": "unknown"}, "whether theirs is the last or the best epoch is not told"),
        ({"epoch": "averaged"}, "averaged weights"),
        ({"params": "?"}, "their weights are not known"),
        ({"params": "T=2"}, "weights: T 4, theirs 2"),
        ({"recipe": "?"}, "their recipe is not known"),
        ({"recipe": "lr=0.1"}, "recipe: lr 0.03, theirs 0.1"),
        ({"recipe": "batch=128"}, "recipe: batch 64, theirs 128"),
        ({"recipe": "augment=none"}, "recipe: augment warp, theirs none"),
        ({"data": "?"}, "their data are not known"),
        ({"data": "labelled=50"}, "data: labelled default, theirs 50"),
        ({"differs": "two views"}, "theirs: two views"),
        ({"teacher_value": "75.0"}, "teacher: 59."),
    ],
)
def test_what_differs_forbids_a_verdict(folder: Path, change: dict[str, str], said: str) -> None:
    make(folder, SUITE)
    table({**ROW, "value": "90", **change})
    (line,) = of_kd(told())
    assert (line["verdict"], line["interval"]) == ("not comparable", None)
    assert len(line["reasons"]) == 1 and said in line["reasons"][0]
    assert ask("made-up.yaml")[0] == 4


def test_what_is_equal_is_no_difference(folder: Path) -> None:
    make(folder, SUITE)
    same = {"params": "T=4.0 weight=.9 divergence=fkl", "recipe": "lr=3e-2 batch=64 optimiser=adamw augment=warp"}
    table({**ROW, **same, "teacher_value": "59.5", "steps": "401"})
    (line,) = of_kd(told())
    assert line["reasons"] == [] and line["verdict"] == "within"


def test_a_setting_of_ours_that_they_do_not_name_is_a_difference(folder: Path) -> None:
    make(folder, SUITE)
    table(ROW)
    hot = next(line for line in told() if line["ours"]["cell"] == "kd[T=8]")
    assert hot["reasons"] == ["weights: T 8, theirs 4"] and hot["ours"]["name"] == "hot"


def test_a_small_run_is_never_below(folder: Path) -> None:
    small = SUITE.replace("seeds: 5", "seeds: 5\nrecipe: {steps: 4}").replace(
        "name: figures", "name: figures\n    params: {labelled: 20}"
    )
    make(folder, small)
    table({**ROW, "value": "99.0"})
    (line,) = of_kd(told())
    assert line["verdict"] == "not comparable" and line["difference"] < 0
    assert line["reasons"][0].startswith("budget: 4 steps") and "data: labelled 20, theirs default" in line["reasons"]


def test_one_seed_missing_seeds_and_diverged_runs(folder: Path) -> None:
    table(ROW)
    make(folder, SUITE.replace("seeds: 5", "seeds: 1").replace("pool: 5", "pool: 1"))
    assert of_kd(told())[0]["reasons"] == ["one seed of ours: no spread"]
    make(folder, SUITE, change=lambda cell, seed: None if (cell, seed) == ("kd", 3) else {})
    assert of_kd(told())[0]["reasons"] == ["kd: 4 of 5 seeds have a result"]
    make(folder, SUITE, change=lambda cell, seed: {"status": "diverged"} if (cell, seed) == ("kd", 3) else {})
    assert of_kd(told())[0]["reasons"] == ["kd: 1 of 5 seeds diverged"]


def test_views_sources_networks_and_starts(folder: Path) -> None:
    def changed(**parts: Any) -> list[str]:
        store = make(folder, SUITE)
        for record in store.scan().records.values():
            if record.labels["cell"] == "kd":
                identity = {**record.identity, **{k: v for k, v in parts.items() if k != "labels"}}
                store.write(replace(record, identity=identity, labels={**record.labels, **parts.get("labels", {})}))
        return of_kd(told())[0]["reasons"]

    table(ROW)
    assert changed(labels={"view": "clean"}) == ["view: clean"]
    assert changed(init={"mix": 0.5}) == ["ours does not start afresh"]
    ensemble = {"name": "ensemble", "version": 1, "params": {"teachers": 3}}
    assert changed(source=ensemble, labels={"source": "three"}) == ["signal: three, theirs one live teacher"]
    wide = {"model": "digit_net", "version": 1, "params": {"depth": 3}}
    assert changed(student=wide) == ["student: depth 3, theirs default"]


def test_the_suites_own_name_of_a_task_has_figures_too(folder: Path) -> None:
    make(folder, SUITE)
    table({**ROW, "task": "figures"}, name="figures")
    assert [line["verdict"] for line in of_kd(told())] == ["within"]


def test_only_figures_of_the_same_networks_and_method(folder: Path) -> None:
    make(folder, SUITE)
    table(
        {**ROW, "teacher": "resnet56"},
        {**ROW, "student": "lenet8"},
        {**ROW, "method": "dkd"},
        {**ROW, "method": "logit_std(kd)"},
        {**ROW, "teacher": "?"},
        {**ROW, "teacher": "", "method": "none", "value": "31"},
    )
    lines = told()
    assert [(line["ours"]["cell"], line["verdict"]) for line in lines] == [("none", "within")]
    table({**ROW, "method": "dkd"})
    code, text = ask("made-up.yaml")
    assert code == 4 and "no figure in published is of a cell" in text


def test_from_a_folder_of_results_without_a_suite(folder: Path) -> None:
    make(folder, SUITE)
    table({**ROW, "value": "20"})
    code, text = ask("results")
    assert code == 0 and "kd: accuracy %" in text and "above" in text


def test_wrong_calls_are_told(folder: Path) -> None:
    make(folder, SUITE)
    table({**ROW, "method": "kdd"})
    with pytest.raises(KdbenchError, match=r"digits.csv:2: method: no method 'kdd'; did you mean 'kd'\?"):
        ask("made-up.yaml")
    table(ROW)
    with pytest.raises(KdbenchError, match="do not go with it"):
        ask("made-up.yaml", "--against", "results")
    with pytest.raises(KdbenchError, match="no cell 'kdd'"):
        ask("made-up.yaml", "kdd")
    with pytest.raises(KdbenchError, match="no folder nowhere"):
        CliRunner().invoke(APP, ["made-up.yaml", "--published-in", "nowhere"], standalone_mode=False, catch_exceptions=False)
