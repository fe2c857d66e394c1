"""YAML in, plain data out, with the line and column of every key and value; all duplicate keys are found, not only the first.

The node graph is read, not the objects that ruamel.yaml would build of it: nodes bear exact places, an alias keeps the place of
its anchor, and a tag that would build an object is refused before anything is built.
"""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from kdbench.contract.numbers import is_whole
from kdbench.contract.text import unshown
from kdbench.suite.document import Document, Loc, Position
from kdbench.suite.errors import Problem, SuiteError, cut, nearest

CORE = "tag:yaml.org,2002:"
PLAIN = {CORE + name for name in ("null", "bool", "int", "float", "str")}
TEXT = {CORE + "timestamp"}  # a bare date is text here: no suite key wants a date, and JSON has none
MOST_BYTES = 1 << 20  # a second of reading each hundred thousand; the largest suite of ours has 18 thousand
MOST_VALUES = 100_000  # aliases of aliases can multiply a short file into millions of values
MOST_DEEP = 40  # values within values; whoever walks through them later may do so by recursion

SYNTAX = (  # how ruamel.yaml begins what it says of the commonest mistakes, what they are, and what is meant to stand there
    (
        "expected <block end>",
        "this line is indented otherwise than those before it",
        "as many spaces as the entries have that it stands beside",
    ),
    (
        "mapping values are not allowed",
        "a ':' cannot stand here",
        "quotes around text with ': ' in it, and below a key that has its value beside it nothing deeper",
    ),
)


def load(path: str | Path) -> Document:
    """Read and parse a file. Raises SuiteError where there is no text to parse; problems within the text are collected."""
    path = Path(path)

    def fail(message: str, **more: Any) -> SuiteError:
        return SuiteError([Problem(str(path), None, None, None, message, **more)])

    if path.is_dir():
        raise fail("is a folder", expected="a YAML file")
    try:
        with open(path, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        beside = [p.name for p in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
        near = nearest(path.name, beside)
        raise fail("there is no such file", suggestion=str(path.parent / near) if near else None) from None
    except OSError as error:
        raise fail(f"cannot be read: {error.strerror}") from None
    if len(raw) > MOST_BYTES:
        raise fail(f"is longer than {MOST_BYTES:,} bytes", expected="a file that a person could have written")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _end(_lines_alike(raw[: error.start].decode("utf-8", "replace").removeprefix("\ufeff")))
        message = f"byte 0x{raw[error.start]:02x} is not UTF-8"
        text = _lines_alike(raw.decode("utf-8", "replace"))
        raise SuiteError([Problem(str(path), line, column, None, message, "text in UTF-8")], text) from None
    return loads(text, str(path))


def loads(text: str, name: str) -> Document:
    """Parse a text; `name` stands for the file in messages."""
    text = _lines_alike(text)
    document = Document(name, text)
    if bad := unshown(text):
        place = _end(text[: text.index(bad)])
        document.problems.append(Problem(name, *place, None, f"character U+{ord(bad):04X} is not allowed in YAML"))
        return document
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReusedAnchorWarning)  # YAML allows it, and the last one holds
            node = yaml.compose(text)
        if node is not None:
            reader = _Reader(document, yaml)
            data = reader.read(node, ())
            document.data = data if reader.count < MOST_VALUES else None  # cut off: what is left would only mislead
    except MarkedYAMLError as error:
        document.problems.append(_syntax(document, error))
    except ReaderError as error:
        place = _end(text[: error.position])
        character = ord(error.character) if isinstance(error.character, str) else error.character
        document.problems.append(Problem(name, *place, None, f"character U+{character:04X} is not allowed in YAML"))
    except YAMLError as error:
        document.problems.append(Problem(name, 1, 1, None, f"is not YAML: {error}"))
    except RecursionError:
        document.problems.append(Problem(name, 1, 1, None, "is nested too deeply to be read"))
    return document


def _syntax(document: Document, error: MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    source = document.text.split("\n")
    shown = source[line - 1] if line <= len(source) else ""
    for i, text in enumerate(source):
        if text.startswith(("<<<<<<< ", ">>>>>>> ")):
            return Problem(document.name, i + 1, 1, None, "a git merge was left unfinished here", "one of the two versions")
    expected = None
    if "\\t" in str(error.problem) or shown[:column].strip(" ")[:1] == "\t":
        expected = "spaces: YAML does not allow tabs for indentation"
    elif error.context:
        expected = f"something else {error.context}" if error.context.startswith("while") else error.context
    message = str(error.problem)
    for begin, meaning, wanted in SYNTAX:
        if message.startswith(begin) and not (expected or "").startswith("spaces"):
            message, expected = meaning, wanted
    return Problem(document.name, line, column, None, f"is not YAML: {message}", expected)


class _Reader:
    """Turns nodes into plain data and writes down places and problems."""

    def __init__(self, document: Document, yaml: YAML):
        self.document, self.yaml = document, yaml
        self.count = 0
        self.open: set[int] = set()  # nodes being read, to find an anchor that contains itself

    def read(self, node: Node, loc: Loc) -> Any:
        self.document.values[loc] = _position(node)
        self.count += 1
        if self.count == MOST_VALUES:
            self.report(node, f"aliases make more than {MOST_VALUES} values of this file")
        if self.count >= MOST_VALUES:
            return None
        if id(node) in self.open:
            return self.report(node, "an anchor contains itself")
        if len(loc) > MOST_DEEP:
            return self.report(node, f"is nested more than {MOST_DEEP} deep")
        self.open.add(id(node))
        try:
            if isinstance(node, MappingNode) and node.tag == CORE + "map":
                return self.mapping(node, loc)
            if isinstance(node, SequenceNode) and node.tag == CORE + "seq":
                return [self.read(child, (*loc, i)) for i, child in enumerate(node.value)]
            if isinstance(node, ScalarNode) and node.tag in PLAIN:
                return self.scalar(node)
            if isinstance(node, ScalarNode) and node.tag in TEXT:
                return self.text(node)
            tag = str(node.tag).replace(CORE, "!!")
            return self.report(node, f"tag {tag} is not allowed", "plain values: a suite builds no objects")
        finally:
            self.open.discard(id(node))

    def scalar(self, node: ScalarNode) -> Any:
        """A plain value, as far as JSON, arithmetic and terminals can take it."""
        try:
            value = self.yaml.constructor.construct_object(node)
        except Exception:  # whatever ruamel.yaml makes of an empty !!int, or of nine thousand digits
            return self.report(node, f"'{cut(node.value)}' does not fit its tag {str(node.tag).replace(CORE, '!!')}")
        if isinstance(value, int) and not isinstance(value, bool) and not is_whole(value):
            return self.report(node, f"'{cut(node.value)}' is too large for a whole number", "at most 2^63 - 1")
        if isinstance(value, float) and not math.isfinite(value):
            return self.report(node, f"'{cut(node.value)}' is no finite number")
        return self.text(node) if isinstance(value, str) else value

    def text(self, node: ScalarNode) -> str | None:
        """What YAML refuses in a file is refused where it is written by escapes, too: it breaks paths and terminals."""
        if bad := unshown(node.value):
            self.report(node, f"text with the character U+{ord(bad):04X}", "text that can be shown")
            return None
        return str(node.value)

    def mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        out: dict[str, Any] = {}
        merges = []
        for key_node, value_node in node.value:
            if key_node.tag == CORE + "merge":
                merges.append(value_node)
                continue
            if not isinstance(key_node, ScalarNode):
                self.report(key_node, "a key must be plain text")
                continue
            key = self.text(key_node)
            if key is None:
                continue
            if key in out:
                first = self.document.keys[(*loc, key)][0]
                self.report(key_node, f"duplicate key '{key}', first written in line {first}", "every key once")
                continue
            self.document.keys[(*loc, key)] = _position(key_node)
            out[key] = self.read(value_node, (*loc, key))
            if out[key] is None and value_node.start_mark.index == value_node.end_mark.index:
                self.document.values[(*loc, key)] = _position(key_node)  # nothing is written, so there is no place but the key
        for merge in merges:
            for source in merge.value if isinstance(merge, SequenceNode) else [merge]:
                self.merge(source, loc, out)
        return out

    def merge(self, source: Node, loc: Loc, out: dict[str, Any]) -> None:
        """Keys of `<<: *anchor` that the mapping does not write itself; of several anchors the first wins."""
        if not isinstance(source, MappingNode):
            self.report(source, "'<<' takes a mapping", "an alias of a mapping, or a list of them")
            return
        if id(source) in self.open:
            self.report(source, "an anchor contains itself")
            return
        # Read apart first: its own duplicates and nested merges are handled there, and places are the anchor's.
        self.open.add(id(source))
        inner = Document(self.document.name, self.document.text, problems=self.document.problems)
        reader = _Reader(inner, self.yaml)
        reader.open, reader.count = self.open, self.count
        data = reader.mapping(source, loc)
        self.count = reader.count
        self.open.discard(id(source))
        new, depth = data.keys() - out.keys(), len(loc)
        out.update({key: value for key, value in data.items() if key in new})
        for mine, theirs in ((self.document.keys, inner.keys), (self.document.values, inner.values)):
            mine.update({at: place for at, place in theirs.items() if len(at) > depth and at[depth] in new})

    def report(self, node: Node, message: str, expected: str | None = None) -> None:
        value = node.value if isinstance(node, ScalarNode) else None
        self.document.problems.append(Problem(self.document.name, *_position(node), value, message, expected))


def comment_of(text: str) -> str:
    """What the lines of a file say that are comments from their first character on."""
    lines = (line.removeprefix("#").removeprefix(" ") for line in text.splitlines() if line.startswith("#"))
    return "\n".join(lines)


def _lines_alike(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _end(text: str) -> Position:
    """Where a text ends."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


def _position(node: Node) -> Position:
    return node.start_mark.line + 1, node.start_mark.column + 1
