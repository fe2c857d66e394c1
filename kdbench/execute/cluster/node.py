"""A node as a task finds it: its scratch folder for a run, whether the run's folders are there too, and whose code it runs."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import kdbench

TOKEN = ".ray-{}.tmp"
OLD = 24 * 3600.0  # seconds; a token that is missed only makes a run copy files


@dataclass(frozen=True)
class Token:
    """A file in each of a run's folders by which a task finds out whether its node sees the same folders."""

    name: str
    folders: tuple[str, ...]

    @classmethod
    def leave(cls, folders: Sequence[Path]) -> Token:
        token = cls(secrets.token_hex(16), tuple(str(folder) for folder in folders))
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(TOKEN.format("*")):  # by runs that were killed
                with contextlib.suppress(OSError):
                    if time.time() - left.stat().st_mtime > OLD:
                        left.unlink()
            (folder / TOKEN.format(token.name)).touch()
        return token

    def seen(self) -> bool:
        """Whether this machine sees all the folders, and may write there."""
        return all(Path(f, TOKEN.format(self.name)).is_file() and os.access(f, os.W_OK | os.X_OK) for f in self.folders)

    def remove(self) -> None:
        for folder in self.folders:
            Path(folder, TOKEN.format(self.name)).unlink(missing_ok=True)


def scratch(run: str) -> Path:
    """This machine's folder for a run, held until this process ends. Those that nobody holds any more are removed."""
    top = Path(tempfile.gettempdir(), f"kdbench-ray-{os.getuid()}")
    top.mkdir(mode=0o700, exist_ok=True)
    if top.is_symlink() or top.stat().st_uid != os.getuid():
        raise PermissionError(f"{top} is not ours")
    folder = top / run
    if run not in _held:
        for left in top.iterdir():
            if left.name != run:
                _remove_if_left(left)
        folder.mkdir(exist_ok=True)
        _held[run] = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(_held[run], fcntl.LOCK_SH)
    return folder


def forget(run: str) -> None:
    """The run is over: nothing of it stays on this machine."""
    shutil.rmtree(scratch(run), ignore_errors=True)
    os.close(_held.pop(run))


_held: dict[str, int] = {}


def _remove_if_left(folder: Path) -> None:
    with contextlib.suppress(OSError), open(folder / "lock", "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def code() -> str:
    """By which two machines know that they run the same kdbench: its version, and the content of its modules."""
    top = Path(kdbench.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(top.rglob("*.py")):
        digest.update(f"{path.relative_to(top)}\0".encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()
