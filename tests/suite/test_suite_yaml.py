"""YAML is read with places; whatever is wrong with a file is told at its place and never builds an object."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.suite.document import Cursor
from kdbench.suite.errors import SuiteError
from kdbench.suite.yaml import load, loads


def told(text: str) -> list[tuple[int | None, int | None, str]]:
    return [(p.line, p.column, p.message) for p in loads(text, "s.yaml").problems]


def test_every_key_and_value_has_its_place():
    document = loads("a: 1\nb:\n  - x\n  - {c: [2, 3]}\n", "s.yaml")
    assert document.data == {"a": 1, "b": ["x", {"c": [2, 3]}]}
    assert document.keys[("b", 1, "c")] == (4, 6)
    assert document.values[("b", 0)] == (3, 5)
    assert document.values[("b", 1, "c", 1)] == (4, 13)
    assert document.place(("b", 1, "c", 7, "deep")) == (4, 9)  # the nearest parent


def test_values_are_plain():
    document = loads("a: 1e-3\nb: 0.10\nc: yes\nd: ~\ne: 2024-01-01\nf: 0o10\ng: true\nh: |\n  two\n  lines\n", "s.yaml")
    expected = {"a": 0.001, "b": 0.1, "c": "yes", "d": None, "e": "2024-01-01", "f": 8, "g": True, "h": "two\nlines\n"}
    assert document.data == expected
    assert {type(value) for value in document.data.values()} == {float, str, type(None), int, bool}


def test_all_duplicates_are_found():
    assert told("a: 1\na: 2\nb: {c: 1, c: 2}\n") == [
        (2, 1, "duplicate key 'a', first written in line 1"),
        (3, 11, "duplicate key 'c', first written in line 3"),
    ]


def test_anchors_aliases_and_merge_keys():
    text = "one: &one {p: 1, q: {r: 2}}\ntwo: *one\nthree:\n  <<: *one\n  p: 3\nfour:\n  <<: [{p: 5}, *one]\n"
    document = loads(text, "s.yaml")
    assert not document.problems
    assert document.data["two"] == {"p": 1, "q": {"r": 2}}
    assert document.data["three"] == {"p": 3, "q": {"r": 2}}
    assert document.data["four"] == {"p": 5, "q": {"r": 2}}
    assert document.place(("two", "q", "r")) == (1, 25)  # an alias stands where its anchor stands
    assert document.place(("three", "q", "r")) == (1, 25)
    assert document.place(("three", "p")) == (5, 6)


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: !!python/object:os.system x", "tag !!python/object:os.system is not allowed"),
        ("a: !!python/object/apply:os.system [echo]", "tag !!python/object/apply:os.system is not allowed"),
        ("a: !mine {b: 1}", "tag !mine is not allowed"),
        ("a: !!set {b, c}", "tag !!set is not allowed"),
        ("a: !!binary aGk=", "tag !!binary is not allowed"),
        ("a: !!int x", "'x' does not fit its tag !!int"),
        ("a: &x [*x]", "an anchor contains itself"),
        ("? [1]\n: 2", "a key must be plain text"),
        ("<<: 1", "'<<' takes a mapping"),
    ],
)
def test_refused(text: str, message: str):
    assert [entry[2] for entry in told(text)] == [message]


@pytest.mark.parametrize(
    "text, place, words",
    [
        ("a:\n\tb: 1", (2, 1), "tabs"),
        ("a: [1\n", (2, 1), "expected ',' or ']'"),
        ("a: b: c", (1, 5), "a ':' cannot stand here"),
        ("a: *gone", (1, 4), "undefined alias"),
        ("a: 1\n---\nb: 2", (2, 1), "another document"),
        ("a: 1\n<<<<<<< HEAD\nb: 2\n", (2, 1), "git merge"),
        ("a: \x01", (1, 4), "U+0001"),
    ],
)
def test_broken_syntax_has_its_place(text: str, place: tuple[int, int], words: str):
    problem = loads(text, "s.yaml").problems[0]
    assert (problem.line, problem.column) == place
    assert words in problem.render(text.split("\n"))


def test_a_short_file_cannot_become_millions_of_values():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    document = loads("\n".join(lines), "s.yaml")
    assert document.data is None and len(document.problems) == 1 and "aliases" in document.problems[0].message


def test_deep_nesting_is_told():
    assert "nested too deeply" in told("[" * 500 + "]" * 500)[0][2]


def test_files_that_hold_no_text(tmp_path):
    with pytest.raises(SuiteError, match="is a folder"):
        load(tmp_path)
    (tmp_path / "suite.yaml").write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(SuiteError, match=r"suite.yaml:2:7: byte 0xe9 is not UTF-8") as caught:
        load(tmp_path / "suite.yaml")
    assert "b: caf" in str(caught.value)
    with pytest.raises(SuiteError, match=r"did you mean '.*suite\.yaml'"):
        load(tmp_path / "siute.yaml")


def test_windows_line_ends_and_byte_order_mark(tmp_path):
    (tmp_path / "s.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    document = load(tmp_path / "s.yaml")
    assert document.data == {"a": 1, "b": 2} and document.values[("b",)] == (2, 4)


def test_cursor_reads_any_shape():
    root = Cursor(loads("a: {b: [x, {m: y}]}\nc: z\n", "s.yaml"))
    assert [entry.named("m").text for entry in root["a"]["b"].items()] == ["x", "y"]
    assert [entry.text for entry in root["c"].items()] == ["z"]
    assert root["a"]["b"]["gone"]["further"].value is None and root["gone"].items() == []
    assert dict(root["c"].entries()) == {}


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("abc é:#'", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(plain)
def test_json_is_read_as_it_is(data):
    text = json.dumps(data)
    document = loads(text, "s.yaml")
    assert document.problems == [] and json.dumps(document.data) == text


def test_the_suite_needs_no_torch():
    code = "import sys, kdbench.suite; print([m for m in ('torch', 'pandas', 'numpy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    "text, words",
    [
        ("a:\n  - b: 1\n   c: 2\n", "this line is indented otherwise than those before it"),
        ("a: b\n  c: 1\n", "a ':' cannot stand here"),
    ],
)
def test_the_commonest_mistakes_of_yaml_are_told_in_words(text, words):
    [problem] = loads(text, "x.yaml").problems
    assert words in problem.message and "while parsing" not in str(problem.expected)
