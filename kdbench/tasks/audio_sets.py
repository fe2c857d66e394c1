"""FSD50K, AudioSet and Speech Commands from folders of yours, in their own splits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from kdbench.tasks.clips import Clips, ClipsConfig, ValOfTrain, ValOfTrainConfig
from kdbench.tasks.data.audio import audioset, clip_set, fsd50k, speech_commands
from kdbench.tasks.data.audio.clip_set import ClipSet


class Fsd50k(Clips):
    """FSD50K: 51,197 Freesound clips under 200 tags, with its own train, val and evaluation clips."""

    name = "fsd50k"
    licence = "CC BY 4.0 for the whole; each clip has a licence of its own, some for non-commercial use only"

    def clips(self) -> ClipSet:
        return clip_set.load(self.config.content, fsd50k.find(self.config.root), fsd50k.read)


class SpeechCommandsConfig(ClipsConfig):
    seconds: float = Field(1, ge=0.1, le=60, description="length of every clip")
    fit: Literal["centre", "start"] = Field("start", description="what is kept of a longer clip; a shorter one gets silence")


class SpeechCommands(Clips):
    """Speech Commands: one spoken word a clip, a tag for each folder of a word, held out by the set's own lists."""

    name = "speech_commands"
    Config = SpeechCommandsConfig
    licence = "CC BY 4.0"

    def clips(self) -> ClipSet:
        return clip_set.load(self.config.content, speech_commands.find(self.config.root), speech_commands.read)


class AudioSetConfig(ValOfTrainConfig):
    lists: Literal["balanced", "unbalanced", "both"] = Field("balanced", description="the lists of clips that are trained on")


class AudioSet(ValOfTrain):
    """AudioSet: ten-second clips of videos under 527 tags, as many of the listed ones as your copy has."""

    name = "audioset"
    Config = AudioSetConfig
    config: AudioSetConfig
    licence = "labels CC BY 4.0; the videos belong to their authors"

    def clips(self) -> ClipSet:
        return clip_set.load(self.config.content, audioset.find(self.config.root), audioset.read)

    def splits(self) -> Mapping[str, Sequence[str]]:
        lists = self.config.lists
        train = ["balanced", "unbalanced"] if lists == "both" else [lists]
        return {"train": [f"{name}_train" for name in train], "val": [], "test": ["eval"]}
