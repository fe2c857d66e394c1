"""Lines and columns of text files, one at a time, with the file and the line in every complaint.

Files are UTF-8, plain or gzipped. A byte-order mark and Windows' line ends are no part of the text, so that a file that passed
through a spreadsheet holds the same ids as before.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from kdbench.contract.errors import DataError

MARK = b"\xef\xbb\xbf"


def present(folder: Path, name: str) -> Path | None:
    """The file of that name, or its gzipped form; None where there is neither."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line that is not empty."""
    number = 0
    try:
        with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else open(path, "rb")) as file:
            for number, raw in enumerate(file, 1):
                content = raw.removeprefix(MARK).rstrip(b"\r\n") if number == 1 else raw.rstrip(b"\r\n")
                if content:
                    yield number, content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}, line {number}: not UTF-8 ({error.reason} at byte {error.start + 1})") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}, after line {number}: damaged or cut off: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error


def columns(path: Path, count: int, holds: str, separator: str | None = "\t") -> Iterator[tuple[int, list[str]]]:
    """Number and columns of every line; exactly so many of them. `separator` None is any white space."""
    for number, line in lines(path):
        found = line.split(separator)
        if len(found) != count:
            raise DataError(f"{path}, line {number}: {len(found)} column(s), expected {count}: {holds}")
        yield number, found


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and mapping of every line of a JSON-lines file."""
    for number, line in lines(path):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}, line {number}: no JSON: {error}") from None
        if not isinstance(found, dict):
            raise DataError(f"{path}, line {number}: {type(found).__name__} where a JSON object is expected")
        yield number, found


def integer(text: str, path: Path, number: int, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise DataError(f"{path}, line {number}: {what} {text!r} is no whole number") from None


def decimal(text: str, path: Path, number: int, what: str) -> float:
    """A finite number: one that is not would be ranked without a word."""
    try:
        value = float(text)
    except ValueError:
        raise DataError(f"{path}, line {number}: {what} {text!r} is no number") from None
    if value - value != 0:
        raise DataError(f"{path}, line {number}: {what} {text!r} is not finite")
    return value


def identifier(text: Any, path: Path, number: int, what: str) -> str:
    """An id as text: ids are never numbers (leading zeros, '1-9')."""
    if not isinstance(text, str) or not text or "\0" in text:
        raise DataError(f"{path}, line {number}: {what} {text!r} is no id; expected text that is not empty")
    if len(text) > 255:
        raise DataError(f"{path}, line {number}: {what} {text[:40]!r}… has {len(text)} characters; at most 255")
    return text
