"""The tidy table: every value of every record once, and all columns even when there is nothing."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from kdbench.results import load_results
from kdbench.results.frame import COLUMNS
from kdbench.results.store import ResultStore


def test_no_results_give_an_empty_table_with_all_columns(tmp_path: Path) -> None:
    frame = load_results(tmp_path / "results")
    assert list(frame.columns) == list(COLUMNS) and len(frame) == 0
    assert frame["value"].dtype == "float64" and frame["seed"].dtype == "Int64"


def test_one_row_a_job_and_metric(tmp_path: Path, make_record) -> None:
    store = ResultStore(tmp_path / "results")
    records = [make_record(seed, method) for method in ("kd", "dkd") for seed in (0, 1)]
    records.append(make_record(kind="teacher", metrics={"truth": {"top1": 0.9, "ece": math.nan}}, cost={}))
    for record in records:
        store.write(record)
    frame = load_results(store.folder)
    rows = {(r.key, r.group, r.metric): r.value for r in frame.itertuples()}
    assert len(rows) == len(frame) == 4 * 5 + 2
    for record in records:
        for group, values in record.metrics.items():
            for name, value in values.items():
                found = rows[record.key, group, name]
                assert found == value or (math.isnan(found) and math.isnan(value))
    assert rows[records[0].key, "cost", "parameters"] == 1234
    one = frame[(frame["method"] == "dkd") & (frame["seed"] == 1) & (frame["metric"] == "agreement")].iloc[0]
    expected = {"task": "digits", "pair": "large->small", "kind": "student", "source": "live", "view": "task"}
    assert {name: one[name] for name in expected} == expected
    assert one["cell"] == "dkd[T=4]·live·task" and one["group"] == "fidelity" and one["status"] == "done"
    assert one["alias"] is None and one["archive"] is None
    assert set(frame.loc[frame["kind"] == "teacher", "method"]) == {"teacher"}
    again = load_results(store.folder)
    pd.testing.assert_frame_equal(frame, again)


def test_unreadable_files_are_told_not_dropped_in_silence(tmp_path: Path, make_record) -> None:
    store = ResultStore(tmp_path / "results")
    path = store.write(make_record())
    path.write_text("{")
    with pytest.warns(UserWarning, match=f"left out: .*{path.name}: not JSON, or cut short"):
        frame = load_results(store.folder)
    assert frame.attrs["broken"][0][0] == str(path) and len(frame) == 0


def test_importing_the_results_imports_nothing_heavy() -> None:
    program = (
        "import sys, kdbench.results, kdbench.results.store, kdbench.results.outputs, kdbench.results.provenance, "
        "kdbench.track.mlflow\n"
        "print(*sorted({'torch', 'pandas', 'numpy', 'mlflow', 'pynvml', 'matplotlib', 'sqlalchemy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
