"""The gate on results that were pulled from an MLflow store (a real one, sqlite), by what tracking writes there."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from gate_bench import Bench

from kdbench.cli.verbs.track import further_records
from kdbench.jobs.job import Cell
from kdbench.track.entries import digest
from kdbench.track.mlflow import sync

PULL = ("--from-mlflow", "sqlite:///store.db")


def worse(cell: str, seed: int) -> dict[str, float]:
    """A regression, and a value that MLflow's own metrics cannot hold."""
    return {"accuracy": -0.05} if cell == "kd" else {"log_kl": float("inf")} if (cell, seed) == ("dkd", 2) else {}


def report(bench: Bench, *words: str) -> dict:
    with redirect_stdout(StringIO()) as out:
        code = bench("gate", "made.yaml", "--json", *words)
    return {"code": code, **json.loads(out.getvalue())}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, dict]:
    """A baseline, a suite whose results lie in MLflow alone, and what the gate said of them while they were files."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("pulled")
        patch.chdir(folder)
        patch.delenv("KDBENCH_HOME", raising=False)
        bench = Bench(folder)
        bench.baseline()
        bench.fill(worse, salt=2)
        bench.further({Cell("digits", "default", "none"): (7, 8)}, salt=2)
        session = bench.session()
        records = {**session.records(), **further_records(session)}
        done = sync(records.values(), session.home.jobs, "made", PULL[1], home=session.home)
        assert done.failed is None and done.created == len(records) == 11
        expected = report(bench)
        bench.empty()
        return bench, expected


@pytest.fixture
def pulled(filled: tuple[Bench, dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A copy, whose artifacts are copied too."""
    monkeypatch.delenv("KDBENCH_HOME", raising=False)
    shutil.copytree(filled[0].folder, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "store.db")) as store, store:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            store.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", [str(filled[0].folder), str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path)


def artifact(bench: Bench, cell: str, seed: int) -> Path:
    for path in (bench.folder / ".kdbench" / "mlartifacts").rglob("record.json"):
        labels = json.loads(path.read_text())["labels"]
        if (labels["cell"], labels["seed"]) == (cell, seed):
            return path
    raise AssertionError(f"no artifact of {cell} seed {seed}")


def test_what_was_pulled_is_judged_as_the_files_were(pulled: Bench, filled: tuple[Bench, dict]):
    expected = filled[1]
    assert expected["code"] == 1 and expected["counts"]["regressed"] == 2  # a loss, and an infinite divergence
    assert report(pulled, *PULL) == report(pulled, *PULL, "--experiment", "kdbench/made") == expected
    assert {tuple(cell["seeds"]) for cell in expected["cells"] if cell["cell"] == "none"} == {(0, 1, 2, 7, 8)}
    assert not list((pulled.folder / "results").rglob("*.json"))  # nothing is left behind


def test_a_record_that_cannot_be_trusted_is_named_and_missing(pulled: Bench, capsys):
    artifact(pulled, "kd", 0).unlink()
    changed = artifact(pulled, "dkd", 1)
    changed.write_text(changed.read_text().replace('"accuracy": 0.8', '"accuracy": 0.9'))
    artifact(pulled, "none", 1).write_text("{")
    found = report(pulled, *PULL)
    told = capsys.readouterr().err
    assert found["code"] == 3 and {cell["verdict"] for cell in found["cells"]} == {"missing"}
    for words in (
        "digits · kd · default · seed 0': record.json cannot be read",
        "dkd · default · seed 1': record.json is not what was logged",
        "not JSON",
    ):
        assert words in told, words
    assert told.count("`kdbench track sync` writes it again") == 3


def test_nothing_to_pull_is_no_pass(pulled: Bench, capsys):
    with closing(sqlite3.connect(pulled.folder / "store.db")) as store, store:
        store.execute("UPDATE runs SET lifecycle_stage = 'deleted'")
    found = report(pulled, *PULL)
    assert found["code"] == 3 and {cell["verdict"] for cell in found["cells"]} == {"missing"}
    shutil.rmtree(pulled.folder / "baselines")
    assert report(pulled, *PULL)["code"] == 3


def test_results_without_a_baseline_are_no_pass(pulled: Bench):
    shutil.rmtree(pulled.folder / "baselines")
    assert report(pulled, *PULL)["code"] == 4


@pytest.mark.parametrize(
    "words, code, said",
    [
        ("--from-mlflow sqlite:///other.db", 3, "there is no other.db"),
        ("--from-mlflow http://me:s3cret@127.0.0.1:9", 3, "127.0.0.1:9 does not answer"),
        ("--from-mlflow ./mlruns", 3, "use sqlite:///path/to/mlflow.db"),
        ("--from-mlflow sqlite:///store.db --experiment kdbench/maid", 2, "did you mean 'kdbench/made'?"),
        ("--experiment kdbench/made", 2, "--from-mlflow"),
    ],
)
def test_a_store_that_cannot_be_read_is_no_pass(pulled: Bench, capsys, words: str, code: int, said: str):
    assert pulled("gate", "made.yaml", *words.split()) == code
    told = capsys.readouterr().err
    assert told.startswith("kdbench: ") and said in told and "s3cret" not in told
    assert not (pulled.folder / "other.db").exists()


def test_results_of_newer_code_are_written_again(pulled: Bench):
    """They may have the very numbers; the gate asks for the code that made them."""
    from dataclasses import replace

    pulled.fill(worse, salt=2, code="older")
    one = next(iter(pulled.session().records().values()))
    newer = replace(one, provenance={**one.provenance, "sources": {"kdbench.methods.kd": "newer"}})
    assert digest(one) != digest(newer) and digest(one) == digest(replace(one, timing={"train_seconds": 3.0}))
