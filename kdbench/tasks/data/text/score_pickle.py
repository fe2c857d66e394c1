"""A cross-encoder's scores as they are passed around: a pickle of {query: {passage: score}}, plain or gzipped.

Unpickling can run anything. Here nothing but plain mappings, numbers and text is made, and whatever else a file asks for is
refused. A whole file is in memory while it is read; MS MARCO's 160 million scores take some 20 GB of it, and three minutes.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Mapping
from pathlib import Path
from reprlib import repr as short
from typing import IO, Any, cast

from kdbench.contract.errors import DataError
from kdbench.tasks.data.inert_pickle import Inert


class Scores:
    """Scores by query and passage, ids being text whatever the file has."""

    def __init__(self, path: Path, found: Mapping[Any, Any]):
        self.path, self._found = path, found

    def of(self, query: str, passage: str) -> float | None:
        own = self._either(self._found, query)
        value = None if own is None else self._either(own, passage)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise DataError(
                f"{self.path}: the score of query {query}, passage {passage} is {short(value)}; expected a finite number"
            )
        return float(value)

    def _either(self, mapping: Any, name: str) -> Any:
        if not isinstance(mapping, dict):
            raise DataError(f"{self.path}: expected {{query: {{passage: score}}}}, found {type(mapping).__name__}")
        if name in mapping:
            return mapping[name]
        return mapping.get(int(name)) if name.isascii() and name.isdigit() and str(int(name)) == name else None


def read(path: Path) -> Scores:
    try:
        with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else open(path, "rb")) as file:
            found = Inert(file).load()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged pickle may fail in any way
        raise DataError(f"{path}: no pickle of scores: {type(error).__name__}: {error}") from None
    if not isinstance(found, dict) or not found:
        raise DataError(f"{path}: expected {{query: {{passage: score}}}}, found {type(found).__name__}")
    return Scores(path, found)
