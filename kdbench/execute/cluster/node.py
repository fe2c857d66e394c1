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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import kdbench

TOKEN = ".ray-{}.tmp"


@dataclass(frozen=True)
class Token:
    """A file in each of a run's folders by which a task finds out whether its node sees the same folders."""

    name: str
    folders: tuple[str, ...]

    @classmethod
    def leave(cls, folders: Sequence[Path]) -> Token:
        """Left until it is removed, or this process ends. Those that killed runs left are removed."""
        token = cls(secrets.token_hex(16), tuple(str(folder) for folder in folders))
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(TOKEN.format("*")):
                if _abandoned(left):
                    left.unlink(missing_ok=True)
            _hold(token.name, folder / TOKEN.format(token.name))
        return token

    def seen(self) -> bool:
        """Whether this machine sees all the folders, and may write there."""
        return all(Path(f, TOKEN.format(self.name)).is_file() and os.access(f, os.W_OK | os.X_OK) for f in self.folders)

    def remove(self) -> None:
        """One that cannot be removed, as of a disk that is read-only by now, is left to the next run."""
        for folder in self.folders:
            with contextlib.suppress(OSError):
                Path(folder, TOKEN.format(self.name)).unlink()
        _let_go(self.name)


def scratch(run: str) -> Path:
    """This machine's folder for a run, held until this process ends. Those that nobody holds any more are removed."""
    top = Path(tempfile.gettempdir(), f"kdbench-ray-{os.getuid()}")
    top.mkdir(mode=0o700, exist_ok=True)
    if top.is_symlink() or top.stat().st_uid != os.getuid():
        raise PermissionError(f"{top} is not ours")
    folder = top / run
    if run not in _held:
        for left in top.iterdir():
            if left.name != run and _abandoned(left / "lock"):
                shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(exist_ok=True)
        _hold(run, folder / "lock")
    return folder


def forget(run: str) -> None:
    """The run is over: nothing of it stays on this machine."""
    shutil.rmtree(scratch(run), ignore_errors=True)
    _let_go(run)


# What this process holds, as others see by the kernel's locks; they end with it, however it ends.
_held: dict[str, list[int]] = {}


def _hold(name: str, path: Path) -> None:
    """Open for reading alone: a disk on which a file is open for writing cannot be made read-only."""
    handle = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    _held.setdefault(name, []).append(handle)
    with contextlib.suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_SH)


def _let_go(name: str) -> None:
    for handle in _held.pop(name, []):
        os.close(handle)


def _abandoned(path: Path) -> bool:
    """Whether nobody holds a file any more."""
    with contextlib.suppress(OSError), open(path, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@functools.cache
def code() -> str:
    """By which two machines know that they run the same kdbench: its version, and the content of its modules."""
    top = Path(kdbench.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(top.rglob("*.py")):
        digest.update(f"{path.relative_to(top)}\0".encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()
