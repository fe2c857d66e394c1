"""Baseline files: what is written reads back to the bit, in one order, and every mistake is told with file and line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.gate.baseline_file import HEADER, BaselineError, Line, read, write

GOOD = "kd[T=1],default,accuracy,0,0.86,0123456789abcdef,f99e22ccbd21,2.15.0,cpu,2026-11-21,first baseline"


def file(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


text = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\x7f"), min_size=1, max_size=12
).filter(lambda value: value == value.strip())  # fmt: skip
runs = st.tuples(st.text("0123456789abcdef", min_size=8, max_size=24), text, text, text)


@st.composite
def baselines(draw: st.DrawFn) -> list[Line]:
    lines = {}
    made: dict[tuple, tuple] = {}
    for _ in range(draw(st.integers(0, 6))):
        cell, pair, seed = draw(text), draw(st.sampled_from(["default", "small"])), draw(st.integers(0, 2**32 - 1))
        by = made.setdefault((cell, pair, seed), draw(runs))
        metric = draw(st.sampled_from(["accuracy", "ndcg@10", "log_kl"]))
        value = draw(st.floats(allow_nan=False, allow_infinity=False))
        day = draw(st.dates()).isoformat()
        line = Line(cell, pair, metric, seed, value, *by, day, draw(text))
        lines[line.place] = line
    return list(lines.values())


@settings(max_examples=150)
@given(baselines(), st.randoms())
def test_what_is_written_reads_back(lines: list[Line], random):
    written = write(lines)
    found = read(written, "b.csv")
    assert sorted(found, key=lambda line: line.place) == found  # sorted as it lies
    assert {line.place: line for line in found} == {line.place: line for line in lines}
    assert all(repr(line.value) == repr(other.value) for line, other in zip(found, sorted(lines, key=lambda one: one.place)))
    shuffled = list(lines)
    random.shuffle(shuffled)
    assert write(shuffled) == written and write(found) == written


def test_seeds_are_sorted_as_numbers():
    rows = write([read(file(GOOD), "b")[0].__class__(**{**read(file(GOOD), "b")[0].__dict__, "seed": s}) for s in (10, 2, 1)])
    assert [row.split(",")[3] for row in rows.splitlines()[1:]] == ["1", "2", "10"]


@pytest.mark.parametrize(
    "old, new, words",
    [
        (",0.86,", ",0.8 6,", "value is '0.8 6', not a finite number"),
        (",0.86,", ",nan,", "value is 'nan'"),
        (",0.86,", ",1e999,", "value is '1e999'"),
        (",0.86,", ",,", "value is ''"),
        (",0,", ",-1,", "seed is '-1'"),
        (",0,", ",00,", "seed is '00'"),
        ("accuracy", "Accuracy!", "metric is 'Accuracy!'"),
        ("0123456789abcdef", "xyz", "key is 'xyz'"),
        ("2026-11-21", "2026-13-01", "accepted_on is '2026-13-01', not a day"),
        ("2026-11-21", "20261121", "accepted_on"),
        (",first baseline", ",", "reason is ''"),
        (",first baseline", "", "10 values where 11 are wanted"),
        (",first baseline", ",a,b", "12 values"),
        ("kd[T=1]", '"kd[T=1]', "not CSV"),
        (GOOD, "<<<<<<< HEAD", "conflict marker"),
        (GOOD, "=======", "conflict marker"),
        (GOOD, "", "0 values"),
    ],
)
def test_every_mistake_has_its_line(old: str, new: str, words: str):
    other = GOOD.replace(",0,", ",7,")
    with pytest.raises(BaselineError) as caught:
        read(file(other, GOOD.replace(old, new, 1), GOOD.replace(",0,", ",8,")), "baselines/s/t.csv")
    message = str(caught.value)
    assert message.startswith("baselines/s/t.csv:3: ") and words in message and "\n" not in message


def test_mistakes_of_the_whole_file():
    for content, words in (("", "b.csv:1: the file is empty"), ("cell,pair\n", "b.csv:1: the first line is not cell,")):
        with pytest.raises(BaselineError, match=words):
            read(content, "b.csv")
    with pytest.raises(BaselineError, match=r"b\.csv:3: the same cell, metric and seed as line 2"):
        read(file(GOOD, GOOD), "b.csv")
    with pytest.raises(BaselineError, match=r"b\.csv:3: another key, code, torch or device than line 2 has for the same seed"):
        read(file(GOOD, GOOD.replace("accuracy", "ece").replace("cpu", "cuda")), "b.csv")
    with pytest.raises(BaselineError) as caught:
        read(file(*["broken"] * 30), "b.csv")
    assert len(str(caught.value).splitlines()) == 11 and "and 20 more" in str(caught.value)


def test_line_ends_of_another_system_and_no_last_one():
    assert read(file(GOOD).replace("\n", "\r\n"), "b") == read(file(GOOD).rstrip("\n"), "b") == read(file(GOOD), "b")
