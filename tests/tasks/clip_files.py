"""Small audio sets in exactly the published layouts."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

CATEGORIES = ("dog", "rain", "sea_waves")
TARGETS = (0, 10, 11)  # ESC-10 keeps the numbers of ESC-50
VIDEOS = ("--aaaaaaaaa", "Yabcdefghi_", "_bbbbbbbbbb", "ccccc_30_cc", "ddddddddddd")


def tone(path: Path, hertz: float, seconds: float = 0.5, rate: int = 8000, level: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(str(path), level * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate), rate)
    return path


def rows(path: Path, table: list[list[object]], end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator=end).writerows(table)
    return path


def esc(folder: Path, each: int = 2, ending: str = "wav") -> Path:
    """Three classes, five folds, and one class that is not of ESC-10."""
    table: list[list[object]] = [["filename", "fold", "target", "category", "esc10", "src_file", "take"]]
    for fold in range(1, 6):
        for number, (target, category) in enumerate([*zip(TARGETS, CATEGORIES), (49, "hand_saw")]):
            for take in range(each):
                source = fold * 1000 + number * 10 + take
                name = f"{fold}-{source}-A-{target}.{ending}"
                tone(folder / "audio" / name, 200 + 400 * number + 10 * fold + take)
                table.append([name, fold, target, category, target != 49, source, "A"])
    rows(folder / "meta" / "esc50.csv", table)
    return folder


def fsd50k(folder: Path) -> Path:
    lists = folder / "FSD50K.ground_truth"
    rows(lists / "vocabulary.csv", [[0, "Bark", "/m/05tny_"], [1, "Dog", "/m/0bt9lr"], [2, "Rain", "/m/06mb1"]])
    dev = [["fname", "labels", "mids", "split"]]
    dev += [
        ["64760", "Bark,Dog", "/m/05tny_,/m/0bt9lr", "train"],
        ["007", "Rain", "/m/06mb1", "train"],
        ["16399", "Dog", "x", "val"],
    ]
    rows(lists / "dev.csv", dev)
    rows(lists / "eval.csv", [["fname", "labels", "mids"], ["37199", "Rain", "/m/06mb1"]])
    for number, (name, *_) in enumerate(dev[1:]):
        tone(folder / "FSD50K.dev_audio" / f"{name}.wav", 300 + 100 * number)
    tone(folder / "FSD50K.eval_audio" / "37199.wav", 700)
    return folder


def speech_commands(folder: Path) -> Path:
    for number, word in enumerate(("yes", "no")):
        for speaker in ("0a7c2a8d", "1b2f", "c0ffee"):
            tone(folder / word / f"{speaker}_nohash_0.wav", 300 + 50 * number + len(speaker))
    tone(folder / "_background_noise_" / "white_noise.wav", 100, 2)
    (folder / "validation_list.txt").write_text("yes/1b2f_nohash_0.wav\nno/1b2f_nohash_0.wav\n")
    (folder / "testing_list.txt").write_text("yes/c0ffee_nohash_0.wav\nno/c0ffee_nohash_0.wav\n")
    return folder


def audioset(folder: Path) -> Path:
    """The lists exactly as they are published, and files under all the names that are met in the wild."""
    lists = folder / "metadata"
    lists.mkdir(parents=True)
    (lists / "class_labels_indices.csv").write_text(
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n2,/m/0bt9lr,"Dog"\n'
    )
    head = (
        "# Segments csv created Sun Mar  5 10:54:31 2017\n# num_ytids=3, num_segs=3, num_unique_labels=3, num_positive_labels=4\n"
    )
    head += "# YTID, start_seconds, end_seconds, positive_labels\n"
    line = '{}, 30.000, 40.000, "{}"\n'
    (lists / "balanced_train_segments.csv").write_text(
        head
        + line.format(VIDEOS[0], "/m/09x0r,/m/05zppz")
        + line.format(VIDEOS[1], "/m/0bt9lr")
        + line.format("lost_______", "/m/0bt9lr")
    )
    (lists / "unbalanced_train_segments.csv").write_text(head + line.format(VIDEOS[2], "/m/05zppz"))
    (lists / "eval_segments.csv").write_text(head + line.format(VIDEOS[3], "/m/0bt9lr") + line.format(VIDEOS[4], "/m/09x0r"))
    names = (
        f"Y{VIDEOS[0]}.wav",
        f"{VIDEOS[1]}.flac",
        f"{VIDEOS[2]}_30.flac",
        f"{VIDEOS[3]}_30.000_40.000.wav",
        f"{VIDEOS[4]}.ogg",
    )
    for number, name in enumerate(names):
        tone(folder / "audios" / f"part{number % 2}" / name, 300 + 100 * number, rate=16_000)
    tone(folder / "audios" / "Yother______.wav", 100)
    return folder


def tagged(folder: Path) -> Path:
    """As a spreadsheet writes it: a byte order mark and CRLF."""
    table: list[list[object]] = [["file", "tags", "split", "source", "remark"]]
    for number, split in enumerate(["train"] * 8 + ["test"] * 4):
        name = f"clips/a, b {number}.wav" if number == 3 else f"clips/{number}.wav"
        tone(folder / name, 300 + 70 * number, 0.2 + 0.1 * number, rate=(8000, 16_000, 11_025)[number % 3])
        table.append([name, ("bird", "wind; bird", "wind")[number % 3], split, number // 2, ""])
    path = rows(folder / "clips.csv", table, "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    return folder
