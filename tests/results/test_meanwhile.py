"""What another run does meanwhile, and what runs that were killed leave behind."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from kdbench.results.against import Against
from kdbench.results.home import Home
from kdbench.results.leftovers import OLD, folders_of, needless, sweep
from kdbench.results.meanwhile import made, written
from kdbench.results.outputs import OutputStore
from kdbench.results.store import ResultStore


def test_a_job_that_was_done_since_it_was_planned(tmp_path: Path, make_record) -> None:
    store = ResultStore(tmp_path / "results")
    for record in (make_record(), make_record(kind="teacher"), make_record(method="lab/dkd", status="diverged")):
        job = {"key": record.key, "kind": record.kind, "labels": record.labels, "results": str(store.folder)}
        planned = {**job, "written": written(job)}
        assert planned["written"] is None and made(planned) is None
        path = store.write(record)
        assert made(planned) == record.status
        assert made(job) is None  # nobody said what there was
        again = {**job, "written": written(job)}
        assert made(again) is None  # it is to be made anew
        os.utime(path, (1, 1))
        assert made(again) == record.status
        path.write_text("{")
        assert made(planned) is None


def test_only_old_files_of_writers_are_swept(tmp_path: Path, make_record) -> None:
    home, results, now = Home(tmp_path / "home").ensure(), tmp_path / "results", 1e9
    kept = ResultStore(results, home).write(make_record())
    ages = {home.weights / ".a.safetensors.7.tmp": OLD + 1, home.weights / ".b.safetensors.8.tmp": OLD - 1}
    ages |= {home.jobs / "x" / ".payload.json.1.tmp": OLD + 1, home.jobs / "y" / ".payload.json.1.tmp": OLD + 1}
    ages |= {kept.with_name(".r.json.q.tmp"): OLD + 1, home.outputs / "ab" / ".o.npy.q.tmp": OLD + 1}
    ages |= {home.weights / "tmp.safetensors": OLD + 1, home.checkpoints / "k" / ".state.safetensors.z.tmp": OLD + 1}
    ages |= {results / ".ray-0.tmp": OLD + 1, results / ".ray-1.tmp": OLD + 1}
    for path, age in ages.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
        os.utime(path, (now - age, now - age))
    with open(results / ".ray-1.tmp") as token:  # of a run that goes on
        fcntl.flock(token, fcntl.LOCK_SH)
        assert sweep(folders_of(home, results, ["x"]), now) == 6
    stay = {".b.safetensors.8.tmp", ".payload.json.1.tmp", "tmp.safetensors", ".ray-1.tmp"}
    assert {path.name for path in ages if path.exists()} == stay and kept.exists()
    assert sweep(folders_of(home, results, []), now) == 1


def test_a_checkpoint_goes_with_its_result(tmp_path: Path) -> None:
    home = Home(tmp_path).ensure()
    for key in ("done", "begun"):
        (home.checkpoints / key).mkdir()
        (home.checkpoints / key / "state.safetensors").write_text("x")
    needless(home, ["done", "never begun"])
    assert [path.name for path in home.checkpoints.iterdir()] == ["begun"]
    needless(Home(tmp_path / "nowhere"), ["done"])


def test_lines_that_cannot_be_read_are_not_written_over(tmp_path: Path, capsys) -> None:
    """Git's conflict marks, say: another machine may have been needed to compute what stands there."""
    home, path = Home(tmp_path / "home"), tmp_path / "results" / "digits" / "against.json"
    path.parent.mkdir(parents=True)
    path.write_text("<<<<<<< ours")
    against = Against(tmp_path / "results", OutputStore(home), {"digits": {"a b": {"outputs": "x"}}}, {"digits"})
    against.save()
    assert json.loads(path.read_text()) == {"a b": {"outputs": "x"}}
    assert (home.broken / "against.json").read_text() == "<<<<<<< ours"
    assert "cannot be read; set aside" in capsys.readouterr().err
