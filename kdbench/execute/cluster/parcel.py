"""What a job reads, for a node that does not see the run's folders: which files these are, and where they lie there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.results.files import write_atomically
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.record import check_key
from kdbench.results.store import ResultStore

HOME, RESULTS, GIVEN = "home", "results", "given"
Stamp = tuple[int, int]  # size, and when it was changed: by which a file is known to be another one now


def reads(payload: Mapping[str, Any]) -> dict[str, Path]:
    """The files that a job reads, by their place below a node's scratch folder. Data sets are none of them: they are there."""
    found = {place_of(path, payload): Path(path) for path in _paths(payload)}
    if "home" not in payload:
        return {place: path for place, path in found.items() if path.is_file()}
    home, key = Home(Path(payload["home"])), check_key(payload["key"])
    results = ResultStore(payload["results"], home)
    others = [teacher["key"] for teacher in payload["teachers"] if teacher.get("reference", True)]
    for other in (*others, *filter(None, [payload.get("init_job")])):
        try:
            record = results.read(other)
        except KdbenchError:  # its job will say so
            continue
        found[f"{RESULTS}/{results.path(record).relative_to(results.folder).as_posix()}"] = results.path(record)
        for name, sha in record.outputs.items():
            if name.startswith("test/"):
                path = OutputStore(home).path(sha)
                found[f"{HOME}/{path.relative_to(home.path).as_posix()}"] = path
    for path in (home.checkpoints / key).glob("*.safetensors"):
        found[f"{HOME}/checkpoints/{key}/{path.name}"] = path
    return {place: path for place, path in found.items() if path.is_file()}


def moved(payload: Mapping[str, Any], scratch: Path) -> dict[str, Any]:
    """The same job where its files lie below `scratch`."""

    def move(path: str) -> str:
        return str(scratch / place_of(path, payload))

    def move_target(target: str) -> str:
        where, _, attribute = target.rpartition(":")
        return f"{move(where)}:{attribute}" if where.endswith(".py") else target

    new = dict(payload)
    if "home" in payload:
        new |= {"home": str(scratch / HOME), "results": str(scratch / RESULTS)}
    if payload.get("init_weights"):
        new["init_weights"] = move(payload["init_weights"])
    new["teachers"] = [{**teacher, "weights": move(teacher["weights"])} for teacher in payload.get("teachers", ())]
    new["targets"] = {name: move_target(target) for name, target in payload.get("targets", {}).items()}
    new["sources"] = [move(name) if name.endswith(".py") else name for name in payload.get("sources", ())]
    return new


def unpack(place: str, stamp: Stamp, content: Callable[[], bytes], scratch: Path) -> None:
    """Write a file as it was sent; `content` is asked for it only where it is not there already."""
    path = scratch / place
    if stamp_of(path) != stamp:
        write_atomically(path, content())
        os.utime(path, ns=(stamp[1], stamp[1]))


def stamp_of(path: Path) -> Stamp | None:
    """None where there is no such file."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_size, state.st_mtime_ns


def place_of(path: str, payload: Mapping[str, Any]) -> str:
    """Below the home what lies below the home; given weights and plugins by themselves, under their own names."""
    home = payload.get("home")
    if home and Path(path).is_relative_to(home):
        return f"{HOME}/{Path(path).relative_to(home).as_posix()}"
    return f"{GIVEN}/{hashlib.sha256(path.encode()).hexdigest()[:16]}/{Path(path).name}"


def _paths(payload: Mapping[str, Any]) -> Iterator[str]:
    if payload.get("init_weights"):
        yield payload["init_weights"]
    yield from (teacher["weights"] for teacher in payload.get("teachers", ()))
    plugins = (target.rpartition(":")[0] for target in payload.get("targets", {}).values())
    yield from (name for name in (*plugins, *payload.get("sources", ())) if name.endswith(".py"))
