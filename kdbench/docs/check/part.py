"""A part of a suite, made whole: what a page shows of a suite is what it is about."""

from __future__ import annotations

import re

NEEDED = {"version": "1", "name": "part", "tasks": "[digits]"}
KEY = re.compile(r"^([a-z]+):", re.MULTILINE)


def whole(text: str) -> str:
    """The part with the keys that every suite has, where it lacks them."""
    given = set(KEY.findall(text))
    return "".join(f"{key}: {value}\n" for key, value in NEEDED.items() if key not in given) + text
