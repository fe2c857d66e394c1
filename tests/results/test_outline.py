"""Outlines say what the whole record says, or leave it to be read whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdbench.results.outline import Outline, Outliner
from kdbench.results.record import Record
from kdbench.results.store import ResultStore

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40) | st.sampled_from(
    ['\n "key": "x"', '"provenance": {}', "<<<<<<< HEAD", '\n "teachers": [', '\n "metrics": {']
)


def outline_of(record: Record) -> Outline:
    return Outline(record.status, {"sources": record.provenance.get("sources", {})})


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cell=text, source=text, sha=text, note=st.dictionaries(text, text, max_size=3), status=st.sampled_from(["done", "diverged"])
)
def test_an_outline_says_what_the_record_says(make_record, cell, source, sha, note, status) -> None:
    record = make_record(status=status)
    labels, provenance = record.labels | {"cell": cell, "note": note}, {"sources": {source: sha}, "note": note}
    record = make_record(status=status, labels=labels, provenance=provenance, identity={"note": note}, blocks={"note": note})
    read = Outliner().read(record.dumps().encode())
    assert read is None or read == ((record.task, record.method, record.key), outline_of(record))
    assert read is not None or "<<<<<<< " in repr((labels, provenance))


def test_results_of_the_same_code_share_what_says_so(make_record) -> None:
    outliner = Outliner()
    records = [make_record(seed, provenance={"sources": {"code": "sha"}, "started": f"{seed}"}) for seed in range(2)]
    first, second = (outliner.read(record.dumps().encode()) for record in records)
    assert first and second and first[1].provenance is second[1].provenance


@pytest.fixture
def store(tmp_path: Path, make_record) -> ResultStore:
    made = ResultStore(tmp_path / "results")
    for seed in range(6):
        made.write(make_record(seed, kind="teacher" if seed == 5 else "student"))
    return made


def test_every_fault_of_a_wanted_record_is_told_as_a_scan_tells_it(store: ResultStore, make_record) -> None:
    wanted = [make_record(seed, kind="teacher" if seed == 5 else "student") for seed in range(6)]
    cut, moved, merged, odd, good, teacher = (store.path(record) for record in wanted)
    cut.write_text(cut.read_text()[:-200])
    moved.rename(moved.with_name("copy of it.json"))
    merged.write_text(merged.read_text().replace(' "metrics": {', '<<<<<<< HEAD\n "metrics": {'))
    odd.write_text(" ".join(odd.read_text().split()))  # a record still, in a form that has no outline
    keys = {record.key for record in wanted}
    found, broken = store.outlines(keys)
    scan = store.scan(only=keys)
    assert broken == scan.broken and len(broken) == 3
    assert found.keys() == scan.records.keys() == {odd.stem, good.stem, teacher.stem}
    assert all(found[key] == outline_of(scan.records[key]) for key in found)


def test_records_of_other_jobs_are_not_looked_at(store: ResultStore, make_record) -> None:
    other, mine = make_record(0), make_record(1)
    store.path(other).write_text("rubbish")
    found, broken = store.outlines({mine.key})
    assert list(found) == [mine.key] and not broken
    assert list(store.scan(only={mine.key}).records) == [mine.key]
    assert [fault.path.stem for fault in store.scan().broken] == [other.key]
