"""The layouts of labelled scenes by name, and a set in one of them: found, listed, and found to be the one that is meant."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kdbench.tasks.data import meant
from kdbench.tasks.data.meant import Meant
from kdbench.tasks.data.place import VARIABLE
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


def lies(side: str, params: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Layout and root of a side (source or target) of a task's params, the fingerprint that it must have, and its param. A
    source alone is its own target."""
    side = "source" if params["target"] is None else side
    layout, root = params[side], params[f"{side}_root"] or params["root"]
    if root == params["root"] and params["source"] == params["target"] == "pairs":  # two of one layout lie side by side
        base = root or os.environ.get(VARIABLE, "").strip()
        root = str(Path(base) / side) if base else ""
    return layout, root, params[f"{side}_content"], f"{side}_content"


def meant_by(task: str, params: Mapping[str, Any]) -> list[Meant]:
    def one(side: str) -> Meant:
        layout, root, content, param = lies(side, params)
        drop = params["unpaired"] == "drop"
        return Meant(lambda: find(layout, root), lambda: load(layout, root, content, drop, param))

    return [one(side) for side in ("source", *(["target"] if params["target"] else []))]
