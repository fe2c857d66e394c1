"""Opens the files that hold arrays: .npy, .npz, .safetensors and .csv. Nothing in a file is ever executed: no pickle."""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterable
from pathlib import Path
from shutil import copyfileobj
from typing import IO

import numpy as np

from kdbench.contract.errors import DataError, KdbenchError
from kdbench.contract.numbers import is_whole
from kdbench.score.rows import Rows, spool
from kdbench.score.table import read_table

SUFFIXES = (".npy", ".npz", ".safetensors", ".csv")
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
SAFETENSORS = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "|b1"},
    **{f"{kind.upper()}{8 * size}": f"<{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)},
}


def open_array(spec: str) -> Rows:
    """The array that FILE, or FILE:array where a file holds several, names; its rows are read when they are needed."""
    path, wanted = _parse(spec)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{spec}: expected a file that ends in {', '.join(SUFFIXES)} (with FILE:array for one array of several)")
    try:
        match suffix:
            case ".npz":
                rows = _npz(path, wanted)
            case ".safetensors":
                rows = _safetensors(path, wanted)
            case _ if wanted:
                raise DataError(f"{spec}: {suffix} files hold one array, so name the file alone")
            case ".npy":
                rows = _npy(path)
            case _:
                rows = read_table(path)
    except KdbenchError:
        raise
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged or malicious file may fail in any way
        raise DataError(f"{path}: not a readable {suffix} file: {error}") from None
    if rows.dtype.kind not in "fiub":
        raise DataError(f"{spec}: holds {rows.dtype}, not plain numbers (Python objects are never read: that would be a pickle)")
    if 0 in rows.shape:
        raise DataError(f"{spec}: empty, its shape is {list(rows.shape)}")
    if rows.offset + math.prod(rows.shape) * rows.dtype.itemsize > rows.path.stat().st_size:
        raise DataError(f"{spec}: cut short: the file is smaller than its shape {list(rows.shape)} of {rows.dtype} says")
    return rows


def _parse(spec: str) -> tuple[Path, str]:
    file, colon, name = spec.rpartition(":")
    if colon and not Path(spec).exists() and Path(file).suffix.lower() in SUFFIXES:
        return Path(file), name
    return Path(spec), ""


def _npy(path: Path, at: int = 0, holder: IO[bytes] | None = None) -> Rows:
    """The array whose .npy header stands at byte `at` of a file."""
    with open(path, "rb") as file:
        file.seek(at)
        shape, fortran, dtype = HEADERS[np.lib.format.read_magic(file)](file)
        return Rows(path, dtype, shape, file.tell(), fortran, holder=holder)


def _npz(path: Path, wanted: str) -> Rows:
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        name = choose(path, wanted, [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")])
        member = archive.getinfo(f"{name}.npy")
        if member.compress_type == zipfile.ZIP_STORED:
            file.seek(member.header_offset + 26)  # of the local header, whose last two fields say how long it is
            name_length, extra_length = np.frombuffer(file.read(4), "<u2").tolist()
            return _npy(path, member.header_offset + 30 + name_length + extra_length)
        store = spool()
        with archive.open(member) as packed:
            copyfileobj(packed, store, 1 << 20)
        store.flush()
        return _npy(Path(store.name), holder=store)


def _safetensors(path: Path, wanted: str) -> Rows:
    size = path.stat().st_size
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 + length:
            raise ValueError("its header is cut short")
        header = json.loads(file.read(length))
    if not isinstance(header, dict) or not all(isinstance(entry, dict) for entry in header.values()):
        raise ValueError("its header is no table of arrays")
    entry = header[choose(path, wanted, [name for name in header if name != "__metadata__"])]
    if entry["dtype"] not in SAFETENSORS:
        raise DataError(f"{path}: holds {entry['dtype']}, which is no type to score; save float32")
    if not all(is_whole(length) and length >= 0 for length in (*entry["shape"], *entry["data_offsets"])):
        raise ValueError(f"shape {entry['shape']} at {entry['data_offsets']}")
    dtype = np.dtype(SAFETENSORS[entry["dtype"]])
    return Rows(path, dtype, tuple(entry["shape"]), 8 + length + entry["data_offsets"][0], brain=entry["dtype"] == "BF16")


def choose(path: Path, wanted: str, names: Iterable[str]) -> str:
    """The array asked for, or the only one."""
    held = sorted(names)
    if wanted in held:
        return wanted
    if not wanted and len(held) == 1:
        return held[0]
    problem = f"no array '{wanted}'" if wanted else "no arrays" if not held else "several arrays"
    raise DataError(f"{path}: {problem}; name one as {path}:NAME (there are: {', '.join(held) or 'none'})")
