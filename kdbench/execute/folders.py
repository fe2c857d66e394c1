"""A job's folder: where it lies, what the parent leaves in it, and what a process finds there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdbench.results.files import write_atomically
from kdbench.results.home import Home

LOG, PAYLOAD = "log.txt", "payload.json"


def job_dir(home: Path, key: str) -> Path:
    return Home(home).jobs / key


def make_job_dir(home: Path, key: str) -> Path:
    """It is there, and without links: a home that came as an archive could have us write wherever they point."""
    folder = job_dir(home, key)
    if folder.is_symlink():
        folder.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    for entry in folder.iterdir():
        if entry.is_symlink():
            entry.unlink()
    return folder


def leave_payload(folder: Path, payload: Mapping[str, Any]) -> Path:
    """Write what a job has to do into its folder."""
    path = folder / PAYLOAD
    write_atomically(path, json.dumps(payload, sort_keys=True).encode(), durable=False)
    return path


def read_payload(path: str) -> dict[str, Any]:
    return json.loads(Path(path).read_text(encoding="utf-8"))
