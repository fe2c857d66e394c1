"""Lists made elsewhere, as `kdbench data convert` leaves them: lists/<name>.npz in the folder of the collection.

A file holds numbers, not ids: it belongs to one collection, whose fingerprint it bears. What is in it is checked when it is read.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.text.passage_lists import Lists
from kdbench.tasks.data.text.passage_set import PassageSet

FOLDER = "lists"
KEYS = ("content", "query", "documents")


def fingerprint(lists: Lists) -> str:
    """Of what the file says, not of how it was compressed."""
    total = hashlib.sha256(f"{lists.documents.shape}".encode())
    for values, kind in ((lists.query, "<i4"), (lists.documents, "<i4"), (lists.scores, "<f4")):
        if values is not None:
            total.update(np.ascontiguousarray(values.astype(kind)).data)
    return total.hexdigest()


def write(found: PassageSet, name: str, lists: Lists) -> Path:
    """Whole or not at all."""
    path = found.folder / FOLDER / f"{name}.npz"
    path.parent.mkdir(exist_ok=True)
    arrays = {"query": lists.query.astype(np.int32), "documents": lists.documents.astype(np.int32)}
    if lists.scores is not None:
        arrays["scores"] = lists.scores.astype(np.float32)
    temporary = path.with_name(f".{name}.{os.getpid()}.npz")
    try:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, content=np.array(found.fingerprint), **arrays)  # type: ignore[arg-type]
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def files(folder: Path) -> list[Path]:
    return sorted((folder / FOLDER).glob("[!.]*.npz"))


def read(found: PassageSet, path: Path) -> Lists:
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file]
            if missing:
                raise DataError(f"{path}: has no {', '.join(missing)}; expected what `kdbench data convert` writes")
            arrays = {key: file[key] for key in (*KEYS, "scores") if key in file}
    except DataError:
        raise
    except Exception as error:  # a damaged or malicious file may fail in any way
        raise DataError(f"{path}: cannot be read as lists: {error}") from None
    if str(arrays["content"]) != found.fingerprint:
        raise DataError(f"{path}: made for the collection {str(arrays['content'])[:12]}…, this one is {found.fingerprint[:12]}…")
    query, documents, scores = arrays["query"], arrays["documents"], arrays.get("scores")
    if query.dtype.kind != "i" or documents.dtype.kind != "i" or query.ndim != 1 or documents.ndim != 2:
        raise DataError(f"{path}: expected whole numbers, `query` [n] and `documents` [n,K]")
    if len(query) != len(documents) or not len(query) or documents.shape[1] < 2:
        raise DataError(f"{path}: {len(query)} queries with lists {documents.shape}; expected one list of two or more for each")
    for what, values, end in (("query", query, len(found.names)), ("document", documents, len(found.store))):
        if values.min() < 0 or values.max() >= end:
            raise DataError(f"{path}: {what} numbers from {values.min()} to {values.max()}, there are {end}")
    ordered = np.sort(documents, axis=1)
    if (ordered[:, 1:] == ordered[:, :-1]).any():
        raise DataError(f"{path}: a list names a document twice")
    if scores is not None and (scores.shape != documents.shape or scores.dtype.kind != "f" or not np.isfinite(scores).all()):
        raise DataError(f"{path}: expected a finite score for each document")
    return Lists(query, documents, scores)


def address(name: str, lists: Lists) -> str:
    """How a suite names the file: name and the fingerprint of what it says."""
    return f"{name}@{fingerprint(lists)[:16]}"


def load(found: PassageSet, told: str) -> Lists:
    """The lists that are meant, and no others."""
    name, _, mark = told.partition("@")
    path = found.folder / FOLDER / f"{name}.npz"
    if Path(name).name != name or not path.is_file():
        there = ", ".join(file.stem for file in files(found.folder)) or "none"
        raise DataError(
            f"{found.folder}: no lists {name!r} under {FOLDER}/, there are: {there}. `kdbench data convert` makes some"
        )
    lists = read(found, path)
    if fingerprint(lists)[:16] != mark:
        raise DataError(f"{path}: not the lists that are meant: {address(name, lists)} is what lies there, {told!r} is asked for")
    return lists
