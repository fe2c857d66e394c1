"""Settings as one writes them into a cell of a table: `T=4 weight=0.9 taps=[stage1,stage2]`, read to plain values."""

from __future__ import annotations

import re
from typing import Any

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
WORDS = {"true": True, "false": False, "null": None}


def parse(text: str) -> dict[str, Any]:
    """The settings; a ValueError says which is none."""
    found: dict[str, Any] = {}
    for entry in text.split():
        name, equals, value = entry.partition("=")
        if not equals or not value or not NAME.fullmatch(name):
            raise ValueError(f"'{entry}' is no setting; settings are name=value, with blanks between them and none inside")
        if name in found:
            raise ValueError(f"'{name}' is set twice")
        found[name] = plain(value)
    return found


def plain(text: str) -> Any:
    """4, 0.5, true, a word, or a list of these in brackets."""
    if text.startswith("[") and text.endswith("]"):
        return [plain(part) for part in text[1:-1].split(",")] if text != "[]" else []
    if text in WORDS:
        return WORDS[text]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
