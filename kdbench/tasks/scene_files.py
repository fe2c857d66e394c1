"""Which files of which set serve a task on scenes as what: sources, targets, val and test, and how their labels are read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.scenes import label_maps, scene_layouts
from kdbench.tasks.data.scenes.label_files import Writing
from kdbench.tasks.data.scenes.label_maps import VOID, Space
from kdbench.tasks.data.scenes.scene_set import Part, SceneSet
from kdbench.tasks.scene_params import ScenesConfig

OWN = {"idd": "idd7", "camvid": "camvid11", "pairs": "own"}  # the others have Cityscapes' classes


def _space_name(c: ScenesConfig) -> str:
    return OWN.get(c.target or c.source, "cityscapes19") if c.space == "default" else c.space


def space(c: ScenesConfig) -> Space:
    """The classes, known without a look at the data."""
    if _space_name(c) != "own":
        return label_maps.SPACES[_space_name(c)]
    if not c.names:
        raise DataError("scenes: which classes the labels have is not said: params: {names: [class 0, class 1, …]}")
    return label_maps.own_space(c.names, c.palette)


@dataclass(frozen=True)
class SceneFiles:
    """The sets that a config names."""

    config: ScenesConfig

    def loaded(self, side: str) -> SceneSet:
        """The set of a side, found to be the one that is meant."""
        layout, root, content, param = scene_layouts.lies(side, dict(self.config))
        return scene_layouts.load(layout, root, content, self.config.unpaired == "drop", param)

    def part(self, name: str) -> tuple[SceneSet, Part]:
        """The files of a set or split. A set without a labelled test is tested on its val, as everybody does."""
        c = self.config
        found = self.loaded("source" if name == "source" else "target")
        parts = {split: part for split, part in found.parts.items() if split == "train" or part.labels}
        tests = "test" if "test" in parts else "val"
        if name == "test":
            if tests not in parts:
                raise DataError(
                    f"{found.folder}: no labelled test or val images: it can only be a source (params: {{target: …}})"
                )
            return found, parts[tests].rows(slice(c.test))
        if name == "val" and tests == "test" and "val" in parts:
            return found, parts["val"]
        train, alone = parts["train"], c.target is None
        held_out = c.val if (name != "source" or alone) and not (tests == "test" and "val" in parts) else 0
        kept = len(train.stems) - held_out
        if kept < 2:
            raise DataError(f"{found.folder}: {len(train.stems):,} training images, of which val: {held_out} are held out")
        if name == "val":
            return found, train.rows(slice(kept, None))
        most = c.source_train if name == "source" and not alone else c.train
        return found, train.rows(slice(min(kept, most or kept)))

    def table(self, found: SceneSet) -> tuple[Writing, np.ndarray]:
        """How the labels of a set are written, and which class each value is."""
        c, own = self.config, found.tree.code == "own numbers"
        made = label_maps.table(found.tree.code, _space_name(c), len(space(c).names), VOID if c.palette else c.void)
        if not (own and c.palette):
            return found.tree.writing, made
        colours = {colour: number for number, colour in enumerate(c.palette)} | dict.fromkeys(c.void_colours, VOID)
        return replace(found.tree.writing, colours=colours, indexed=False), made
