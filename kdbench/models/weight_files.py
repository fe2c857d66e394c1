"""Which files of weights are read, and by what they are known: their content. Imports no torch, since plans need it too."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from kdbench.contract.errors import DataError

SAFETENSORS = ".safetensors"
TORCH = (".pt", ".pth", ".bin", ".ckpt", ".tar")  # .tar for the .pth.tar of older repositories
READ = (SAFETENSORS, *TORCH)


class WeightsError(DataError):
    """A weights file that is missing, damaged, of a refused kind, or of another network."""


def known_kind(path: Path) -> Path:
    """The path itself, where its ending is one of those that are read."""
    if path.suffix not in READ:
        ending = path.suffix or "without an ending"
        raise WeightsError(f"weights {path}: files ending in {', '.join(READ)} are read, this one is {ending}")
    return path


def sha256(path: Path | str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_of(path: Path) -> str:
    """The sha256 of given weights: a file's content is part of a result's identity, its name and place are not."""
    try:
        state = known_kind(path).stat()
        return _digest(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise WeightsError(f"weights {path}: {error.strerror}") from error


@lru_cache(maxsize=256)  # every pair of a suite asks for its teacher's, and files are large
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    return sha256(path)
