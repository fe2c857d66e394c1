"""Your own tagged audio: a CSV of files, tags and splits, with the tasks' usual views."""

from __future__ import annotations

from pydantic import Field

from kdbench.tasks.clips import ValOfTrain, ValOfTrainConfig
from kdbench.tasks.data.audio import clip_set, tagged_csv
from kdbench.tasks.data.audio.clip_set import ClipSet


class TaggedAudioConfig(ValOfTrainConfig):
    table: str = Field(
        tagged_csv.TABLE, min_length=1, description="the CSV in the set's folder: columns file, tags, split (and source)"
    )
    separator: str = Field(tagged_csv.SEPARATOR, min_length=1, description="what stands between the tags of a clip")


class TaggedAudio(ValOfTrain):
    """A CSV of sound files with their tags and splits, decoded once at one length."""

    name = "tagged_audio"
    Config = TaggedAudioConfig
    licence = "yours to know"
    config: TaggedAudioConfig

    def clips(self) -> ClipSet:
        c = self.config
        return clip_set.load(c.content, tagged_csv.find(c.root, c.table), tagged_csv.read, c.table, c.separator)
