"""What tasks on recorded sound share: log-mel pictures of clips of one length, from files of yours, with any number of tags.

A subclass finds its set and, where the set's own splits are not meant, says which of its parts make up train, val and test.
"""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.model import Facts, ModelPlugin
from kdbench.contract.task import Samples
from kdbench.tasks.data import canonical
from kdbench.tasks.data.audio import clip_pictures, clip_sample
from kdbench.tasks.data.audio.clip_pictures import Look
from kdbench.tasks.data.audio.clip_set import ClipSet, Part
from kdbench.tasks.data.audio.mel import FRONT_ENDS
from kdbench.tasks.data.audio.picture_looks import roll_mask
from kdbench.tasks.from_folder import FromFolder, FromFolderConfig, content_param
from kdbench.tasks.tagging import Tagging

LEVELLED = 2_000  # training clips from which the level is taken: the first, whose order is as good as random
BLANKS = (0.2, 0.19)  # of the frames and of the mels, as for the built-in sounds
RESIDENT = 16 << 30  # bytes of pictures: more of them stay in the mapped cache, and batches are made ahead from there
AHEAD = 4
RECIPE = {
    "steps": 2_000,
    "batch": 64,
    "optimiser": "adamw",
    "weight_decay": 1e-4,
    "schedule": "onecycle",
    "warmup": 0.5,
    "lr": 1e-2,
}


class ClipsConfig(FromFolderConfig):
    content: str = content_param("fingerprint of the clips that are meant, as `kdbench data check` prints it")
    front_end: Literal["tiny8k", "ced", "panns"] = Field(
        "tiny8k", description="how sound is seen: 32 mels up to 3.9 kHz; as CED (64, 16 kHz) or PANNs (64, 32 kHz) have it"
    )
    seconds: float = Field(10, ge=0.1, le=60, description="length of every clip")
    fit: Literal["centre", "start"] = Field("centre", description="what is kept of a longer clip; a shorter one gets silence")
    train: int | None = Field(None, ge=2, description="training clips to use; all if left out")
    test: int | None = Field(None, ge=1, description="test clips to use; all if left out")
    labelled: int | None = Field(None, ge=2, description="clips of the set 'labelled'; all if left out")


class Clips(FromFolder, Tagging):
    """Any number of tags for each recorded clip."""

    reader = "kdbench.tasks.data.audio.clip_layouts:meant_by"
    Config: ClassVar[type[ClipsConfig]] = ClipsConfig
    sets = {
        "train": "the training clips, params.train of them, with tags",
        "labelled": "the first params.labelled training clips, with tags",
        "pool": "the training clips, without tags",
    }
    # One stream for tags and teacher, as in the literature: both losses see the same batch.
    roles = {"labelled": "train", "transfer": "train", "teacher": "train"}
    augments = {
        "roll_mask": "roll of up to 30 % in time, level of up to 0.6 sd, blanks of up to 20 % of the frames and 19 % of the mels",
        "none": "the clip as it is",
    }
    bank = 30
    pair: ClassVar[Mapping[str, Any]] = {
        "teacher": {"model": "tagcnn", "params": {"size": "large"}, "recipe": RECIPE, "view": "roll_mask"},
        "student": {"model": "tagcnn", "params": {"size": "small"}, "recipe": RECIPE, "view": "roll_mask"},
    }
    config: ClipsConfig

    @abstractmethod
    def clips(self) -> ClipSet:
        """The set, listed and found to be the one that is meant."""

    def splits(self) -> Mapping[str, Sequence[str]]:
        """Which parts of the set are train, val and test: its own, unless a subclass says else."""
        return {split: [split] for split in ("train", "val", "test")}

    @functools.cached_property
    def look(self) -> Look:
        c = self.config
        return Look(FRONT_ENDS[c.front_end], c.seconds, c.fit)

    @property
    def facts(self) -> Facts:
        return Facts(outputs=len(self.clips().tags), channels=1, size=self.look.size)

    def part(self, split: str) -> Part:
        """The clips of train, val or test, in canonical order."""
        c = self.config
        part = self.clips().joined(self.splits()[split])
        least = {"train": 2, "val": 0, "test": 1}[split]
        if len(part) < least:
            raise DataError(f"{self.clips().folder}: {len(part)} clips for {split}, expected {least} at least")
        return part.rows(slice({"train": c.train, "test": c.test}.get(split)))

    def pictures(self, split: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """float16 pictures [N, 1, mels, frames], tags [N, K], and the recording of each."""
        part = self.part(split)
        if not len(part):
            return np.zeros((0, 1, *self.look.size), np.float16), part.hot, part.source
        return clip_pictures.clips(part.files, self.clips().folder, self.look), part.hot, part.source

    @functools.cached_property
    def _level(self) -> tuple[float, float]:
        """Mean and deviation of training pictures: every split is seen at the training clips' level."""
        mean, deviation = clip_pictures.level(self.pictures("train")[0][:LEVELLED])
        if deviation == 0:
            raise DataError(f"{self.clips().folder}: all training clips are silent")
        return mean, deviation

    def _levelled(self, image: Tensor) -> Tensor:
        """Pictures as they are stored, in half precision, at the level of training; others are there already."""
        mean, deviation = self._level
        return (image.float() - mean) / deviation if image.dtype == torch.float16 else image

    def prepare(self, plugin: ModelPlugin) -> Callable[[Tensor], Tensor]:
        return self._levelled

    def usage(self) -> dict[str, Any]:
        c = self.config
        mean, deviation = self._level
        seen = {"front_end": asdict(FRONT_ENDS[c.front_end]), "seconds": c.seconds, "fit": c.fit}
        told = "log-mel picture of a clip, mels by frames, in half precision, by `front_end` (kdbench/tasks/data/audio/mel.py)"
        return {"input": told, **seen, "mean": [mean], "std": [deviation], "answers": list(self.clips().tags)}

    def data(self, name: str) -> Samples:
        c = self.config
        image, hot, source = self.pictures(name if name in ("val", "test") else "train")
        some = slice(c.labelled if name == "labelled" else None)
        fields = {"image": torch.from_numpy(image[some])}
        if name != "pool":
            fields["label"] = torch.from_numpy(hot[some].astype(np.float32))
        recordings = np.unique(source[some], return_inverse=True)[1]
        ahead = AHEAD if fields["image"].nbytes > RESIDENT else 0
        return Samples(fields, torch.from_numpy(recordings.astype(np.int64)), ahead)

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        image = self._levelled(batch["image"])
        if policy == "none":
            return batch.with_(image=image)
        mels, frames = self.look.size
        most = (round(BLANKS[0] * frames), round(BLANKS[1] * mels))
        return batch.with_(image=roll_mask(image, draw.uniform(policy, batch.view, batch.index, 6), most))

    def leaks(self) -> list[str]:
        train, test = self.part("train"), self.part("test")
        clips = len(canonical.distinct(train.marks) & canonical.distinct(test.marks))
        recordings = len(set(train.source.tolist()) & set(test.source.tolist()))
        told = [f"{clips:,} clips of test are, byte for byte, also in train"] if clips else []
        return told + ([f"{recordings:,} recordings have clips in train and in test"] if recordings else [])

    def details(self) -> dict[str, Any]:
        found = self.clips()
        parts = {split: self.part(split) for split in ("train", "val", "test")}
        coverage = {name: f"{len(found.parts.get(name, ())):,} of {count:,} listed" for name, count in found.listed.items()}
        return {
            "sizes": {split: len(part) for split, part in parts.items()},
            "tags": len(found.tags),
            "tags a clip": round(float(parts["train"].hot.sum(1).mean()), 3),
            "picture": " by ".join(map(str, self.look.size)),
            **({"coverage": coverage} if coverage else {}),
            "read from": f"{found.folder} ({found.layout})",
        }

    def sample(self, path: Path) -> None:
        part = self.part("test")
        clip_sample.write(part.files, part.hot, self.clips().tags, path)


class ValOfTrainConfig(ClipsConfig):
    val: int = Field(0, ge=0, description="training clips held out for choices, if the set has no val; 0 trains on all of them")


class ValOfTrain(Clips):
    """Clips of a set that may have no val: the last `val` of its training clips are it then."""

    Config: ClassVar[type[ClipsConfig]] = ValOfTrainConfig
    config: ValOfTrainConfig

    def part(self, split: str) -> Part:
        c = self.config
        found, splits = self.clips(), self.splits()
        if split == "test" or not c.val or any(name in found.parts for name in splits["val"]):
            return super().part(split)
        whole = found.joined(splits["train"])
        kept = len(whole) - c.val
        if kept < 2:
            raise DataError(f"{found.folder}: val holds out {c.val:,} of {len(whole):,} training clips; two must be left")
        return whole.rows(slice(kept, None) if split == "val" else slice(min(kept, c.train or kept)))
