"""What names may be, and which characters no text may bring to a terminal: it would obey them rather than show them."""

from __future__ import annotations

import re

# A plugin's name is also that of a folder, so it can neither nest nor escape; `package/name` is one of a package.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99})?", re.ASCII)

# Control characters but for line ends and tabs, what turns the direction of reading around, and halves of characters.
UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
COLOUR = re.compile("(\x1b\\[[0-9;]*m)")


def unshown(text: str) -> str | None:
    """The first character of a text that must not be shown as it is."""
    found = UNSHOWN.search(text)
    return found[0] if found else None


def shown(text: str, colours: bool = False) -> str:
    """The text with such characters as codes, which are those of JSON too; `colours` lets those of our own output pass."""
    if not UNSHOWN.search(text):
        return text
    parts = COLOUR.split(text) if colours else [text]
    return "".join(part if i % 2 else UNSHOWN.sub(_code, part) for i, part in enumerate(parts))


def _code(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
