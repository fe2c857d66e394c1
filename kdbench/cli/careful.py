"""Output that only shows: what stands in names, paths and messages of others cannot move the cursor or retitle the window."""

from __future__ import annotations

import sys
from typing import Any, TextIO

from kdbench.contract.text import shown


class Careful:
    """A stream that writes control characters as codes, all but colours. `bare` is the stream itself."""

    def __init__(self, bare: TextIO) -> None:
        self.bare = bare

    def write(self, text: str) -> int:
        self.bare.write(shown(text, colours=True))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)


def be_careful() -> None:
    """For all that this process says from now on; also, a terminal without our characters shows others, and nothing fails."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
        setattr(sys, name, Careful(stream))
