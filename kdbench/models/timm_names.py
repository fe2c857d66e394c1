"""The names of timm's networks without importing it, since that takes torch: each is a registered function in its source."""

from __future__ import annotations

import difflib
import functools
import importlib.util
import re
from pathlib import Path

REGISTERED = re.compile(r"^@register_model\s+def (\w+)\(", re.MULTILINE)
RENAMED = re.compile(r"^register_model_deprecations\(__name__, \{(.*?)^\}\)", re.MULTILINE | re.DOTALL)
OLD = re.compile(r"""['"]([\w.]+)['"]\s*:""")


@functools.cache
def names() -> frozenset[str]:
    """Every network that timm can build by name, old names too; empty where its source is not to be read."""
    spec = importlib.util.find_spec("timm")
    found: set[str] = set()
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for path in Path(folder, "models").glob("*.py"):
            source = path.read_text(encoding="utf-8")
            found.update(REGISTERED.findall(source))
            found.update(name.partition(".")[0] for block in RENAMED.findall(source) for name in OLD.findall(block))
    return frozenset(found)


def lacks(name: str) -> bool:
    """Whether timm surely has no network of this name; what follows a full stop names weights."""
    return bool(names()) and name.partition(".")[0] not in names()


def near(name: str) -> list[str]:
    return difflib.get_close_matches(name, sorted(names()), n=1)
