"""kdbench rescore: what today's metrics change in old records, what they leave, and what cannot be computed any more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from made_up_results import make
from typer.testing import CliRunner

from kdbench.cli.verbs.rescore import rescore
from kdbench.contract.errors import KdbenchError
from kdbench.metrics import card
from kdbench.results.against import Against
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record, canonical, comparable
from kdbench.results.rescoring import settled
from kdbench.results.store import ResultStore
from kdbench.results.units import unpack

APP = typer.Typer()
APP.command()(rescore)


def ask(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(APP, ["made-up.yaml", *words], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value), done.output


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultStore:
    monkeypatch.delenv("KDBENCH_HOME", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    return make(tmp_path)


def spoil(store: ResultStore, cell: str = "kd", **changed: float | None) -> None:
    """Give the records of a cell other truth metrics than today's code finds; None: the metric was not known then."""
    for record in list(store.scan().records.values()):
        if record.labels["cell"] == cell:
            truth = {**record.metrics["truth"], **changed}
            metrics = {**record.metrics, "truth": {name: value for name, value in truth.items() if value is not None}}
            store.write(replace(record, metrics=metrics))


def test_records_of_todays_code_stay_as_they_are_to_the_byte(store: ResultStore) -> None:
    before = {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.json")}
    code, text = ask()
    assert code == 0 and "25 records: 0 changed, 25 as they were" in text
    assert {path: path.stat().st_mtime_ns for path in store.folder.rglob("*.json")} == before
    assert "distil kept in 15 records: the teachers' answers on the distillation set are not stored" in text


def test_changed_new_and_dropped_metrics_are_told_and_written(store: ResultStore) -> None:
    truth = store.scan().records
    spoil(store, accuracy=0.123, nll=None, invented=1.0)
    code, text = ask()
    assert code == 0 and "5 changed, 20 as they were" in text
    assert "digits truth.accuracy: 5 records, most: 0.123 → " in text
    assert "truth.nll: 5 records, most: none → " in text and "truth.invented: 5 records, most: 1 → none" in text
    for key, record in store.scan().records.items():
        assert canonical(comparable(record)) == canonical(comparable(truth[key]))
        assert ("rescored" in record.provenance) == (record.labels["cell"] == "kd")


def test_a_dry_run_tells_the_same_and_writes_nothing(store: ResultStore) -> None:
    spoil(store, accuracy=0.123)
    before = {path: path.read_bytes() for path in store.folder.rglob("*.json")}
    code, text = ask("--dry-run")
    assert code == 0 and "5 would change" in text and "truth.accuracy: 5 records" in text
    assert {path: path.read_bytes() for path in store.folder.rglob("*.json")} == before


def test_only_the_chosen_metrics_may_change(store: ResultStore) -> None:
    spoil(store, accuracy=0.123, nll=9.0, invented=1.0)
    assert "truth.nll" not in ask("-m", "accuracy")[1]
    kd = [record for record in store.scan().records.values() if record.labels["cell"] == "kd"]
    for record in kd:
        assert record.metrics["truth"]["nll"] == 9.0 and record.metrics["truth"]["invented"] == 1.0
        assert record.metrics["truth"]["accuracy"] != 0.123
    with pytest.raises(KdbenchError, match="no metric 'accuraccy'"):
        ask("-m", "accuraccy")


def test_older_records_get_the_units_that_intervals_need(tmp_path: Path, store: ResultStore) -> None:
    wanted = {key: record.blocks for key, record in store.scan().records.items()}
    make(tmp_path, blocks=False)
    code, text = ask()
    assert code == 0 and "for intervals: new in 25 records" in text
    found = {key: record.blocks for key, record in store.scan().records.items()}
    assert found == wanted
    record = next(record for record in store.scan().records.values() if record.labels["cell"] == "kd")
    assert unpack(record.blocks).value("accuracy") == pytest.approx(record.metrics["truth"]["accuracy"])


def test_gone_or_damaged_outputs_keep_what_stands_on_them(store: ResultStore) -> None:
    spoil(store, accuracy=0.123)
    records = store.scan().records
    victim = next(record for record in records.values() if record.labels["cell"] == "kd" and record.labels["seed"] == 2)
    outputs = OutputStore(store.home)
    outputs.path(victim.outputs["test/logits"]).unlink()
    other = next(record for record in records.values() if record.labels["cell"] == "dkd" and record.labels["seed"] == 1)
    path = outputs.path(other.outputs["val/logits"])
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    code, text = ask()
    assert code == 3
    assert "truth kept in 1 record: raw output" in text and "digits kd seed 2" in text
    assert "val kept in 1 record" in text and "digits dkd seed 1" in text
    now = store.scan().records
    assert now[victim.key].metrics["truth"]["accuracy"] == 0.123 and now[victim.key].metrics["val"] == victim.metrics["val"]
    assert sum(record.metrics["truth"]["accuracy"] == 0.123 for record in now.values()) == 1


def test_students_of_a_teacher_whose_outputs_are_gone_keep_their_fidelity(store: ResultStore) -> None:
    teacher = next(record for record in store.scan().records.values() if record.kind == "teacher" and record.labels["seed"] == 3)
    OutputStore(store.home).path(teacher.outputs["test/logits"]).unlink()
    code, text = ask()
    assert code == 3 and "fidelity kept in 3 records" in text


def test_distil_is_rescored_where_the_teachers_answers_are_stored(store: ResultStore) -> None:
    outputs = OutputStore(store.home)
    record = next(record for record in store.scan().records.values() if record.labels["cell"] == "kd")
    test = {name: outputs.get(record.outputs[f"test/{name}"]) for name in ("logits", "labels")}
    teacher = store.read(record.teachers[0])
    shas = {"distil/logits": record.outputs["test/logits"], "taught0/logits": teacher.outputs["test/logits"]}
    store.write(replace(record, outputs={**record.outputs, **shas}))
    assert "distil.agreement: 1 record, 0.5 → " in ask()[1]
    wanted = card.fidelity("classification", {"logits": test["logits"]}, [{"logits": outputs.get(shas["taught0/logits"])}])
    assert store.read(record.key).metrics["distil"] == pytest.approx(wanted, nan_ok=True)


def test_what_controls_were_read_to_is_computed_anew(store: ResultStore) -> None:
    records = store.scan().records
    none = next(record for record in records.values() if record.labels["cell"] == "none")
    teacher = next(record for record in records.values() if record.kind == "teacher")
    kept = Against(store.folder, OutputStore(store.home))
    right = kept.fidelity("classification", none, [teacher])
    kept.save()
    path = store.folder / "digits" / "against.json"
    text = path.read_text()
    damaged = json.loads(text)
    next(iter(damaged.values()))["fidelity"]["agreement"] = 0.0  # as an older metric might have had it
    path.write_text(json.dumps(damaged))
    ask("--dry-run")
    assert json.loads(path.read_text()) == damaged
    ask()
    assert path.read_text() == text
    for name in store.home.outputs.rglob("*.npy"):
        name.unlink()
    ask()  # nothing to compute from: what was kept stays
    assert Against(store.folder, OutputStore(store.home)).fidelity("classification", none, [teacher]) == pytest.approx(
        right, nan_ok=True
    )


def test_diverged_runs_are_left_alone(store: ResultStore) -> None:
    record = next(record for record in store.scan().records.values() if record.labels["cell"] == "dkd")
    broken: dict[str, Any] = {"status": "diverged", "metrics": {}, "outputs": {}, "blocks": {}}
    store.write(Record(**{**record.__dict__, **broken}))
    code, text = ask()
    assert code == 0 and "24 records: 0 changed" in text


@pytest.mark.parametrize(
    ("old", "new", "kept"), [(0.3, 0.1 + 0.2, True), (0.3, 0.3001, False), (float("nan"), float("nan"), True)]
)
def test_rounding_is_no_change(old: float, new: float, kept: bool) -> None:
    assert (settled(old, new) is old) == kept
