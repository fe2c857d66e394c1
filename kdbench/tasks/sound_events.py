"""Sound events: the tags of the built-in clips, decided anew every 40 ms. A clip is one unit, its frames are its decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.task import Forward, Samples, batches
from kdbench.tasks.data.audio.picture_looks import roll_mask, shifted
from kdbench.tasks.data.made import sounds
from kdbench.tasks.tagging import CLIPS, FRONT_END, RECIPE, Sounds

POOLED = 2  # frames of the picture to one decision
REACH = 0.3  # of the clip, as far as a view shifts it


class SoundEvents(Sounds):
    """Built-in: the clips of `sounds`, with what is heard decided frame by frame (26 frames of 40 ms).

    A tag holds from a sound's onset for its nominal duration; what rings on, or echoes, counts no longer. Pictures, labels and
    live targets are shifted together in whole decisions, without wrapping round; blanks hide the sound and change no label.
    """

    name = "sound_events"
    grid = True
    sets: ClassVar[Mapping[str, str]] = {"train": "all training clips with their tags in every frame"}
    augments: ClassVar[Mapping[str, str]] = {
        "shift_mask": "shift of up to 30 % in time, level of up to 0.6 sd, blanks of up to 10 frames and of up to 6 mels",
        "none": "the clip as it is",
    }
    pair: ClassVar[Mapping[str, Any]] = {
        "teacher": {"model": "framecnn", "params": {"size": "large"}, "recipe": {**RECIPE, "lr": 2e-2}, "view": "shift_mask"},
        "student": {"model": "framecnn", "params": {"size": "small"}, "recipe": {**RECIPE, "lr": 3e-2}, "view": "shift_mask"},
    }

    @property
    def frames(self) -> int:
        """Decisions of a clip."""
        return -(-FRONT_END.frames(sounds.SAMPLES) // POOLED)

    def labels(self, split: str) -> Tensor:
        """[clips, frames, tags]: what is on at the middle of each decision's time."""
        events = sounds.events(split, CLIPS[self.config.size][split])
        time = np.arange(self.frames) * POOLED * FRONT_END.hop / sounds.RATE
        on = (events.onset[:, None] <= time) & (time < (events.onset + events.duration)[:, None])
        found = np.zeros((len(events.room), self.frames, len(sounds.TAGS)), np.float32)
        found[events.clip, :, events.tag] = on
        return torch.from_numpy(found)

    def data(self, name: str) -> Samples:
        return Samples({"image": super().data(name).fields["image"], "label": self.labels(name)})

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        if policy == "none":
            return batch
        u = draw.uniform(policy, batch.view, batch.index, 6)
        reach = int(REACH * self.frames)
        by = torch.floor(u[:, 0] * (2 * reach + 1)).long() - reach
        still = torch.cat([torch.full_like(u[:, :1], 0.5), u[:, 1:]], 1)  # the shift is made here, and not round the clip
        fields = {"image": roll_mask(shifted(batch["image"], POOLED * by, -1), still)}
        label = batch.get("label")
        if label is not None:
            fields["label"] = shifted(label, by, 1)
        return batch.with_(**fields)

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        label = batch.get("label")
        clips, frames, _ = values.shape
        return Decisions(
            values.flatten(0, 1), "tag", labels=None if label is None else label.flatten(0, 1), grid=(clips, 1, frames)
        )

    def stored(self, values: Tensor) -> Tensor:
        return values.flatten(0, 1)

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        """A row a frame; clips resample as wholes."""
        samples = self.data(split)
        logits = torch.cat([forward(batch).values for batch in batches(samples, 512)])
        return {
            "logits": self.stored(logits).float().cpu().numpy(),
            "labels": self.stored(samples.fields["label"]).cpu().numpy(),
            "blocks": np.repeat(np.arange(len(samples)), self.frames),
        }

    def describe(self) -> dict[str, Any]:
        prevalence = self.labels("train").mean((0, 1))
        return super().describe() | {
            "what": "the clips of `sounds`, with ten tags decided in each of 26 frames of 40 ms",
            "tags": {tag: round(float(share), 3) for tag, share in zip(sounds.TAGS, prevalence, strict=True)},
            "note": "the shares are of frames; metrics count frames, intervals resample clips",
        }
