"""Speech Commands: a second of one spoken word each, in class folders with lists of what is held out.

P. Warden: Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition. arXiv:1804.03209, 2018. This is the task of all
words; the one of twelve classes (with silence and 'unknown') is another task and must share no table with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data.audio.clip_list import ClipList, Row, collect, is_sound
from kdbench.tasks.data.lines import lines
from kdbench.tasks.data.place import Place

LISTS = {"val": "validation_list.txt", "test": "testing_list.txt"}
NOISE = "_background_noise_"  # long recordings to be mixed in: no class, not read
PLACE = Place(
    "Speech Commands",
    (
        "speech_commands_v0.02",
        "SpeechCommands/speech_commands_v0.02",
        "speech_commands",
        "speech_commands_v0.01",
        "SpeechCommands/speech_commands_v0.01",
    ),
    "a folder for each word, validation_list.txt and testing_list.txt",
    "unpack http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
)


def find(root: str = "") -> Path:
    return PLACE.find(lambda folder: all((folder / name).is_file() for name in LISTS.values()), root)


def read(folder: Path) -> ClipList:
    """Every file in a word's folder: held out where a list names it, else train. The source is the speaker."""
    held = {part: _held_out(folder / name) for part, name in LISTS.items()}
    both = sorted(set(held["val"]) & set(held["test"]))
    if both:
        raise DataError(f"{held['test'][both[0]]}: {both[0]} is also in {LISTS['val']}")
    words = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith((".", "_")))
    if not words:
        raise DataError(f"{folder}: no folder of a word")
    found = collect("class folders", words, _rows(folder, words, held))
    for part, named in held.items():
        have = {f"{file.parent.name}/{file.name}" for file, own in zip(found.files, found.part, strict=True) if own == part}
        lost = next((name for name in named if name not in have), None)
        if lost:
            raise DataError(f"{named[lost]}: no file {folder / lost}")
    return found


def _rows(folder: Path, words: list[str], held: dict[str, dict[str, str]]) -> Iterator[Row]:
    for number, word in enumerate(words):
        own = sorted(entry.name for entry in os.scandir(folder / word) if entry.is_file() and is_sound(entry.name))
        if not own:
            raise DataError(f"{folder / word}: a word without a clip")
        for name in own:
            part = next((part for part, named in held.items() if f"{word}/{name}" in named), "train")
            yield Row(str(folder / word), folder / word / name, [number], part, name.split("_nohash_")[0])


def _held_out(path: Path) -> dict[str, str]:
    """The clips that a list names, and where."""
    found: dict[str, str] = {}
    for at, line in lines(path):
        name = line.strip()
        if len(Path(name).parts) != 2 or ".." in Path(name).parts or Path(name).is_absolute():
            raise DataError(f"{path}:{at}: {name!r}, expected <word>/<file>")
        if name in found:
            raise DataError(f"{path}:{at}: {name} is listed a second time, first at {found[name]}")
        found[name] = f"{path}:{at}"
    return found
