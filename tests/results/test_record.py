"""The record: canonical, exact, strict."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.results.record import Record, RecordError, canonical, comparable
from kdbench.results.shapes import FACTS, SEEDS, TABLES, TEXTS, TEXTS_OR_NONE

text = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
tree = st.dictionaries(text, plain, max_size=4)
# What everybody reads has a shape (results/shapes.py); the rest is free.
SHAPED = {*TEXTS, *TEXTS_OR_NONE, *SEEDS, *FACTS, *TABLES, "machine", "git", "code", "leaks", "teachers"}
free = tree.map(lambda found: {name: value for name, value in found.items() if name not in SHAPED})
hexadecimal = st.binary(min_size=32, max_size=32).map(bytes.hex)
records = st.builds(
    Record,
    key=hexadecimal,
    kind=st.just("student"),
    status=st.sampled_from(["done", "diverged"]),
    identity=free,
    labels=free.map(lambda labels: labels | {"task": "digits", "method": "kd"}),
    metrics=st.dictionaries(text, st.dictionaries(text, st.floats() | st.integers(-(2**53), 2**53), max_size=4), max_size=3),
    teachers=st.lists(hexadecimal, max_size=2),
    outputs=st.dictionaries(text, hexadecimal, max_size=2),
    weights=st.none() | hexadecimal,
    cost=tree,
    blocks=tree,
    timing=tree,
    provenance=free,
)


def bits(metrics: dict[str, dict[str, float]]) -> dict[str, dict[str, bytes]]:
    """Metrics by their bits, with one NaN for all: -0.0 is not 0.0, and NaN equals itself."""
    return {g: {n: struct.pack("d", math.nan if v != v else v) for n, v in values.items()} for g, values in metrics.items()}


@settings(max_examples=150)
@given(records)
def test_reading_what_was_written_gives_the_same_record_and_the_same_bytes(record: Record) -> None:
    written = record.dumps()
    read = Record.loads(written.encode())
    assert bits(read.metrics) == bits(record.metrics)
    rest = {name: value for name, value in record.data().items() if name != "metrics"}
    assert json.dumps(rest, sort_keys=True) == json.dumps(
        {name: value for name, value in read.data().items() if name != "metrics"}, sort_keys=True
    )
    assert read.dumps() == written
    assert json.loads(written)["schema"] == 1  # strict JSON: any reader takes it


def test_canonical_form(make_record) -> None:
    written = make_record(metrics={"truth": {"top1": 0.1 + 0.2, "b": math.nan, "a": -math.inf, "n": 3}}).dumps()
    assert '"top1": 0.30000000000000004' in written and '"b": null' in written and '"a": "-inf"' in written
    assert '"n": 3.0' in written and "kd[T=4]·live·task" in written
    assert written.endswith("}\n") and written.startswith('{\n "cost"')
    assert math.isnan(Record.loads(written).metrics["truth"]["b"])
    assert Record.loads(written).metrics["truth"]["a"] == -math.inf


def test_numpy_scalars_are_written_as_numbers(make_record) -> None:
    record = make_record(
        metrics={"truth": {"top1": np.float32(0.5), "n": np.int64(2)}}, cost={"steps": np.int32(7), "share": np.float16(0.25)}
    )
    data = json.loads(record.dumps())
    assert data["metrics"]["truth"] == {"n": 2.0, "top1": 0.5} and data["cost"] == {"steps": 7, "share": 0.25}


def test_comparable_leaves_out_only_what_may_differ(make_record) -> None:
    first, again = make_record(), make_record(timing={"seconds": 99.0}, provenance={"machine": {"cpu": "other"}})
    assert canonical(comparable(first)) == canonical(comparable(again))
    for change in ({"cost": {"steps": 11}}, {"status": "diverged"}, {"teachers": ["ab" * 32]}, {"metrics": {}}):
        assert canonical(comparable(make_record(**change))) != canonical(comparable(first))
    assert set(first.data()) - set(comparable(first)) == {"timing", "provenance"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key": "../../etc/passwd"}, "not a hexadecimal digest"),
        ({"key": 7}, "field 'key' is int"),
        ({"kind": "pupil"}, "kind 'pupil'"),
        ({"status": "failed"}, "failures never become records"),
        ({"labels": {"task": "..", "method": "kd"}}, "cannot name a folder"),
        ({"labels": {"task": "a/b/c", "method": "kd"}}, "cannot name a folder"),
        ({"labels": {"task": "digits", "method": "../kd"}}, "cannot name a folder"),
        ({"labels": {"task": "digits", "method": "kd\n"}}, "cannot name a folder"),
        ({"labels": {"task": "digits", "method": ".kd"}}, "cannot name a folder"),
        ({"labels": {"task": "archive", "method": "kd"}}, "kept for older results"),
        ({"labels": {"task": "digits", "method": "teacher"}}, "holds the teachers"),
        ({"labels": {"task": "digits"}}, "label 'method' is missing"),
        ({"metrics": {"truth": {"top1": "high"}}}, "metric truth.top1 is 'high'"),
        ({"metrics": {"truth": {"top1": True}}}, "metric truth.top1 is True"),
        ({"metrics": {"truth": 3}}, "metrics 'truth'"),
        ({"outputs": {"test/logits": "abc"}}, "not a sha256"),
        ({"weights": "../weights"}, "not a sha256"),
        ({"teachers": ["x"]}, "not a hexadecimal digest"),
        ({"identity": {"teachers": 0.5}}, "identity.teachers is no list of keys"),
        ({"identity": {"teachers": [7]}}, "identity.teachers is no list of keys"),
    ],
)
def test_invalid_records_cannot_exist(make_record, changes: dict, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        make_record(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"identity": {"a": [{"b": math.nan}]}}, r"identity\.a\[0\]\.b: nan"),
        ({"provenance": {"load": math.inf}}, "provenance.load: inf"),
        ({"labels": {"task": "digits", "method": "kd", "x": "\ud800"}}, "lone surrogate"),
        ({"identity": {1: "x"}}, "name 1 is int"),
        ({"cost": {"array": np.zeros(2)}}, "cost.array: ndarray"),
        ({"timing": {"at": object()}}, "timing.at: object"),
    ],
)
def test_what_would_not_read_back_is_not_written(make_record, changes: dict, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        make_record(**changes).dumps()


def test_a_fault_in_a_file_is_named(make_record) -> None:
    data = json.loads(make_record().dumps())
    for broken, message in [
        (data | {"schema": 2}, "schema 2"),
        (data | {"schema": True}, "schema True"),
        (data | {"colour": "red"}, "unknown field 'colour'"),
        ({k: v for k, v in data.items() if k != "metrics"}, "field 'metrics' is missing"),
        ([data], "a record is a JSON object"),
    ]:
        with pytest.raises(RecordError, match=message):
            Record.loads(json.dumps(broken))
    whole = make_record().dumps()
    for content, message in [
        (whole[: len(whole) // 2], "cut short"),
        ("", "file is empty"),
        (f"<<<<<<< HEAD\n{whole}=======\n{whole}>>>>>>> other\n", "conflict markers"),
        (whole.replace("0.75", "NaN"), "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ]:
        with pytest.raises(RecordError, match=message):
            Record.loads(content)


def test_a_teacher_needs_no_method_and_lies_under_teacher(make_record) -> None:
    assert make_record(kind="teacher").method == "teacher"
