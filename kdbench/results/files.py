"""Writes a file so that a reader finds all of it or the old one, whatever dies meanwhile; says why when it cannot."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from kdbench.contract.errors import KdbenchError


class StorageError(KdbenchError):
    """The disk or its permissions stand in the way; the message says where, why and what to do."""


class HomeError(StorageError):
    """The same, for the `.kdbench` folder."""


def write_atomically(path: Path, content: bytes | Callable[[BinaryIO], None], durable: bool = True) -> None:
    """Replace `path` by `content` (bytes, or a function that writes them); parent folders are made.

    The temporary file lies in the same folder, because a rename is atomic only inside one file system. Both the file
    and the folder are synced, so that what a finished job reported survives a power cut, unless it need not (`durable`).
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                if callable(content):
                    content(file)
                else:
                    file.write(content)
                file.flush()
                os.fchmod(file.fileno(), 0o666 & ~_umask())  # mkstemp makes it private; results are shared
                if durable:
                    os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(name)
            raise
        if durable:
            sync_folder(path.parent)


def put_aside(path: Path, folder: Path) -> Path:
    """Move a damaged file away, beside what was put there before; where it lies now. The folder may be on another disk."""
    with explained(folder, HomeError):
        folder.mkdir(parents=True, exist_ok=True)
        target = free_place(folder, path.name)
        with suppress(FileNotFoundError):  # another process did
            shutil.move(path, target)
    return target


def free_place(folder: Path, name: str) -> Path:
    """Where a file of this name can lie beside those that have it already: NAME, NAME.2, NAME.3."""
    target, copy = folder / name, 1
    while target.exists():
        copy += 1
        target = folder / f"{name}.{copy}"
    return target


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable; file systems that refuse to sync a folder do so by themselves."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextmanager
def explained(path: Path, kind: type[StorageError] = StorageError) -> Iterator[None]:
    """Turn the OSErrors that a user can mend into one sentence with the way out; others pass."""
    try:
        yield
    except OSError as error:
        reason = _reason(error, path)
        if reason is None:
            raise
        raise kind(f"cannot write {path}: {reason}") from error


def _reason(error: OSError, path: Path) -> str | None:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            limit = "the disk quota is used up" if error.errno == errno.EDQUOT else "no space left on this disk"
            return f"{limit}{_free(path)}; make room and run again: nothing done is lost"
        case errno.EFBIG:
            return "the file is larger than this process may write (ulimit -f) or this file system can hold"
        case errno.EACCES | errno.EPERM:
            return "permission denied; choose another folder (KDBENCH_HOME for .kdbench, --results for results)"
        case errno.EROFS:
            return "the file system is read-only; choose another folder (KDBENCH_HOME for .kdbench, --results for results)"
        case errno.ENOTDIR | errno.EEXIST:
            return f"{_file_in_the_way(path)} is a file where a folder is needed"
        case errno.EISDIR:
            return "a folder stands where the file should go"
        case errno.ENAMETOOLONG:
            return "the name is too long for this file system"
    return None


def _free(path: Path) -> str:
    for folder in path.parents:
        with suppress(OSError):
            return f" ({shutil.disk_usage(folder).free / 2**20:.0f} MiB free)"
    return ""


def _file_in_the_way(path: Path) -> Path:
    return next((p for p in (*reversed(path.parents), path) if p.exists() and not p.is_dir()), path)


def _umask() -> int:
    """The process's umask; it can only be read by setting it, so it is read once, at import, before threads write."""
    return _UMASK


_UMASK = os.umask(0o022)
os.umask(_UMASK)
