"""The names of timm's networks, read from its source: so a plan tells a typing error without the import, which takes seconds."""

from __future__ import annotations

import functools
import importlib.util
import re
from pathlib import Path

REGISTERED = re.compile(r"@register_model\s+def (\w+)\(")
QUOTED = re.compile(r"""['"]([\w.]+)['"]""")  # older names, which timm still takes, stand in tables


@functools.cache
def _texts() -> tuple[str, ...]:
    found = importlib.util.find_spec("timm")
    folder = Path(found.origin).parent / "models" if found is not None and found.origin else Path()
    return tuple(path.read_text(encoding="utf-8") for path in sorted(folder.glob("**/*.py"))) if found else ()


@functools.cache
def timm_names() -> frozenset[str]:
    """Every network that the installed timm makes; none where it cannot be read, which is no evidence of anything."""
    return frozenset(name for text in _texts() for name in REGISTERED.findall(text))


@functools.cache
def _older_names() -> frozenset[str]:
    return frozenset(name for text in _texts() for name in QUOTED.findall(text))


def in_timm(name: str) -> bool:
    """Whether timm has, or may have, a network of this name; what follows a dot names its weights."""
    known = timm_names()
    return not known or name.partition(".")[0] in known or name in _older_names()
