"""Results, homes and stores of strangers: names that would escape, links that lead astray, files that never end, lies."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_hostile_pickles import attacks

from kdbench.cli.verbs.run import writable
from kdbench.execute.folders import make_job_dir
from kdbench.execute.link import ServerLink
from kdbench.results.against import Against
from kdbench.results.files import StorageError
from kdbench.results.home import Home
from kdbench.results.outputs import OutputMissing, OutputStore
from kdbench.results.record import Record, RecordError, check_key, check_sha, folder_name
from kdbench.results.store import ResultStore
from kdbench.results.trimming import chosen, inventory, remove
from kdbench.tasks.data.text.passage_given import load as load_lists
from kdbench.track import pull as pulling

KEY = "ab" * 12
HOSTILE = st.one_of(
    st.text(max_size=30),
    st.text(alphabet=string.ascii_letters + "./\\:*?<>|\"'`$;&\n\r\t\0~-+ %", max_size=30),
    st.sampled_from(
        ["", ".", "..", "/", "../..", "/etc/passwd", "a/../..", "a/..", "a/b/c", "~", "$HOME", "CON", ".git", "-rf", "a\0b"]
    ),
)


def record(**changes: Any) -> dict[str, Any]:
    labels = {"task": "digits", "method": "kd", "cell": "kd", "pair": "default", "seed": 0}
    told = {"schema": 1, "key": KEY, "kind": "student", "status": "done", "identity": {}, "labels": labels, "metrics": {}}
    return told | changes


def everything(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(task=HOSTILE, method=HOSTILE, key=HOSTILE, kind=st.sampled_from(["student", "teacher", "imported"]))
def test_a_record_lies_two_folders_below_or_nowhere(tmp_path: Path, task: str, method: str, key: str, kind: str) -> None:
    store = ResultStore(tmp_path / "in" / "results", Home(tmp_path / "in" / "home"))
    for one, other in ((key, KEY), (KEY, key)):
        labels = {"task": task, "method": method, "cell": "x"}
        try:
            path = store.path(Record.read(record(key=one, kind=kind, labels=labels, teachers=[other])))
        except RecordError:
            continue
        deep = 4 if kind == "imported" else 3
        assert path.is_relative_to(store.folder) and ".." not in path.parts and "\0" not in str(path)
        assert len(path.relative_to(store.folder).parts) == deep and not path.relative_to(store.folder).parts[0].startswith(".")


@given(name=HOSTILE)
def test_names_that_become_paths_are_plain_or_refused(name: str) -> None:
    for check in (check_key, check_sha, lambda name: folder_name(name, "task")):
        try:
            found = check(name)
        except RecordError:
            continue
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", found) and found not in (".", "..")


@given(name=HOSTILE)
def test_lists_are_those_of_the_collection(name: str) -> None:
    found: Any = SimpleNamespace(folder=Path("/nowhere/collection"))
    with pytest.raises(Exception, match=r"no lists|null byte"):
        load_lists(found, name)


def test_outputs_are_named_by_digests_alone(tmp_path: Path) -> None:
    for sha in ("../../secret", "/etc/passwd", "AB" * 32, "ab" * 31, "ab" * 32 + "\n"):
        with pytest.raises(RecordError):
            OutputStore(Home(tmp_path)).path(sha)
        with pytest.raises(RecordError):
            Record.read(record(outputs={"test/logits": sha}))
        with pytest.raises(RecordError):
            Record.read(record(weights=sha))


def test_an_output_with_a_pickle_in_it_is_damaged(tmp_path: Path, mark: Path) -> None:
    store = OutputStore(Home(tmp_path).ensure())
    path = store.path("ab" * 32)
    path.parent.mkdir(parents=True)
    for program in attacks(mark).values():
        for content in (
            program,
            b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n" + program,
        ):
            path.write_bytes(content)
            with pytest.raises(OutputMissing, match="damaged"):
                store.get("ab" * 32)
    for header in (
        "__import__('os').system('touch x')",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (10**15,), }",
        "[" * 10_000,
    ):
        path.write_bytes(b"\x93NUMPY\x02\x00" + np.uint32(len(header)).tobytes() + header.encode() + b"\0" * 64)
        with pytest.raises(OutputMissing, match="damaged"):
            store.get("ab" * 32)
    assert not mark.exists()


HOSTILE_RECORDS = {
    "escaping task": record(labels={"task": "../../x", "method": "kd"}),
    "escaping method": record(labels={"task": "digits", "method": "/etc"}),
    "escaping key": record(key="../../../etc/passwd"),
    "archive": record(labels={"task": "archive", "method": "kd"}),
    "escaping teacher": record(teachers=["../x"]),
    "escaping weights": record(weights="../x"),
    "no object": ["x"],
    "other schema": record(schema=99),
    "numbers as names": record(labels={"task": 1, "method": []}),
}


def test_hostile_records_are_listed_and_nothing_else_suffers(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "digits" / "kd"
    folder.mkdir(parents=True)
    (folder / f"{KEY}.json").write_text(json.dumps(record()))
    for number, hostile in enumerate(HOSTILE_RECORDS.values()):
        (folder / f"{number:012x}.json").write_text(json.dumps(hostile))
    (folder / f"{'cd' * 12}.json").write_text('{"schema":1,"identity":' + "[" * 100_000 + "]" * 100_000 + "}")
    (folder / f"{'ce' * 12}.json").symlink_to("/dev/zero")
    os.mkfifo(folder / f"{'cf' * 12}.json")
    os.mkfifo(folder.parent / "against.json")
    store = ResultStore(tmp_path / "results")
    scan = store.scan(archive=True)
    assert set(scan.records) == {KEY} and len(scan.broken) == len(HOSTILE_RECORDS) + 3
    outlines, broken = store.outlines([KEY, "cd" * 12, "ce" * 12, "cf" * 12])
    assert set(outlines) == {KEY} and len(broken) == 3
    Against(store.folder, OutputStore(store.home))._lines_of("digits")
    for path, why in scan.broken:
        moved = store.set_aside(Path(path), why)
        assert moved.parent == store.home.broken
    assert set(store.scan().records) == {KEY} and not store.scan().broken


def test_whether_results_can_be_written_is_found_out_without_harm(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    results = tmp_path / "results"
    results.mkdir()
    (results / ".kdbench-write-test").symlink_to(mine)  # what the probe was once called
    session: Any = SimpleNamespace(home=Home(tmp_path / "home"))
    writable(session, results)
    assert mine.read_text() == "precious" and [p.name for p in results.iterdir()] == [".kdbench-write-test"]


def test_links_in_a_strangers_home_are_not_written_through(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / "documents").mkdir()
    home = Home(tmp_path / ".kdbench").ensure()
    for name in ("log.txt", "lock", "events.jsonl", "payload.json", f"payload.{os.getpid()}.tmp", "failure.json"):
        (home.jobs / KEY).mkdir(exist_ok=True)
        (home.jobs / KEY / name).symlink_to(mine)
    (home.jobs / ("cd" * 12)).symlink_to(tmp_path / "documents")
    (home.path / "server.log").symlink_to(mine)
    for key in (KEY, "cd" * 12):
        assert not any(path.is_symlink() for path in (make_job_dir(home.path, key), *(home.jobs / key).iterdir()))
    ServerLink(home.path, [], "spawn").close()
    assert mine.read_text() == "precious" and not any((tmp_path / "documents").iterdir())


def test_gc_removes_nothing_but_its_own(tmp_path: Path) -> None:
    """Also where a stranger's home has links for folders, and with a budget of nothing."""
    documents = tmp_path / "documents"
    for name in ("thesis.tex", "photos/cat.jpg", "deadbeef", "deadbeefdeadbeef/notes.txt"):
        (documents / name).parent.mkdir(parents=True, exist_ok=True)
        (documents / name).write_text("precious")
    home = Home(tmp_path / ".kdbench")
    home.path.mkdir()
    for name in ("weights", "checkpoints"):
        (home.path / name).symlink_to(documents)
    home.ensure()
    (home.outputs / "ab").symlink_to(documents)
    (home.outputs / f"{'ab' * 32}.npy").symlink_to(documents / "thesis.tex")
    (home.signals / ("a" * 24)).symlink_to(documents)
    for thing in chosen(inventory(home, []), 0, also_needed=True, now=1e12):
        remove(thing, home)
    left = {path.relative_to(documents).as_posix() for path in everything(documents)}
    assert {"thesis.tex", "photos/cat.jpg"} <= left
    assert not (home.outputs / f"{'ab' * 32}.npy").is_symlink()  # the link is ours to remove, what it shows is not


def test_a_job_that_is_a_link_goes_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "documents").mkdir()
    (tmp_path / "documents" / "thesis.tex").write_text("precious")
    home = Home(tmp_path / ".kdbench").ensure()
    (home.checkpoints / KEY).symlink_to(tmp_path / "documents")
    for thing in chosen(inventory(home, []), 0, also_needed=True, now=1e12):
        remove(thing, home)
    assert (tmp_path / "documents" / "thesis.tex").exists() and not (home.checkpoints / KEY).is_symlink()


def test_a_server_cannot_say_where_its_records_are_put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ids and names come from the store; the folders of what is fetched do not."""
    asked: list[Path] = []

    def download(run_id: str, name: str, folder: str) -> str:
        asked.append(Path(folder))
        return str(Path(folder, name))

    tags = SimpleNamespace(tags={"kdbench.digest": "x"})
    names = ["../../escaped", "/tmp/escaped", "a\0b", "..", "x"]
    runs = [SimpleNamespace(info=SimpleNamespace(run_id=name, run_name=name, end_time=0), data=tags) for name in names]
    found = pulling._read(SimpleNamespace(download_artifacts=download), runs)
    assert len(found.broken) == len(names) and len({folder.parent for folder in asked}) == 1
    assert sorted(folder.name for folder in asked) == sorted(map(str, range(len(names))))


def test_what_is_made_is_for_its_owner_to_write(tmp_path: Path) -> None:
    """Folders and files have the permissions that the user's umask gives, never more."""
    before = os.umask(0o077)
    try:
        home = Home(tmp_path / ".kdbench").ensure()
        make_job_dir(home.path, KEY)
    finally:
        os.umask(before)
    assert all(path.stat().st_mode & 0o077 == 0 for path in (home.path, home.jobs, home.jobs / KEY))


def test_a_folder_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    with pytest.raises(StorageError):
        ResultStore(tmp_path / "results").write(record())


def test_a_store_with_hostile_rows_is_read_as_text(tmp_path: Path) -> None:
    from kdbench.track.address import held_by_sqlite

    path = tmp_path / "a?mode=rwc&x=%2e.db"
    sqlite3.connect(path).close()
    assert held_by_sqlite(path, "x'; DROP TABLE runs; --") is None
