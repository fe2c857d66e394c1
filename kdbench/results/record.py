"""The record of a finished job: its fields, what makes it valid, and its one canonical form as JSON.

Canonical: keys sorted, indented by one, floats as Python's repr (the shortest text that reads back to the same bits),
one newline at the end. JSON has no NaN, so **a metric that is undefined for these outputs (NaN) is written as null and
read back as NaN**, and infinities, which only metrics may hold, are the strings "inf" and "-inf". In `cost`, `timing`
and `blocks` NaN becomes null; in all other fields it is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from numbers import Real
from typing import Any

from pydantic_core import from_json  # reads three times as fast as the standard library, and a scan is mostly reading

from kdbench.contract.errors import DataError
from kdbench.contract.text import NAME
from kdbench.results.shapes import misfit

SCHEMA = 1
KINDS = ("student", "teacher", "imported")  # imported: a run made elsewhere, of which only numbers are known
STATUSES = ("done", "diverged")
TEACHER_FOLDER = "teacher"
ARCHIVE_FOLDER = "archive"
IMPORTED_FOLDER = "imported"
AGAINST_FILE = "against.json"  # beside a task's methods: what controls share with teachers that they never had
VOLATILE = ("timing", "provenance")

_HEX = re.compile(r"[0-9a-f]{8,64}")
_SHA = re.compile(r"[0-9a-f]{64}")
_INFINITE = {"inf": math.inf, "-inf": -math.inf}


class RecordError(DataError):
    """A record that must not be written, or a file that is not a record."""


@dataclass(frozen=True)
class Record:
    """One finished job; a Record that exists is valid.

    Everything but `timing` and `provenance` is a function of the job, equal whenever the job is done again.
    """

    key: str
    kind: str
    status: str
    identity: dict[str, Any]
    labels: dict[str, Any]
    metrics: dict[str, dict[str, float]]
    teachers: list[str] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    weights: str | None = None
    cost: dict[str, Any] = field(default_factory=dict)
    blocks: dict[str, Any] = field(default_factory=dict)  # per-block statistics: a committed record redraws its intervals
    timing: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, kind in _FIELDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) and not (name == "weights" and value is None):
                raise RecordError(f"field {name!r} is {type(value).__name__}, not {kind.__name__}")
        object.__setattr__(self, "metrics", _read_metrics(self.metrics))
        _check(self)

    @property
    def task(self) -> str:
        return self.labels["task"]

    @property
    def method(self) -> str:
        return TEACHER_FOLDER if self.kind == "teacher" else self.labels["method"]

    @staticmethod
    def read(data: Mapping[str, Any]) -> Record:
        """A validated record from parsed JSON (or from plain data about to be written); a RecordError names the first fault."""
        if not isinstance(data, Mapping):
            raise RecordError(f"a record is a JSON object, this is {type(data).__name__}")
        schema = data.get("schema")
        if schema != SCHEMA or isinstance(schema, bool):
            raise RecordError(f"schema {schema!r}, but this kdbench reads {SCHEMA}")
        values = {name: value for name, value in data.items() if name != "schema"}
        if unknown := sorted(map(str, values.keys() - _FIELDS.keys())):
            raise RecordError(f"unknown field {unknown[0]!r}")
        for name in _REQUIRED:
            if name not in values:
                raise RecordError(f"field {name!r} is missing")
        return Record(**values)

    @staticmethod
    def loads(text: str | bytes) -> Record:
        return Record.read(_parse(text))

    def data(self) -> dict[str, Any]:
        """Plain data with the schema number; empty optional parts are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        optional = ("blocks", "weights")
        return {"schema": SCHEMA} | {k: v for k, v in values.items() if v or k not in optional}

    def dumps(self) -> str:
        """The canonical JSON; refuses what would not read back as it is."""
        return canonical(self.data())


_FIELDS: dict[str, type] = {
    "key": str, "kind": str, "status": str, "identity": dict, "labels": dict, "metrics": dict, "teachers": list, "outputs": dict,
    "weights": str, "cost": dict, "blocks": dict, "timing": dict, "provenance": dict,
}  # fmt: skip
_REQUIRED = ("key", "kind", "status", "identity", "labels", "metrics")


def comparable(record: Record) -> dict[str, Any]:
    """The part that must be byte-equal (as `canonical` writes it) between two runs of the same job on the same software."""
    return {name: value for name, value in record.data().items() if name not in VOLATILE}


def canonical(data: Mapping[str, Any]) -> str:
    """The canonical JSON of a record's plain data (or of a part of it)."""
    clean = {name: _plain(value, name, name) for name, value in data.items()}
    return json.dumps(clean, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@lru_cache(maxsize=4096)
def folder_name(name: str, what: str) -> str:
    """The folder of a task or method; a plugin's `package/name` becomes `package+name`, so no name nests or escapes."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        allowed = "letters, digits, '_', '-', '.', and one '/' after a package"
        raise RecordError(f"{what} name {name!r} cannot name a folder; allowed are {allowed}")
    return name.replace("/", "+")


def is_key(text: str) -> bool:
    return _HEX.fullmatch(text) is not None


def check_key(key: Any) -> str:
    if not isinstance(key, str) or not is_key(key):
        raise RecordError(f"key {key!r} is not a hexadecimal digest")
    return key


def check_sha(sha: Any) -> str:
    if not isinstance(sha, str) or not _SHA.fullmatch(sha):
        raise RecordError(f"{sha!r} is not a sha256")
    return sha


def _check(record: Record) -> None:
    check_key(record.key)
    if record.kind not in KINDS:
        raise RecordError(f"kind {record.kind!r} is none of {', '.join(KINDS)}")
    if record.status not in STATUSES:
        raise RecordError(f"status {record.status!r} is none of {', '.join(STATUSES)}; failures never become records")
    labels = ("task",) if record.kind == "teacher" else ("task", "method")
    for label in labels:
        if label not in record.labels:
            raise RecordError(f"label {label!r} is missing")
        if not isinstance(record.labels[label], str):
            raise RecordError(f"label {label!r} is {type(record.labels[label]).__name__}, not text")
        folder_name(record.labels[label], label)
    if record.task == ARCHIVE_FOLDER:
        raise RecordError(f"a task cannot be called {ARCHIVE_FOLDER!r}: the folder of that name is kept for older results")
    if record.task == IMPORTED_FOLDER:
        raise RecordError(f"a task cannot be called {IMPORTED_FOLDER!r}: the folder of that name is kept for runs made elsewhere")
    if record.kind != "teacher" and record.method == TEACHER_FOLDER:
        raise RecordError(f"a method cannot be called {TEACHER_FOLDER!r}: the folder of that name holds the teachers")
    if wrong := misfit(record.kind, record.labels, record.identity, record.provenance):
        raise RecordError(wrong)
    for key in record.teachers:
        check_key(key)
    for name, sha in record.outputs.items():
        if not isinstance(sha, str) or not _SHA.fullmatch(sha):
            raise RecordError(f"output {name!r}: {sha!r} is not a sha256")
    if record.weights is not None:
        check_sha(record.weights)


def _parse(text: str | bytes) -> Any:
    try:
        return from_json(text, allow_inf_nan=False)
    except ValueError as error:
        content = text.decode(errors="replace") if isinstance(text, bytes) else text
        if not content.strip():
            raise RecordError("the file is empty") from error
        if re.search(r"^(<<<<<<<|>>>>>>>) ", content, re.MULTILINE):
            raise RecordError("git's conflict markers: keep one side, or delete the file to have the job done again") from error
        raise RecordError(f"not JSON, or cut short ({error})") from error


def _read_metrics(groups: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    read: dict[str, dict[str, float]] = {}
    for group, values in groups.items():
        if not isinstance(values, Mapping):
            raise RecordError(f"metrics {group!r} are {type(values).__name__}, not an object of name: number")
        read[group] = {}
        for name, value in values.items():
            read[group][name] = value if type(value) is float else _number(value, f"{group}.{name}")
    return read


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, str) and value in _INFINITE:
        return _INFINITE[value]
    if isinstance(value, bool) or not isinstance(value, Real):
        raise RecordError(f"metric {where} is {value!r}, not a number")
    try:
        return float(value)
    except OverflowError:
        raise RecordError(f"metric {where} is too large for a number") from None


def _plain(value: Any, part: str, where: str) -> Any:
    """`value` as plain JSON data, numpy scalars included; `part` is the record's field that it lies in, `where` the full path."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RecordError(f"{where}: text with a lone surrogate cannot be written as UTF-8") from None
        return value
    if isinstance(value, float):
        return _plain_float(float(value), part, where)
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise RecordError(f"{where}: the name {name!r} is {type(name).__name__}, not text")
        return {_plain(k, part, where): _plain(v, part, f"{where}.{k}") for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, part, f"{where}[{i}]") for i, v in enumerate(value)]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return _plain(value.item(), part, where)
    raise RecordError(f"{where}: {type(value).__name__} cannot be written to a record")


def _plain_float(value: float, part: str, where: str) -> float | str | None:
    if math.isfinite(value):
        return value
    if math.isnan(value) and part in ("metrics", "cost", "timing", "blocks"):
        return None
    if part == "metrics":
        return "inf" if value > 0 else "-inf"
    raise RecordError(f"{where}: {value} cannot be written there")
