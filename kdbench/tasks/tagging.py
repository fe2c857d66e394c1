"""Tagging tasks: several tags may hold of one clip, each decided by its own sigmoid."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.model import Config, Facts
from kdbench.contract.task import Forward, Samples, Task, batches
from kdbench.tasks.data.audio.mel import FRONT_ENDS, log_mel
from kdbench.tasks.data.audio.picture_looks import roll_mask
from kdbench.tasks.data.made import sounds

FRONT_END = FRONT_ENDS["tiny8k"]
CLIPS = {
    "full": {"train": 1200, "val": 300, "test": 600},
    "small": {"train": 600, "val": 300, "test": 300},
}
RECIPE = {
    "steps": 563,  # 30 epochs of 1,200 clips
    "batch": 64,
    "optimiser": "adamw",
    "weight_decay": 1e-4,
    "schedule": "onecycle",
    "warmup": 0.5,  # validation clips, size small: 0.1 costs student and teacher .12 mAP
}


class Tagging(Task):
    """What every multi-label task shares: how values are read, the loss, the raw outputs."""

    family = "tagging"
    axis = "tag"

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        return Decisions(values, "tag", labels=batch.get("label"))

    def loss(self, decisions: Decisions) -> Tensor:
        """Binary cross-entropy, mean over tags and clips."""
        if decisions.labels is None:
            raise ValueError("the supervised loss needs labels, this stream has none")
        per_tag = F.binary_cross_entropy_with_logits(decisions.logits(), decisions.labels, reduction="none")
        return decisions.mean(per_tag.mean(-1))

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        """Nothing where nothing is held out; clips of one recording are one unit where the task says which those are."""
        samples = self.data(split)
        if not len(samples):
            return {}
        logits = torch.cat([forward(batch).values for batch in batches(samples, 512)])
        found = {"logits": logits.float().cpu().numpy(), "labels": samples.fields["label"].cpu().numpy()}
        return found if samples.blocks is None else found | {"blocks": samples.blocks.cpu().numpy()}


class SoundsConfig(Config):
    size: Literal["full", "small"] = Field("full", description="1,200 clips for training and 600 for testing, or 600 and 300")


class Sounds(Tagging):
    """Built-in: one-second clips with one to three of ten synthetic sounds, in rooms and noise, as log-mel pictures."""

    name = "sounds"
    Config = SoundsConfig
    sets: ClassVar[Mapping[str, str]] = {"train": "all training clips with their tags"}
    roles: ClassVar[Mapping[str, str]] = {"labelled": "train", "transfer": "train", "teacher": "train"}
    augments: ClassVar[Mapping[str, str]] = {
        "roll_mask": "roll of up to 30 % in time, level of up to 0.6 sd, blanks of up to 10 frames and of up to 6 mels",
        "none": "the clip as it is",
    }
    bank = 30
    pair: ClassVar[Mapping[str, Any]] = {
        "teacher": {
            "model": "tagcnn",
            "params": {"size": "large"},
            "recipe": {**RECIPE, "lr": 2e-2},
            "view": "roll_mask",
        },
        "student": {
            "model": "tagcnn",
            "params": {"size": "small"},
            "recipe": {**RECIPE, "lr": 3e-2},
            "view": "roll_mask",
        },
    }
    licence = "none needed: made from numbers by kdbench"
    config: SoundsConfig

    @property
    def facts(self) -> Facts:
        return Facts(outputs=len(sounds.TAGS), channels=1, size=(FRONT_END.mels, FRONT_END.frames(sounds.SAMPLES)))

    @functools.cached_property
    def _training(self) -> Tensor:
        """The training pictures before their level is taken out."""
        return self._pictures("train")

    @functools.cached_property
    def _level(self) -> tuple[float, float]:
        """Mean and deviation of the training pictures: every split is seen at the training clips' level."""
        return self._training.double().mean().item(), self._training.double().std().item()

    def _pictures(self, split: str) -> Tensor:
        return log_mel(torch.from_numpy(sounds.waves(split, CLIPS[self.config.size][split])), FRONT_END)

    def usage(self) -> dict[str, Any]:
        mean, deviation = self._level
        told = f"log-mel picture of a second, less {mean} and over {deviation}, the level of the training clips"
        return {"input": told, "answers": list(sounds.TAGS), "front_end": asdict(FRONT_END)}

    def data(self, name: str) -> Samples:
        mean, deviation = self._level
        pictures = self._training if name == "train" else self._pictures(name)
        labels = sounds.events(name, CLIPS[self.config.size][name]).labels()
        return Samples({"image": (pictures - mean) / deviation, "label": torch.from_numpy(labels)})

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        if policy == "none":
            return batch
        return batch.with_(image=roll_mask(batch["image"], draw.uniform(policy, batch.view, batch.index, 6)))

    def describe(self) -> dict[str, Any]:
        counts = CLIPS[self.config.size]
        events = sounds.events("train", counts["train"])
        mean, deviation = self._level
        prevalence = events.labels().mean(0)
        return {
            "what": "one second of synthetic sounds at 8 kHz, reverberant and noisy, as a log-mel picture of 32 by 51",
            "sizes": dict(counts),
            "tags": {tag: round(float(share), 3) for tag, share in zip(sounds.TAGS, prevalence, strict=True)},
            "level": {"mean": round(mean, 4), "deviation": round(deviation, 4)},
            "fingerprint": events.fingerprint(),
            "note": "one to three tags a clip; made from numbers at first use, so that nothing is downloaded",
        }

    def sample(self, path: Path) -> None:
        """A wav of eight clips in a row with pauses between them; prints what is heard in each."""
        import soundfile

        count = 8
        events, waves = sounds.events("train", count), sounds.waves("train", count)
        pause = np.zeros(int(0.3 * sounds.RATE), np.float32)
        parts = [part for wave in waves for part in (0.9 * wave / np.abs(wave).max(), pause)]
        soundfile.write(str(path), np.concatenate(parts), sounds.RATE)
        step = 1 + len(pause) / sounds.RATE
        for clip, hot in enumerate(events.labels()):
            names = ", ".join(tag for tag, there in zip(sounds.TAGS, hot, strict=True) if there)
            print(f"{clip * step:5.1f} s  {names}")
