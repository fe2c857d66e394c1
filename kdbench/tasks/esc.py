"""ESC-50 and ESC-10: one tag a clip over the published folds, or mixtures of clips of one split with a few tags each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from pydantic import Field

from kdbench.contract.errors import DataError
from kdbench.tasks.clips import Clips, ClipsConfig
from kdbench.tasks.data.audio import clip_mixtures, clip_pictures, clip_set, esc
from kdbench.tasks.data.audio.clip_set import ClipSet


class EscConfig(ClipsConfig):
    seconds: float = Field(5, ge=0.1, le=60, description="length of every clip")
    test_fold: int = Field(1, ge=1, le=5, description="the fold that is tested on; folds keep clips of one recording together")
    val_fold: int = Field(0, ge=0, le=5, description="the fold that is held out for choices; 0 trains on the other four")
    most: int = Field(
        1,
        ge=1,
        le=clip_mixtures.MOST,
        description="clips of a mixture at most, of one split; 1: the clips as they are, one tag each",
    )
    each: int = Field(4, ge=1, le=100, description="mixtures for each clip of a split, where params.most is above 1")


class _Esc(Clips):
    """What both sets share. Mixtures of a split share clips, so that intervals over them are somewhat too narrow."""

    Config = EscConfig
    licence = "CC BY-NC 3.0 (ESC-10: CC BY 3.0); each clip's author is named in the repository"
    config: EscConfig

    def clips(self) -> ClipSet:
        c = self.config
        return clip_set.load(c.content, esc.find(self.name, c.root), esc.read, self.name)

    def splits(self) -> Mapping[str, Sequence[str]]:
        c = self.config
        if c.test_fold == c.val_fold:
            raise DataError(f"{self.name}: test_fold and val_fold are both {c.test_fold}; choices are never made on the test")
        held = {"val": [str(c.val_fold)] if c.val_fold else [], "test": [str(c.test_fold)]}
        return held | {"train": [fold for fold in esc.FOLDS if fold not in (*held["val"], *held["test"])]}

    def pictures(self, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        c = self.config
        part = self.part(split)
        if c.most == 1 or not len(part):
            return super().pictures(split)
        mixed = clip_mixtures.draw(split, part.hot, c.most, c.each)
        made = clip_pictures.mixtures(part.files, self.clips().folder, self.look, mixed)
        return made, mixed.labels(part.hot), part.source[mixed.clip[:, 0]]


class Esc10(_Esc):
    """ESC-10: 400 five-second recordings of ten sounds, in five folds; one tag a clip, or mixtures of a few clips."""

    name = "esc10"


class Esc50(_Esc):
    """ESC-50: 2,000 five-second recordings of fifty sounds, in five folds; one tag a clip, or mixtures of a few clips."""

    name = "esc50"
