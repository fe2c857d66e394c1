"""A fuzz target: a reader, what it starts from, and the few ways in which it may end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.suite.errors import SuiteError

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Target:
    """`read` gets the bytes of a file and returns, or raises an error for a person; anything else is a fault. `kind` says how
    inputs are changed; `slow` is how many inputs of the cheapest target one of this one is worth."""

    name: str
    kind: str
    read: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    words: Callable[[], list[str]] = field(default=list)
    slow: int = 1

    def __call__(self, data: bytes) -> None:
        try:
            self.read(data)
        except SuiteError as error:
            assert error.problems, "a SuiteError without a problem"
            shown(str(error))
        except KdbenchError as error:
            assert str(error).strip(), "an error that says nothing"
            shown(str(error))


def shown(text: str) -> None:
    """What is said to a person must reach a terminal: no characters that steer it, and none that cannot be written."""
    bad = [c for c in text if (ord(c) < 32 and c not in "\n\t") or 0x7F <= ord(c) < 0xA0 or 0xD800 <= ord(c) < 0xE000]
    assert not bad, f"a message with the character U+{ord(bad[0]):04X}: {text!r:.500}"


def first(pattern: str, count: int, most: int = 1 << 20) -> list[Path]:
    """A few committed files, spread over all that fit the pattern."""
    every = sorted(path for path in ROOT.glob(pattern) if path.stat().st_size <= most)
    assert every, f"no file {pattern}"
    return every[:: max(1, len(every) // count)][:count]


def head(path: Path, lines: int) -> bytes:
    return b"".join(path.read_bytes().splitlines(keepends=True)[:lines])


def as_json(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode()
