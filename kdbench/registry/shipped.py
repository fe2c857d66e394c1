"""Plugins that are known without running code: the built-in ones from the packaged lock file, presets and recipes from YAML."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from kdbench.registry.info import PluginInfo

_PACKAGE = Path(__file__).parents[1]
LOCK = _PACKAGE / "plugins.lock.json"
PRESETS = _PACKAGE / "presets"
RECIPES = _PACKAGE / "recipes"


@functools.cache
def builtin() -> tuple[PluginInfo, ...]:
    return tuple(PluginInfo(**entry) for entry in json.loads(LOCK.read_text()))


def all_written(kind: str, folder: Path, origin: str = "built-in") -> list[PluginInfo]:
    """Every preset or recipe of a folder."""
    return [written(kind, path, origin) for path in sorted(folder.glob("*.yaml"))]


def written(kind: str, path: Path, origin: str) -> PluginInfo:
    """A preset or recipe file, unread: what it says is checked where it is used, with its places. Its first comment tells what
    it is."""
    text = path.read_text(encoding="utf-8")
    first = text.split("\n", 1)[0]
    doc = first.lstrip("# ") if first.startswith("#") else ""
    return PluginInfo(kind, path.stem, 1, doc, {}, {}, {"text": text, "path": str(path)}, str(path), origin)
