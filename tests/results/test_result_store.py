"""The results folder: every record is found, every fault is named, nothing escapes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kdbench.results.record import Record, RecordError
from kdbench.results.store import RecordMissing, ResultStore


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


def test_written_records_are_found_where_they_belong(store: ResultStore, make_record) -> None:
    student, teacher, plugin = make_record(), make_record(kind="teacher"), make_record(method="lab/dkd", task="lab/birds")
    for record in (student, teacher, plugin):
        store.write(record)
    below = {path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if path.is_file()}
    names = (f"digits/kd/{student.key}.json", f"digits/teacher/{teacher.key}.json", f"lab+birds/lab+dkd/{plugin.key}.json")
    assert below == set(names)  # and no temporary file
    scan = store.scan()
    assert scan.records == {r.key: r for r in (student, teacher, plugin)} and not scan.broken
    assert store.read(student.key) == student
    assert not store.home.path.exists()  # looking and writing records needs no .kdbench
    with pytest.raises(RecordMissing, match=f"no record of {'0' * 64}"):
        store.read("0" * 64)
    with pytest.raises(RecordError):
        store.read("../" + student.key)


def test_plain_data_is_checked_before_it_is_written(store: ResultStore, make_record) -> None:
    data = make_record().data()
    assert store.write(data).exists()
    with pytest.raises(RecordError, match="unknown field"):
        store.write(data | {"extra": 1})


def test_writing_again_replaces(store: ResultStore, make_record) -> None:
    store.write(make_record())
    path = store.write(make_record(timing={"seconds": 2.0}))
    assert Record.loads(path.read_bytes()).timing == {"seconds": 2.0}
    assert oct(path.stat().st_mode & 0o777) == oct(0o666 & ~_umask())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_an_empty_or_missing_folder_is_no_fault(store: ResultStore) -> None:
    assert store.scan(archive=True).records == {} and store.scan().broken == []
    store.folder.mkdir()
    (store.folder / "README.md").write_text("results")
    assert store.scan().broken == []


def test_every_fault_is_listed_with_its_reason(store: ResultStore, make_record) -> None:
    good = make_record()
    store.write(good)
    cut = store.write(make_record(1))
    cut.write_text(cut.read_text()[:50])
    moved = store.write(make_record(2))
    elsewhere = store.folder / "digits" / "dkd" / moved.name
    elsewhere.parent.mkdir()
    moved.rename(elsewhere)
    renamed = store.write(make_record(3))
    renamed.rename(renamed.with_name("copy of it.json"))
    folder = store.folder / "digits" / "kd" / f"{'a' * 64}.json"
    folder.mkdir()
    (store.folder / "digits" / "kd" / ".half.json.tmp").write_text("{")
    scan = store.scan()
    assert list(scan.records) == [good.key]
    reasons = {broken.path.name: broken.why for broken in scan.broken}
    assert set(reasons) == {cut.name, moved.name, "copy of it.json", folder.name}
    assert "cut short" in reasons[cut.name]
    assert reasons[moved.name] == f"its content belongs to digits/kd/{moved.name}"
    assert "belongs to" in reasons["copy of it.json"] and "is no file" in reasons[folder.name]
    with pytest.raises(RecordError, match=f"{cut.name}: not JSON, or cut short"):
        store.read(cut.stem)


def test_setting_aside_names_the_file_and_frees_the_place(store: ResultStore, make_record) -> None:
    path = store.write(make_record())
    for round_ in range(2):
        path.write_text(f"rubbish {round_}")
        (broken,) = store.scan().broken
        target = store.set_aside(*broken)
        assert target.parent == store.home.broken and target.read_text() == f"rubbish {round_}"
        assert target.with_name(target.name + ".why").read_text() == f"{path}\n{broken.why}\n"
        assert not path.exists() and store.scan().broken == []
    assert len(list(store.home.broken.iterdir())) == 4  # the second did not replace the first
    store.write(make_record())
    assert len(store.scan().records) == 1


def test_the_archive_is_read_only_when_asked_for(store: ResultStore, make_record) -> None:
    live, old = make_record(), make_record(timing={"seconds": 9.0})
    store.write(live)
    ResultStore(store.folder / "archive").write(make_record(5))
    ResultStore(store.folder / "archive" / "2026-10" / "h200").write(old)
    stray = store.folder / "archive" / "notes" / "stray.json"
    stray.parent.mkdir()
    stray.write_text("{}")
    beside = [
        store.folder / "archive" / "2026-10" / "h200" / "digits" / "against.json",
        store.folder / "archive" / ".kdbench" / "x.json",
    ]
    for path in beside:  # no records, and none of them should be one
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert list(store.scan().records) == [live.key] and store.scan().archived == [] and store.scan().broken == []
    scan = store.scan(archive=True)
    assert scan.records == {live.key: live}
    assert {(name, record.key) for name, record in scan.archived} == {("", make_record(5).key), ("2026-10/h200", old.key)}
    assert [broken.path.name for broken in scan.broken] == ["stray.json"]


def test_a_writer_killed_at_any_moment_leaves_whole_records(store: ResultStore, make_record, tmp_path: Path) -> None:
    path = store.write(make_record())
    program = (
        "import sys\nfrom kdbench.results.store import ResultStore\nfrom kdbench.results.record import Record\n"
        "store = ResultStore(sys.argv[1]); record = Record.loads(open(sys.argv[2]).read())\n"
        "print('ready', flush=True)\n"
        "while True: store.write(record)\n"
    )
    copy = tmp_path / "record.json"
    copy.write_bytes(path.read_bytes())
    writer = subprocess.Popen([sys.executable, "-c", program, store.folder, copy], stdout=subprocess.PIPE)
    try:
        assert writer.stdout is not None and writer.stdout.readline()
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            assert Record.loads(path.read_bytes()) == make_record()
    finally:
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    scan = store.scan()
    assert len(scan.records) == 1 and not scan.broken


def test_a_file_where_a_folder_is_needed_is_explained(store: ResultStore, make_record) -> None:
    from kdbench.results.files import StorageError

    store.folder.mkdir()
    (store.folder / "digits").write_text("in the way")
    with pytest.raises(StorageError, match="digits is a file where a folder is needed"):
        store.write(make_record())


def test_the_time_of_a_scan_is_reported(store: ResultStore, make_record, record_property) -> None:
    count = 2_000  # the cost is linear in it; a time is reported, not judged
    text = make_record(method="m0").dumps()
    for number in range(count):
        key, method = f"{number:064x}", f"m{number % 20}"
        folder = store.folder / "digits" / method
        folder.mkdir(parents=True, exist_ok=True)
        mine = text.replace(make_record(method="m0").key, key).replace('"method": "m0"', f'"method": "{method}"')
        (folder / f"{key}.json").write_text(mine)
    start = time.process_time()
    scan = store.scan()
    record_property("scan_of_10k_cpu_seconds", (time.process_time() - start) * 10_000 / count)
    assert len(scan.records) == count and not scan.broken
