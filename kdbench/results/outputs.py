"""Raw evaluation outputs, named by their content, so that a new metric needs no training and equal runs share one file."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from kdbench.contract.errors import DataError
from kdbench.results.files import write_atomically
from kdbench.results.home import Home
from kdbench.results.record import Record, check_sha

if TYPE_CHECKING:
    import numpy as np


class OutputMissing(DataError):
    """A raw output that a record names is not on this machine, or is not what it was."""


def sha256_of(path: Path) -> str:
    """The sha256 of a file (weights, checkpoints)."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class OutputStore:
    """Arrays under `outputs/ab/<sha256 of the .npy file>.npy`."""

    home: Home

    def path(self, sha: str) -> Path:
        return self.home.outputs / check_sha(sha)[:2] / f"{sha}.npy"

    def has(self, sha: str) -> bool:
        return self.path(sha).is_file()

    def put(self, array: np.ndarray) -> str:
        """Store an array and return its name. Byte order and memory layout are made uniform first: equal values, equal name."""
        header, body = _npy(array)
        digest = hashlib.sha256(header)
        digest.update(body)
        sha = digest.hexdigest()
        path = self.path(sha)
        if not (path.is_file() and path.stat().st_size == len(header) + len(body)):
            self.home.ensure()

            def write(file: BinaryIO) -> None:
                file.write(header)
                file.write(body)

            write_atomically(path, write)
        return sha

    def get(self, sha: str, verify: bool = False) -> np.ndarray:
        """The array, mapped read-only into memory; `verify` reads all of it first and compares the digest."""
        import numpy as np

        path = self.path(sha)
        if verify:
            self.verify(sha)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError:
            raise OutputMissing(_missing(path)) from None
        except Exception as error:  # numpy tells of a damaged header in many ways; a pickle is refused here
            raise OutputMissing(_damaged(path, str(error))) from error

    def verify(self, sha: str) -> None:
        """Raise OutputMissing unless the file is there and its content is what its name says."""
        path = self.path(sha)
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            raise OutputMissing(_missing(path)) from None
        if found != sha:
            raise OutputMissing(_damaged(path, f"its content has sha256 {found[:12]}…"))


def _npy(array: np.ndarray) -> tuple[bytes, memoryview]:
    """Header and body of the .npy file, without a second copy of the data."""
    import numpy as np

    array = np.asarray(array, order="C")
    if array.dtype.kind not in "biufcUS":
        raise DataError(f"raw outputs are numbers, booleans or text, not {array.dtype}")
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    body = array.reshape(-1).view(np.uint8).data if array.size else memoryview(b"")
    return header.getvalue(), body


def _missing(path: Path) -> str:
    where = f"raw output {path.stem[:12]}… is not in {path.parents[1]}"
    return f"{where}: it was made on another machine or removed by gc; run the job again"


def _damaged(path: Path, why: str) -> str:
    return f"raw output {path} is damaged ({why}); delete the file and run its job again"


def arrays(record: Record, split: str, store: OutputStore, verify: bool = False) -> dict[str, np.ndarray]:
    """What a record's network said on a split, by the arrays' names; a DataError where nothing of it is stored."""
    head = f"{split}/"
    found = {name.removeprefix(head): sha for name, sha in record.outputs.items() if name.startswith(head)}
    if not found:
        raise DataError(f"no outputs of {split} are stored")
    return {name: store.get(sha, verify) for name, sha in found.items()}
