"""What a job leaves on a node that does not see the run's folders: gathered there while it runs, kept here in their places.

A node names no path: it says what a file is, and where such a file lies is decided here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.execute import claims, events
from kdbench.execute.cluster.parcel import Stamp, stamp_of
from kdbench.execute.folders import LOG, PAYLOAD
from kdbench.results import company
from kdbench.results.files import write_atomically
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record, RecordError, check_key
from kdbench.results.store import ResultStore, record_path

OURS = {LOG, events.FILE, PAYLOAD, company.FILE, claims.FILE}  # not the node's to replace
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
Leaving = tuple[str, str, bytes | None]  # what it is, its name, and its content; None where it is there no more


class Leavings:
    """Of one job on a node. `news` is what it left since the last call."""

    def __init__(self, payload: Mapping[str, Any], job_dir: Path) -> None:
        self._payload, self._dir = payload, job_dir
        self._read = {name: _size(job_dir / name) for name in (LOG, events.FILE)}
        self._checkpoints = self._stamps()
        self._ended = False  # whether all was told

    def news(self, over: bool = False) -> dict[str, Any] | None:
        """`over`: the process has ended, so all is to be told. Before that, all is told once the job says that it has ended."""
        lines = self._fresh(events.FILE)
        lines = lines[: lines.rfind(b"\n") + 1]
        self._read[events.FILE] += len(lines)
        log = self._fresh(LOG)
        self._read[LOG] += len(log)
        files = self._saved()
        if not self._ended and (over or any(_says_end(line) for line in lines.splitlines())):
            self._ended = True
            files = [*self._made(), *files, *self._others()]
        return {"files": files, "log": log, "events": lines} if files or log or lines else None

    def _fresh(self, name: str) -> bytes:
        try:
            with open(self._dir / name, "rb") as file:
                file.seek(self._read[name])
                return file.read()
        except FileNotFoundError:
            return b""

    def _saved(self) -> list[Leaving]:
        """Checkpoints that are new, or not there any more."""
        before, self._checkpoints = self._checkpoints, self._stamps()
        changed = [path for path, stamp in self._checkpoints.items() if before.get(path) != stamp]
        gone = [path for path in before if path not in self._checkpoints]
        return [("checkpoint", path.name, _content(path)) for path in (*changed, *gone)]

    def _stamps(self) -> dict[Path, Stamp]:
        if "home" not in self._payload:
            return {}
        found = (Home(Path(self._payload["home"])).checkpoints / self._payload["key"]).glob("[!.]*.safetensors")
        stamps = {path: stamp_of(path) for path in found}
        return {path: stamp for path, stamp in stamps.items() if stamp is not None}

    def _made(self) -> list[Leaving]:
        """The result, its weights and its raw outputs; the record last."""
        if "home" not in self._payload or (record := _content(record_path(self._payload))) is None:
            return []
        home = Home(Path(self._payload["home"]))
        shas = sorted(set(Record.loads(record).outputs.values()))
        outputs = [("output", sha, _content(OutputStore(home).path(sha))) for sha in shas]
        weights = _content(home.weights / f"{self._payload['key']}.safetensors")
        return [*outputs, ("weights", "", weights), ("record", "", record)]

    def _others(self) -> list[Leaving]:
        """Whatever else lies in its folder, as failure.json does."""
        plain = (path for path in self._dir.iterdir() if path.is_file() and not path.is_symlink())
        theirs = (path for path in plain if path.name not in OURS and _NAME.fullmatch(path.name))
        return [("file", path.name, content) for path in theirs if (content := _content(path)) is not None]


def keep(news: Mapping[str, Any], payload: Mapping[str, Any], job_dir: Path) -> None:
    """Put what a node sent of a job where the job itself would have left it. What is not of this job raises a DataError."""
    for kind, name, content in news["files"]:
        keep_file(kind, name, content, payload, job_dir)
    append(job_dir / LOG, news["log"])
    append(job_dir / events.FILE, news["events"])


def keep_file(kind: str, name: str, content: bytes | None, payload: Mapping[str, Any], job_dir: Path) -> None:
    path = _place(kind, name, content, payload, job_dir)
    if content is None:
        path.unlink(missing_ok=True)
    elif not (kind == "output" and path.is_file() and path.stat().st_size == len(content)):
        write_atomically(path, content)


def append(path: Path, content: bytes) -> None:
    if content:
        with open(path, "ab") as file:
            file.write(content)


def _place(kind: str, name: str, content: bytes | None, payload: Mapping[str, Any], job_dir: Path) -> Path:
    if kind == "file" and _NAME.fullmatch(name) and name not in OURS:
        return job_dir / name
    home, key = Home(Path(payload["home"])), check_key(payload["key"])
    if kind == "checkpoint" and _NAME.fullmatch(name) and name.endswith(".safetensors"):
        return home.checkpoints / key / name
    if kind == "weights":
        return home.weights / f"{key}.safetensors"
    if kind == "output" and content is not None and hashlib.sha256(content).hexdigest() == name:
        return OutputStore(home).path(name)
    if kind == "record" and content is not None:
        return _place_of_record(content, payload)
    raise DataError(f"a node sent {kind} {name!r}, which is nothing that job {key[:12]} leaves")


def _place_of_record(content: bytes, payload: Mapping[str, Any]) -> Path:
    try:
        record = Record.loads(content)
    except RecordError as error:
        raise DataError(f"a node sent a record that cannot be read: {error}") from error
    path = ResultStore(payload["results"]).path(record)
    if path != record_path(payload):
        raise DataError(f"a node sent the record of another job than {payload['key'][:12]}")
    return path


def _says_end(line: bytes) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and record.get("event") == "end"


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
