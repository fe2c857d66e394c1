"""The results folder: one file a job, found by a scan, never by an index that could go stale."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from kdbench.contract.errors import DataError
from kdbench.results.files import HomeError, explained, free_place, sync_folder, write_atomically
from kdbench.results.garbage import no_garbage_collection
from kdbench.results.home import Home
from kdbench.results.outline import TAIL, Outline, Outliner
from kdbench.results.record import (
    AGAINST_FILE,
    ARCHIVE_FOLDER,
    IMPORTED_FOLDER,
    TEACHER_FOLDER,
    Record,
    RecordError,
    check_key,
    folder_name,
    is_key,
)


class RecordMissing(DataError):
    """No record of this key lies in the results folder."""


class Broken(NamedTuple):
    """A file that should be a record and is not, with the reason in words."""

    path: Path
    why: str


class Archived(NamedTuple):
    """A record under `archive/`. One key may lie there several times, made by different code."""

    name: str  # the folders between `archive` and the task, e.g. "2026-11"; "" where there are none
    record: Record


@dataclass
class Scan:
    """What a results folder holds; `archived` stays empty unless it was asked for."""

    records: dict[str, Record] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    archived: list[Archived] = field(default_factory=list)


@dataclass(frozen=True)
class ResultStore:
    """Records under `<task>/<method>/<key>.json`, teachers under `<task>/teacher/`; no file has two writers. Runs made elsewhere
    lie under `imported/` in the same way, where nothing looks for a job's result."""

    folder: Path
    home: Home

    def __init__(self, folder: str | Path = "results", home: Home | None = None) -> None:
        object.__setattr__(self, "folder", Path(folder))
        object.__setattr__(self, "home", home or Home.beside(folder))

    def path(self, record: Record) -> Path:
        method = folder_name(record.method, "method")
        top = self.folder / IMPORTED_FOLDER if record.kind == "imported" else self.folder
        return top / folder_name(record.task, "task") / method / f"{record.key}.json"

    def write(self, record: Record | Mapping[str, Any]) -> Path:
        """Write a record (or the plain data of one) all at once, replacing an older one of the same job."""
        record = record if isinstance(record, Record) else Record.read(record)
        path = self.path(record)
        write_atomically(path, record.dumps().encode())
        return path

    def read(self, key: str) -> Record:
        """The record of one job; RecordMissing if there is none, RecordError (with the path) if it cannot be read."""
        name = f"{check_key(key)}.json"
        for folder in self._method_folders():
            path = os.path.join(folder, name)
            try:
                return _load(path)
            except FileNotFoundError:
                continue
            except RecordError as error:
                raise RecordError(f"{path}: {error}") from error
        raise RecordMissing(f"no record of {key} in {self.folder}")

    def scan(self, archive: bool = False, only: Collection[str] | None = None) -> Scan:
        """Read every record, or those of some jobs. Unreadable, misplaced and doubled files are listed with their reason, not
        raised and not skipped."""
        found = Scan()
        with no_garbage_collection():
            for folder in self._method_folders():
                self._read_all(found, folder, only=only)
            if archive:
                self._scan_archive(found)
        return found

    def each(self) -> Iterator[Record]:
        """Every record that can be read, one after the other: for those who look at all and hold none."""
        for folder in self._method_folders():
            for path in _json_files(folder):
                record = self._read_into(Scan(), path, self.folder)
                if record is not None and record.kind != "imported":
                    yield record

    def outlines(self, only: Collection[str]) -> tuple[dict[str, Outline], list[Broken]]:
        """What a plan asks of the records of these jobs, and the files among them at fault, as `scan` lists them."""
        found: dict[str, Outline] = {}
        faults = Scan()
        outliner = Outliner()
        with no_garbage_collection():
            for path in (path for folder in self._method_folders() for path in _json_files(folder, only)):
                key, outline = self._outline(faults, path, outliner)
                if key in found:
                    faults.broken.append(Broken(Path(path), f"a second record of {key}"))
                elif outline is not None:
                    found[key] = outline
        return found, faults.broken

    def imported(self) -> Scan:
        """The runs made elsewhere, which `scan` never returns."""
        found = Scan()
        for task in _folders(self.folder / IMPORTED_FOLDER):
            for folder in _folders(task):
                self._read_all(found, folder, imported=True)
        return found

    def set_aside(self, path: Path, why: str) -> Path:
        """Move an unreadable file to `.kdbench/broken/` with its reason, so that its job counts as not done."""
        name = "__".join(Path(path).absolute().parts[-3:])  # task, method, key
        with explained(self.home.broken, HomeError):
            self.home.ensure()
            target = free_place(self.home.broken, name)
            # Copied, not renamed: the home may lie on another disk.
            write_atomically(target, Path(path).read_bytes() if Path(path).is_file() else b"")
            write_atomically(target.with_name(f"{target.name}.why"), f"{path}\n{why}\n".encode())
            os.unlink(path)
            sync_folder(Path(path).parent)
        return target

    def _method_folders(self) -> Iterator[str]:
        for task in _folders(self.folder):
            if os.path.basename(task) not in (ARCHIVE_FOLDER, IMPORTED_FOLDER):
                yield from _folders(task)

    def _scan_archive(self, found: Scan) -> None:
        top = self.folder / ARCHIVE_FOLDER
        for folder, below, names in os.walk(top):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(names):
                if name.endswith(".json") and not name.startswith(".") and name != AGAINST_FILE:
                    root = Path(folder).parent.parent
                    if not root.is_relative_to(top):
                        found.broken.append(Broken(Path(folder, name), "an archived record lies under <task>/<method>/"))
                        continue
                    record = self._read_into(found, os.path.join(folder, name), root)
                    if record is not None:
                        label = root.relative_to(top).as_posix()
                        found.archived.append(Archived("" if label == "." else label, record))

    def _outline(self, found: Scan, path: str, outliner: Outliner) -> tuple[str, Outline | None]:
        """The outline of the record at `path`, which is read whole where it has to be; else None, and why in `found.broken`."""
        with suppress(OSError, RecordError):
            read = outliner.read(_tail(path))
            if read is not None and _place(self.folder, *read[0]) == path:
                return read[0][2], read[1]
        record = self._read_into(found, path, self.folder)
        return (record.key, outliner.of(record)) if record is not None else ("", None)

    def _read_all(self, found: Scan, folder: str, imported: bool = False, only: Collection[str] | None = None) -> None:
        root = self.folder / IMPORTED_FOLDER if imported else self.folder
        for path in _json_files(folder, only):
            record = self._read_into(found, path, root)
            if record is None:
                continue
            if (record.kind == "imported") != imported:
                found.broken.append(Broken(Path(path), f"runs made elsewhere, and only they, lie under {IMPORTED_FOLDER}/"))
            elif record.key in found.records:
                found.broken.append(Broken(Path(path), f"a second record of {record.key}"))
            else:
                found.records[record.key] = record

    def _read_into(self, found: Scan, path: str, root: Path) -> Record | None:
        """The record at `path` if it can be read and lies where it belongs; else None, and why in `found.broken`."""
        try:
            record = _load(path)
            place = _place(root, record.task, record.method, record.key)
            if place != path:
                raise RecordError(f"its content belongs to {os.path.relpath(place, root)}")
            return record
        except FileNotFoundError:  # set aside or rewritten by another process meanwhile
            return None
        except (RecordError, OSError) as error:
            found.broken.append(Broken(Path(path), str(error)))
            return None


def record_path(job: Mapping[str, Any]) -> Path:
    """Where the record of a job, as its process is told of it, lies when it has one."""
    method = TEACHER_FOLDER if job["kind"] == "teacher" else job["labels"]["method"]
    return Path(_place(Path(job["results"]), job["labels"]["task"], method, check_key(job["key"])))


def _load(path: str) -> Record:
    with os.fdopen(_opened(path), "rb", buffering=0) as file:
        return Record.loads(file.read())


def _tail(path: str) -> bytes:
    handle = _opened(path)
    try:
        return os.pread(handle, TAIL, max(0, os.fstat(handle).st_size - TAIL))
    finally:
        os.close(handle)


def _opened(path: str) -> int:
    """A file for reading. What is none, a pipe or a link to a device, is refused: reading it might never end."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise RecordError("is no file")


def _place(root: Path, task: str, method: str, key: str) -> str:
    return f"{_method_folder(root, task, method)}{os.sep}{key}.json"


@lru_cache(maxsize=4096)
def _method_folder(root: Path, task: str, method: str) -> str:
    return os.path.join(root, folder_name(task, "task"), folder_name(method, "method"))


def _folders(top: str | Path) -> list[str]:
    try:
        with os.scandir(top) as entries:
            return sorted(e.path for e in entries if not e.name.startswith(".") and e.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _json_files(folder: str, only: Collection[str] | None = None) -> list[str]:
    """The files that should be records; with `only`, without the records of other jobs, which the asker does not plan."""

    def wanted(name: str) -> bool:
        if not name.endswith(".json") or name.startswith("."):
            return False
        return only is None or (key := name.removesuffix(".json")) in only or not is_key(key)

    with os.scandir(folder) as entries:
        return sorted(e.path for e in entries if wanted(e.name))
