"""The layouts of labelled scenes by name, and a set in one of them: found, listed, and found to be the one that is meant."""

from __future__ import annotations

import functools
from pathlib import Path

from kdbench.tasks.data import meant
from kdbench.tasks.data.scenes import camvid, cityscapes, gta5, idd, pairs, synthia
from kdbench.tasks.data.scenes.scene_set import Layout, SceneSet, listed

LAYOUTS: dict[str, Layout] = {module.LAYOUT.name: module.LAYOUT for module in (cityscapes, gta5, synthia, camvid, idd, pairs)}


def find(name: str, root: str = "") -> Path:
    return LAYOUTS[name].place.find(LAYOUTS[name].fits, root)


@functools.lru_cache(maxsize=4)
def look(name: str, folder: Path, drop: bool = False) -> SceneSet:
    return listed(LAYOUTS[name], folder, drop)


def load(name: str, root: str, content: str, drop: bool, param: str) -> SceneSet:
    """The set that is meant: that of the given fingerprint, and no other. `param` is where a suite says it."""
    found = look(name, find(name, root), drop)
    meant.check(found.folder, found.fingerprint, content, "files", param)
    return found
