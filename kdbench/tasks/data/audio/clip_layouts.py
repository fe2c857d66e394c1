"""The audio sets that are read from a folder of yours: where each is looked for, how it is read, what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.tasks.data.audio import audioset, clip_set, esc, fsd50k, speech_commands, tagged_csv
from kdbench.tasks.data.audio.clip_list import ClipList
from kdbench.tasks.data.audio.clip_set import ClipSet
from kdbench.tasks.data.meant import Meant
from kdbench.tasks.data.place import Place


@dataclass(frozen=True)
class Layout:
    """`known` is the balance of each part of the published set, as clip_check tells it; clips and tags are 0 if not known."""

    what: str
    place: Place
    find: Callable[..., Path]
    read: Callable[..., ClipList]
    given: tuple[str, ...] = ()
    known: Mapping[str, str] = field(default_factory=dict)
    clips: int = 0
    tags: int = 0
    smaller: str = ""  # a set of its own in the same layout, which a folder may hold alone

    def listed(self, folder: Path) -> ClipSet:
        return clip_set.listed(folder, self.read, *self.given)


def _esc(name: str, what: str) -> Layout:
    tags = esc.CLASSES[name]
    return Layout(
        what,
        esc.PLACES[name],
        lambda root: esc.find(name, root),
        esc.read,
        (name,),
        esc.known(name),
        tags * esc.EACH,
        tags,
        "esc10" if name == "esc50" else "",
    )


LAYOUTS = {
    "esc10": _esc("esc10", "ESC-10: 400 recordings of ten sounds in five folds"),
    "esc50": _esc("esc50", "ESC-50: 2,000 recordings of fifty sounds in five folds"),
    "fsd50k": Layout(
        "FSD50K: 51,197 Freesound clips under 200 tags",
        fsd50k.PLACE,
        fsd50k.find,
        fsd50k.read,
        clips=fsd50k.CLIPS,
        tags=fsd50k.TAGS,
    ),
    "audioset": Layout(
        "AudioSet: clips of videos under 527 tags, as many as your copy has",
        audioset.PLACE,
        audioset.find,
        audioset.read,
        tags=audioset.TAGS,
    ),
    "speech_commands": Layout(
        "Speech Commands: one spoken word a clip, 35 words in version 0.02",
        speech_commands.PLACE,
        speech_commands.find,
        speech_commands.read,
    ),
    "tagged_audio": Layout(
        "your own tagged audio: a CSV of files, tags and splits", tagged_csv.PLACE, tagged_csv.find, tagged_csv.read
    ),
}


def meant_by(task: str, params: Mapping[str, Any]) -> list[Meant]:
    """Of a list of yours the params say its name too."""
    layout, table = LAYOUTS[task], [params[name] for name in ("table", "separator") if name in params]

    def find() -> Path:
        return layout.find(params["root"], *table[:1])

    return [Meant(find, lambda: clip_set.load(params["content"], find(), layout.read, *(table or layout.given)))]
