"""MLflow: after a run the store holds it, a lost store comes back, and a tracker that is down costs a message."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from cli_bench import Bench


def held(store: Path) -> dict[str, tuple[dict[str, str], dict[str, str], set[tuple]]]:
    """What a store holds by kdbench.key: params, parent's name, metrics with their steps."""
    with closing(sqlite3.connect(store)) as base:
        names = dict(base.execute("SELECT run_uuid, name FROM runs WHERE lifecycle_stage = 'active'").fetchall())
        found = {}
        for run in names:
            tags = dict(base.execute("SELECT key, value FROM tags WHERE run_uuid = ?", (run,)).fetchall())
            params = dict(base.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run,)).fetchall())
            metrics = set(base.execute("SELECT key, step, value FROM metrics WHERE run_uuid = ?", (run,)).fetchall())
            parent = names.get(tags.get("mlflow.parentRunId", ""), "")
            found[tags.get("kdbench.key", "suite")] = ({"parent": parent, "name": names[run]}, params, metrics)
        return found


def test_a_run_is_tracked_and_a_lost_store_comes_back(finished: Bench):
    store = finished.folder / ".kdbench/mlflow.db"
    runs = held(store)
    records = finished.records()
    assert runs.keys() == records.keys() | {"suite"}
    for key, record in records.items():
        about, params, metrics = runs[key]
        assert about["parent"] == "tiny"
        assert str(record.labels["seed"]) in params.values()
        values = {name: value for name, _, value in metrics}
        assert any(abs(value - record.metrics["truth"]["accuracy"]) < 1e-12 for value in values.values())
        assert len({step for _, step, _ in metrics}) > 5  # curves

    store.unlink()
    for rest in store.parent.glob("mlflow.db-*"):
        rest.unlink()
    first, second = finished.many("track sync tiny.yaml", "track sync tiny.yaml")
    assert first.code == second.code == 0
    assert "7 runs written, 0 were there" in first.out and "0 runs written, 7 were there" in second.out
    assert held(store) == runs


def test_a_tracker_that_is_down_fails_no_run(finished: Bench):
    down, nonsense = finished.many(
        "run tiny.yaml --tracking-uri http://127.0.0.1:9", "track sync tiny.yaml --tracking-uri nonsense://x"
    )
    assert down.code == 0 and "report: " in down.out
    assert "MLflow was not updated" in down.err and "kdbench track sync tiny.yaml" in down.err
    assert nonsense.code == 3 and nonsense.err.startswith("kdbench: MLflow was not updated")
