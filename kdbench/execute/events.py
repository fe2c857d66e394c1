"""events.jsonl: the one thing a running job tells the outside, a line a record, appended and tailed."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

FILE = "events.jsonl"
NOT_METRICS = {"t", "event", "step", "steps", "epoch", "seed", "pid", "device", "status"}  # fields; other numbers are metrics


def plain(value: Any) -> Any:
    """As strict JSON can hold it: scalars of numpy and torch become numbers, what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return plain(value.item()) if hasattr(value, "item") else str(value)


class EventWriter:
    """Appends records to a job's events. Each line goes out in one write, so a killed job tears its last at most.

    They tell of a job and are no part of its result: what a full disk does not take is lost, and the job goes on.
    """

    def __init__(self, job_dir: Path) -> None:
        self._fd = os.open(job_dir / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        # An attempt that was killed may have left half a line; ours must not be glued to it.
        self._torn = _last_byte(job_dir / FILE) not in (b"", b"\n")

    def __call__(self, record: Mapping[str, Any]) -> None:
        line = json.dumps({"t": round(time.time(), 3), **plain(record)}, separators=(",", ":")) + "\n"
        with contextlib.suppress(OSError):
            whole = (b"\n" if self._torn else b"") + line.encode()
            self._torn = os.write(self._fd, whole) < len(whole)

    def close(self) -> None:
        os.close(self._fd)


class EventTail:
    """Reads what was appended since the last call. The file may not exist yet, and its last line may be half there."""

    def __init__(self, job_dir: Path, *, from_end: bool = False) -> None:
        self._path = job_dir / FILE
        self._offset = 0
        if from_end and self._path.exists():
            self._offset = self._path.stat().st_size

    def read(self) -> list[dict[str, Any]]:
        try:
            if self._path.stat().st_size <= self._offset:
                return []
            with open(self._path, "rb") as file:
                file.seek(self._offset)
                fresh = file.read()
        except FileNotFoundError:
            return []
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [record for line in whole.splitlines() if (record := parse(line)) is not None]


def read_events(job_dir: Path) -> list[dict[str, Any]]:
    """Every whole record that a job ever left, over all its attempts."""
    return EventTail(job_dir).read()


def parse(line: str | bytes) -> dict[str, Any] | None:
    """The record of a line; None where it is none."""
    try:
        record = from_json(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _last_byte(path: Path) -> bytes:
    with open(path, "rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return b""
        file.seek(-1, os.SEEK_END)
        return file.read(1)
