"""What travels between a run and nodes that do not see its folders: all that a job reads and leaves, and nothing else."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from cluster_bench import MINE

from kdbench.contract.errors import DataError
from kdbench.execute.cluster import leavings, node, parcel
from kdbench.jobs.of_suite import jobs_of
from kdbench.jobs.payload import payload as planned_payload
from kdbench.registry import Registry
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record
from kdbench.results.store import ResultStore, record_path
from kdbench.suite import read_suite

SUITE = """\
version: 1
name: far
plugins: mine.py
tasks: [{task: digits, teachers: {pool: 1}}]
methods:
  - mine
  - {method: kd, rounds: {count: 2}}
"""


@pytest.fixture
def payloads(tmp_path: Path) -> dict[str, dict]:
    """What the jobs of a suite get, by their cells; every job that another needs has a result."""
    import numpy as np

    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "far.yaml").write_text(SUITE)
    registry = Registry([tmp_path / "mine.py"], packages=False)
    suite = read_suite(tmp_path / "far.yaml", registry)
    home, results = tmp_path / "home", tmp_path / "results"
    _, jobs = jobs_of(suite, registry, tmp_path, None, None, dict)
    store, outputs = ResultStore(results, Home(home)), OutputStore(Home(home).ensure())
    for number, job in enumerate(jobs.jobs.values()):
        shas = {name: outputs.put(np.full(3, number)) for name in ("test/logits", "distil/logits")}
        known = {"schema": 1, "key": job.key, "kind": job.kind, "status": "done", "identity": {}, "labels": job.labels}
        store.write(known | {"outputs": shas, "metrics": {}, "provenance": {}})
        (home / "weights" / f"{job.key}.safetensors").write_bytes(job.key.encode())
    told = {job.labels.get("cell", "teacher"): planned_payload(job, jobs, home, results, 5.0) for job in jobs.jobs.values()}
    assert len(told) == 5, list(told)
    return told


def test_a_moved_job_names_no_place_of_this_machine_and_finds_its_files_there(payloads, tmp_path):
    for payload in payloads.values():
        there = tmp_path / "node" / payload["key"]
        for place, path in parcel.reads(payload).items():
            parcel.unpack(place, parcel.stamp_of(path), path.read_bytes, there)
        moved = parcel.moved(payload, there)
        text = json.dumps(moved, sort_keys=True).replace(str(there), "")
        assert str(tmp_path) not in text, payload["labels"]
        for teacher in moved["teachers"]:
            assert Path(teacher["weights"]).read_text() == teacher["key"]
        others = [teacher["key"] for teacher in moved["teachers"] if teacher["reference"]]
        store = ResultStore(moved["results"], Home(Path(moved["home"])))
        for key in (*others, *filter(None, [moved["init_job"]])):
            record = store.read(key)
            assert OutputStore(Home(Path(moved["home"]))).get(record.outputs["test/logits"], verify=True).shape == (3,)
    target = parcel.moved(payloads["mine"], tmp_path / "node" / payloads["mine"]["key"])["targets"]["method"]
    assert Path(target.rpartition(":")[0]).read_text() == MINE and target.endswith(":Mine")


def test_a_file_that_is_there_already_is_not_asked_for_again(tmp_path):
    calls = []

    def content() -> bytes:
        calls.append(1)
        return b"abc"

    for stamp in ((3, 10**9), (3, 10**9), (3, 2 * 10**9)):
        parcel.unpack("home/weights/x", stamp, content, tmp_path)
    assert len(calls) == 2 and (tmp_path / "home/weights/x").read_bytes() == b"abc"


def test_what_a_job_leaves_is_told_once_and_kept_where_it_belongs(payloads, tmp_path):
    payload = payloads["mine"]
    key, there = payload["key"], tmp_path / "node"
    moved = parcel.moved(payload, there)
    for folder in (there / "home/jobs" / key, there / "home/checkpoints" / key, there / "home/weights"):
        folder.mkdir(parents=True)
    job_dir, here = there / "home/jobs" / key, tmp_path / "home/jobs" / key
    here.mkdir(parents=True)
    ResultStore(payload["results"]).path(ResultStore(payload["results"]).read(key)).unlink()

    left = leavings.Leavings(moved, job_dir)
    assert left.news() is None
    (job_dir / "events.jsonl").write_text('{"event":"start"}\n{"event":"met')
    (job_dir / "log.txt").write_text("a line")
    (there / "home/checkpoints" / key / "state.safetensors").write_bytes(b"half")
    news = left.news()
    assert news == {"files": [("checkpoint", "state.safetensors", b"half")], "log": b"a line", "events": b'{"event":"start"}\n'}
    leavings.keep(news, payload, here)
    assert left.news() is None
    assert (tmp_path / "home/checkpoints" / key / "state.safetensors").read_bytes() == b"half"

    import numpy as np

    sha = OutputStore(Home(there / "home")).put(np.arange(4))
    known = {"schema": 1, "key": key, "kind": "student", "status": "done", "identity": {}, "labels": payload["labels"]}
    made = ResultStore(moved["results"]).write(known | {"outputs": {"test/logits": sha}, "metrics": {}, "provenance": {}})
    (there / "home/weights" / f"{key}.safetensors").write_bytes(b"learned")
    (there / "home/checkpoints" / key / "state.safetensors").unlink()
    (job_dir / "events.jsonl").write_text('{"event":"start"}\n{"event":"metric"}\n{"event":"end","status":"done"}\n')
    (job_dir / "notes.txt").write_text("kept")
    (job_dir / "link").symlink_to("/etc/passwd")
    leavings.keep(left.news(), payload, here)
    assert ResultStore(payload["results"]).read(key).outputs == {"test/logits": sha}
    assert ResultStore(payload["results"]).path(Record.loads(made.read_bytes())).read_bytes() == made.read_bytes()
    assert OutputStore(Home(tmp_path / "home")).has(sha)
    assert (tmp_path / "home/weights" / f"{key}.safetensors").read_bytes() == b"learned"
    assert not (tmp_path / "home/checkpoints" / key / "state.safetensors").exists()
    assert (here / "events.jsonl").read_text().splitlines() == (job_dir / "events.jsonl").read_text().splitlines()
    assert (here / "notes.txt").read_text() == "kept" and not (here / "link").exists()
    (job_dir / "log.txt").write_text("a line, and another")
    assert left.news(over=True) == {"files": [], "log": b", and another", "events": b""}  # a result is written once


def files_below(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_node_can_write_nothing_but_what_its_job_leaves(payloads, tmp_path):
    payload, other = payloads["mine"], payloads["teacher"]
    here = tmp_path / "home/jobs" / payload["key"]
    here.mkdir(parents=True)
    theirs = record_path(other).read_bytes()
    wrong = [
        *(
            ("file", name, b"x")
            for name in ("../x", "a/b", "/etc/x", "..", ".", ".hidden", "", "lock", "payload.json", "events.jsonl")
        ),
        *(("checkpoint", name, b"x") for name in ("../../weights/x.safetensors", "state.bin", ".x.safetensors")),
        *(("output", sha, b"x") for sha in ("../x", "0" * 64, hashlib.sha256(b"y").hexdigest())),
        ("record", "", theirs),
        ("record", "", b"{}"),
        ("record", "", b"\xff"),
        ("secret", "x", b"x"),
    ]
    before = files_below(tmp_path)
    for kind, name, content in wrong:
        with pytest.raises(DataError):
            leavings.keep({"files": [(kind, name, content)], "log": b"", "events": b""}, payload, here)
        assert files_below(tmp_path) == before, (kind, name)


def test_a_token_tells_whether_folders_are_shared(tmp_path):
    folders = [tmp_path / "home", tmp_path / "results"]
    token = node.Token.leave(folders)
    assert token.seen()
    folders[1].rename(tmp_path / "elsewhere")
    assert not token.seen()
    (tmp_path / "elsewhere").rename(folders[1])
    old = folders[0] / ".ray-0123.tmp"
    old.touch()
    other = node.Token.leave(folders)
    assert not old.exists() and token.seen() and other.seen()
    token.remove()
    assert not token.seen() and other.seen()
    other.remove()
    assert not [path for folder in folders for path in folder.iterdir()]


HOLD = "import sys; from kdbench.execute.cluster import node; print(node.scratch('theirs'), flush=True); sys.stdin.read()"


def test_a_scratch_folder_goes_when_nobody_holds_it(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environ = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environ, **pipes) as process:
        theirs = Path(process.stdout.readline().strip())
        (theirs / "big").write_text("x")
        assert node.scratch("ours").stat().st_mode & 0o700 == 0o700 and (theirs / "big").exists()
        process.kill()
    node.forget("ours")
    node.scratch("next")
    assert [path.name for path in theirs.parent.iterdir()] == ["next"] and theirs.parent.stat().st_mode & 0o077 == 0
    node.forget("next")
    assert not list(theirs.parent.iterdir())


def test_a_scratch_folder_of_somebody_else_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "trap").mkdir()
    (tmp_path / f"kdbench-ray-{os.getuid()}").symlink_to(tmp_path / "trap")
    with pytest.raises(PermissionError):
        node.scratch("ours")
    assert not list((tmp_path / "trap").iterdir())


def test_the_code_is_known_by_its_content():
    assert node.code() == node.code() and len(node.code()) == 64
