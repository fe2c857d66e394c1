"""MLflow with a real sqlite store, read back with sqlite3: written once, again, after deletion, and when it cannot be."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kdbench.results.home import Home
from kdbench.results.record import Record
from kdbench.track.mlflow import sync

EPOCHS = 5


def record(seed: int = 0, method: str = "kd", status: str = "done", **metrics: float) -> Record:
    return Record(
        key=hashlib.sha256(f"{method} {seed}".encode()).hexdigest(),
        kind="student",
        status=status,
        identity={"task": {"name": "digits"}, "method": {"name": method, "params": {"T": 4.0, "layers": [1, 2]}}, "seed": seed},
        labels={"task": "digits", "method": method, "pair": "large->small", "cell": f"{method}[T=4]·live·task", "seed": seed},
        metrics={"truth": {"top1": 0.5 + seed / 10, "nDCG@10": 0.25}, "fidelity": {"agreement": 0.75, "kl": math.nan, **metrics}},
        provenance={"started": "2026-11-20T10:00:00.000Z", "finished": "2026-11-20T10:01:00.500Z"},
    )


def write_events(home: Home, of: Record) -> None:
    events = home.events(of.key)
    events.parent.mkdir(parents=True, exist_ok=True)
    told: list[dict[str, Any]] = [{"t": 1e9, "event": "start", "loss": 99.0}]
    for attempt, epochs in ((0, 3), (10, EPOCHS)):  # killed after epoch 2, resumed from the start of epoch 1
        for epoch in range(1 if attempt else 0, epochs):
            told.append({"t": 1_000_000_000.25 + attempt + epoch, "event": "epoch", "step": epoch * 100})
            told[-1] |= {"loss": 1 / (1 + epoch + attempt), "steps": 500, "note": "text", "flag": True, "bad": None}
    lines = "".join(json.dumps(event) + "\n" for event in told)
    events.write_text(lines + '{"t": 1e9, "event": "epo')  # killed while it wrote


def in_fresh_process(home: Home, records: list[Record], report: Path) -> str:
    """Sync in a process of its own, with a strange working folder; what it did, what it imported, and all that it printed."""
    listed = home.path.parent / "records"
    listed.write_text("\0".join(each.dumps() for each in records))
    program = (
        "import os, sys\nfrom pathlib import Path\nfrom kdbench.results.record import Record\n"
        "from kdbench.results.home import Home\nfrom kdbench.track.mlflow import sync\n"
        "records = [Record.loads(text) for text in Path(sys.argv[1]).read_text().split('\\0')]\n"
        "before = dict(os.environ)\n"
        "done = sync(records, Home(Path(sys.argv[2])), 'smoke', report_paths=[sys.argv[3], 'no/such/report.html'])\n"
        "assert dict(os.environ) == before and 'torch' not in sys.modules and os.listdir() == []\n"
        "print(done.created, done.skipped, done.failed, 'mlflow' in sys.modules, 'sqlalchemy' in sys.modules)"
    )
    strange = home.path.parent / "elsewhere"
    strange.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", program, listed, home.path, report], cwd=strange, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).resolve().parents[2]), "HOME": str(strange)},
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture(scope="module")
def synced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[Record], Path]:
    """A store with six records of a suite. Tests that change it copy it."""
    home = Home(tmp_path_factory.mktemp("suite") / ".kdbench").ensure()
    records = [record(seed, method) for method in ("kd", "dkd") for seed in (0, 1)]
    records += [record(0, "diverging", "diverged", kl_inf=math.inf), record(1, "without_events")]
    for each in records[:-1]:
        write_events(home, each)
    report = home.path.parent / "report.md"
    report.write_text("# Six records\n")
    # No word from MLflow, alembic or their warnings, and nothing written outside of the home.
    assert in_fresh_process(home, records, report) == "6 0 None True True"
    return home, records, report


def content(store: Path) -> dict[str, Any]:
    """Everything of a store that a reader sees, free of the ids that MLflow draws."""
    with closing(sqlite3.connect(store)) as db:
        runs = db.execute(
            "SELECT run_uuid, r.name, status, start_time, end_time, e.name FROM runs r JOIN experiments e"
            " ON e.experiment_id = r.experiment_id WHERE r.lifecycle_stage = 'active'"
        ).fetchall()
        found = {}
        for uuid, name, status, start, end, experiment in runs:
            tags = dict(db.execute("SELECT key, value FROM tags WHERE run_uuid = ?", [uuid]).fetchall())
            parent = tags.pop("mlflow.parentRunId", None)
            parent_name = db.execute("SELECT name FROM runs WHERE run_uuid = ?", [parent]).fetchone()
            asked = "SELECT key, step, timestamp, value FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp"
            found[tags.get("kdbench.key", "parent")] = {
                "name": name, "status": status, "start": start, "end": end, "experiment": experiment, "tags": tags,
                "parent": parent_name[0] if parent_name else None,
                "params": dict(db.execute("SELECT key, value FROM params WHERE run_uuid = ?", [uuid]).fetchall()),
                "metrics": db.execute(asked, [uuid]).fetchall(),
            }  # fmt: skip
        assert len(found) == len(runs)
        return found


def test_runs_tags_params_metrics_and_curves(synced: tuple[Home, list[Record], Path]) -> None:
    home, records, _ = synced
    runs = content(home.path / "mlflow.db")
    assert set(runs) == {r.key for r in records} | {"parent"}
    parent = runs["parent"]
    assert parent["name"] == "smoke" and parent["experiment"] == "kdbench/smoke" and parent["tags"]["kdbench.role"] == "suite"
    run = runs[records[1].key]
    assert run["parent"] == "smoke" and run["status"] == "FINISHED"
    assert run["name"] == "digits · kd[T=4]·live·task · large->small · seed 1"
    assert run["params"] == {
        "task.name": "digits", "method.name": "kd", "method.params.T": "4.0", "method.params.layers": "[1, 2]", "seed": "1",
    }  # fmt: skip
    tags = {name.removeprefix("kdbench."): value for name, value in run["tags"].items() if name.startswith("kdbench.")}
    assert tags.pop("digest") and tags.pop("not_finite") == "fidelity.kl"
    assert tags == {
        "key": records[1].key, "kind": "student", "status": "done", "task": "digits", "method": "kd", "pair": "large->small",
        "profile": "none",
        "cell": "kd[T=4]·live·task", "seed": "1",
    }  # fmt: skip
    finished = 1795168860500
    assert (run["start"], run["end"]) == (finished - 60500, finished)
    last = (EPOCHS - 1) * 100
    curve = [("loss", 0, 1000000000250, 1.0)]  # epoch 0 was told once, the others by the attempt that finished
    curve += [("loss", epoch * 100, 1000000010250 + epoch * 1000, 1 / (11 + epoch)) for epoch in range(1, EPOCHS)]
    finals = [("fidelity.agreement", 0.75), ("truth.nDCG_at_10", 0.25), ("truth.top1", 0.6)]
    assert run["metrics"] == sorted(curve + [(name, last, finished, value) for name, value in finals])
    assert runs[records[4].key]["status"] == "FAILED" and runs[records[4].key]["tags"]["kdbench.status"] == "diverged"
    assert runs[records[4].key]["tags"]["kdbench.not_finite"] == "fidelity.kl, fidelity.kl_inf"
    assert [name for name, *_ in runs[records[5].key]["metrics"]] == ["fidelity.agreement", "truth.nDCG_at_10", "truth.top1"]
    artifacts = list((home.path / "mlartifacts").rglob("report.md"))
    assert [path.read_text() for path in artifacts] == ["# Six records\n"]


def test_a_synced_store_is_left_alone_and_mlflow_is_not_imported(synced: tuple[Home, list[Record], Path]) -> None:
    home, records, report = synced
    before = (home.path / "mlflow.db").stat().st_mtime_ns
    assert in_fresh_process(home, records, report) == "0 6 None False False"
    assert (home.path / "mlflow.db").stat().st_mtime_ns == before


def test_a_deleted_store_is_rebuilt_the_same(synced: tuple[Home, list[Record], Path], tmp_path: Path) -> None:
    home, records, report = synced
    copy = Home(tmp_path / ".kdbench")
    shutil.copytree(home.path, copy.path, ignore=shutil.ignore_patterns("mlflow.lock"))
    before = content(copy.path / "mlflow.db")
    arguments = (records, copy, "smoke", None, [report])
    assert sync(*arguments).skipped == 6
    extra = sync([*records, record(7)], *arguments[1:])  # this process has now held the copy open
    assert (extra.created, extra.skipped, extra.failed) == (1, 6, None)
    (copy.path / "mlflow.db").unlink()
    shutil.rmtree(copy.path / "mlartifacts", ignore_errors=True)
    again = sync(*arguments)
    assert (again.created, again.skipped, again.failed) == (6, 0, None)
    assert content(copy.path / "mlflow.db") == before
    assert len(list((copy.path / "mlartifacts").rglob("report.md"))) == 1


def test_what_changed_is_replaced_and_what_was_cut_short_is_done_again(
    synced: tuple[Home, list[Record], Path], tmp_path: Path
) -> None:
    home, records, _ = synced
    copy = Home(tmp_path / ".kdbench")
    shutil.copytree(home.path, copy.path, ignore=shutil.ignore_patterns("mlflow.lock"))
    before = content(copy.path / "mlflow.db")
    rerun = replace(records[0], metrics={"truth": {"top1": 0.875}})
    with closing(sqlite3.connect(copy.path / "mlflow.db")) as db, db:  # as a process killed in the middle of this run leaves it
        (cut,) = db.execute("SELECT run_uuid FROM tags WHERE key = 'kdbench.key' AND value = ?", [records[1].key]).fetchone()
        db.execute("DELETE FROM tags WHERE key = 'kdbench.digest' AND run_uuid = ?", [cut])
        db.execute("DELETE FROM metrics WHERE run_uuid = ?", [cut])
    new_report = tmp_path / "changed.md"
    new_report.write_text("# Changed\n")
    done = sync([rerun, *records[1:]], copy, "smoke", report_paths=[new_report])
    assert (done.created, done.skipped, done.failed) == (2, 4, None)
    after = content(copy.path / "mlflow.db")
    assert after[records[1].key] == before[records[1].key]
    assert [m[3] for m in after[rerun.key]["metrics"] if m[0] == "truth.top1"] == [0.875]
    assert after[rerun.key]["params"] == before[rerun.key]["params"]
    assert after["parent"]["tags"]["kdbench.reports"] != before["parent"]["tags"]["kdbench.reports"]
    assert len(list(home.path.rglob("changed.md"))) == 1  # the copied store still names the first one's folder
    assert sync([rerun, *records[1:]], copy, "smoke", report_paths=[new_report]).created == 0
    other_suite = sync(records[:1], copy, "other")  # a suite of its own, with its own run of the shared record
    assert (other_suite.created, other_suite.failed) == (1, None)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("http://me:s3cret@127.0.0.1:{port}/mlflow", "127.0.0.1:{port} does not answer (Connection refused)"),
        ("postgresql+psycopg2://me:s3cret@127.0.0.1:{port}/runs", "127.0.0.1:{port} does not answer"),
        ("http://me:s3cret@127.0.0.1:port/", "no URI of the form http://host:port"),
        ("http://me:s3cret/7@127.0.0.1/", "no URI of the form http://host:port"),
        ("http://me:12/s3cret@127.0.0.1/", "no URI of the form http://host:port"),
        ("./mlruns", "use sqlite:///path/to/mlflow.db"),
        ("file:///tmp/mlruns", "file store is in maintenance mode"),
        ("sqlite://", "names no file"),
        ("sqlite:///{tmp}/taken/mlflow.db", "taken"),
        ("sqlite:///{tmp}/rubbish.db", "file is not a database"),
        ("sqlite:///{tmp}", "unable to open database file"),
        ("gopher://me:s3cret@host/x", "unsupported URI"),
        ("htp://127.0.0.1:{port}", "expected http://host:port"),
        ("127.0.0.1:{port}", "a server is http://127.0.0.1:{port}"),
    ],
)
def test_a_tracker_that_cannot_be_used_costs_a_message(tmp_path: Path, uri: str, reason: str) -> None:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "rubbish.db").write_text("no database at all, but long enough to be looked at as if it were one" * 9)
    start = time.monotonic()
    done = sync([record()], Home(tmp_path / ".kdbench"), "smoke", uri.format(port=port, tmp=tmp_path))
    assert time.monotonic() - start < 10
    assert done.created == 0 and done.failed is not None
    assert reason.format(port=port) in done.failed
    assert "s3cret" not in done.failed + done.uri and "me:" not in done.failed + done.uri


def test_a_server_that_answers_nonsense_costs_a_message(tmp_path: Path) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Nonsense(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(500)
            self.end_headers()
            self.wfile.write(b"no tracker here")

        do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Nonsense)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        start = time.monotonic()
        done = sync([record()], Home(tmp_path), "smoke", f"http://me:s3cret@127.0.0.1:{server.server_port}")
        assert time.monotonic() - start < 20
    finally:
        server.shutdown()
        server.server_close()
    assert done.created == 0 and done.failed and "s3cret" not in done.failed + done.uri


def test_a_locked_store_costs_a_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kdbench.track.address.PATIENCE_SECONDS", 0.2)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = sync([record()], Home(tmp_path), "smoke")
    assert done.failed is not None and "another program is writing to it" in done.failed
