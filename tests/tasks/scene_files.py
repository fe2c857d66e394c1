"""Small sets of street scenes in exactly the layouts in which Cityscapes, GTA5, SYNTHIA, CamVid and IDD-Lite are downloaded."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from kdbench.tasks.data.made import streets

# The eight classes of `streets` (road, sidewalk, building, vegetation, sky, pole, person, car) as each set numbers them.
TRAIN_IDS = (0, 1, 2, 8, 10, 5, 11, 13)
CITYSCAPES_IDS = (7, 8, 11, 21, 23, 17, 24, 26)
SYNTHIA_IDS = (3, 4, 2, 6, 1, 7, 10, 8)
CAMVID_IDS = (3, 4, 1, 5, 0, 2, 9, 8)
IDD_IDS = (0, 1, 5, 5, 6, 4, 2, 3)


def drawn(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images [N,48,64,3] and labels in the numbers of `streets`, 255 where ignored."""
    gap = 0.0 if split == "source" else 0.6
    return streets.draw(split, count, gap=gap, lay=1.0 if gap else 0.0)


def numbered(labels: np.ndarray, ids: tuple[int, ...], void: int) -> np.ndarray:
    table = np.full(256, void, np.uint8)
    table[: len(ids)] = ids
    return table[labels]


def save(path: Path, array: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if palette:
        image.putpalette([value % 256 for each in range(256) for value in (each * 7, each * 13, each * 29)])
    image.save(path)


def deep_png(path: Path, samples: np.ndarray) -> None:
    """uint16 [H,W,3] as a PNG of 16 bits, its rows in all five filters of the format in turn."""
    raw = np.ascontiguousarray(samples.astype(">u2")).view(np.uint8).reshape(len(samples), -1).astype(int)
    lines = []
    for row, line in enumerate(raw):
        up = raw[row - 1] if row else np.zeros_like(line)
        left, corner = (np.concatenate([np.zeros(6, int), each[:-6]]) for each in (line, up))
        guess = left + up - corner
        distance = np.abs(np.stack([left, up, corner]) - guess)
        paeth = np.choose(distance.argmin(0), [left, up, corner])
        kind = row % 5
        lines.append(bytes([kind]) + ((line - (0, left, up, (left + up) // 2, paeth)[kind]) % 256).astype(np.uint8).tobytes())

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(lines))) + chunk(b"IEND", b"")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def cityscapes(folder: Path, train: int = 8, val: int = 6, ending: str = "labelIds") -> Path:
    ids, void = (CITYSCAPES_IDS, 0) if ending == "labelIds" else (TRAIN_IDS, 255)
    for split, name, count in (("train", "target", train), ("val", "test", val)):
        for number, (image, label) in enumerate(zip(*drawn(name, count))):
            city = ("aachen", "bochum")[number % 2]
            stem = f"{city}/{city}_{number:06}_{19:06}"
            save(folder / "leftImg8bit" / split / f"{stem}_leftImg8bit.png", image)
            save(folder / "gtFine" / split / f"{stem}_gtFine_{ending}.png", numbered(label, ids, void))
            save(folder / "gtFine" / split / f"{stem}_gtFine_color.png", np.zeros((48, 64, 4), np.uint8))
            Image.fromarray(np.zeros((48, 64), np.uint16)).save(folder / "gtFine" / split / f"{stem}_gtFine_instanceIds.png")
    return folder


def gta5(folder: Path, count: int = 8, kind: str = "palette") -> Path:
    from kdbench.tasks.data.scenes.label_maps import COLOURS

    colour_of = {number: colour for colour, number in COLOURS.items()}
    for number, (image, label) in enumerate(zip(*drawn("source", count)), 1):
        save(folder / "images" / f"{number:05}.png", image)
        ids = numbered(label, CITYSCAPES_IDS, 0)
        if kind == "colour":
            colours = np.array([colour_of.get(each, (0, 0, 0)) for each in range(256)], np.uint8)
            save(folder / "labels" / f"{number:05}.png", colours[ids])
        else:
            save(folder / "labels" / f"{number:05}.png", ids, palette=True)
    return folder


def synthia(folder: Path, count: int = 8) -> Path:
    for number, (image, label) in enumerate(zip(*drawn("source", count))):
        save(folder / "RGB" / f"{number:07}.png", image)
        first = numbered(label, SYNTHIA_IDS, 0).astype(np.uint16)
        deep_png(folder / "GT" / "LABELS" / f"{number:07}.png", np.stack([first, first * 0 + 300 + number, first * 0], -1))
    return folder


def camvid(folder: Path, train: int = 8, val: int = 2, test: int = 6) -> Path:
    for split, name, count, first in (("train", "target", train, 6690), ("val", "val", val, 90), ("test", "test", test, 8040)):
        for number, (image, label) in enumerate(zip(*drawn(name, count))):
            stem = f"0001TP_{first + 30 * number:06}.png"
            save(folder / split / stem, image)
            save(folder / f"{split}annot" / stem, numbered(label, CAMVID_IDS, 11))
        (folder / f"{split}.txt").write_text("/SegNet/CamVid/elsewhere.png /SegNet/CamVid/else.png\n")
    return folder


def idd(folder: Path, train: int = 8, val: int = 4) -> Path:
    for split, name, count in (("train", "target", train), ("val", "test", val)):
        for number, (image, label) in enumerate(zip(*drawn(name, count))):
            stem = f"{number // 4}/{1000 + number}"
            save(folder / "leftImg8bit" / split / f"{stem}_image.jpg", image)
            save(folder / "gtFine" / split / f"{stem}_label.png", numbered(label, IDD_IDS, 255))
            save(folder / "gtFine" / split / f"{stem}_inst_label.png", numbered(label, IDD_IDS, 255))
    return folder


def pairs(folder: Path, splits: dict[str, int], labelled: tuple[str, ...] = ("train", "test"), source: bool = False) -> Path:
    """Folders images/<split> and labels/<split> in the numbers of `streets`."""
    for split, count in splits.items():
        name = "source" if source else {"train": "target", "val": "val", "test": "test"}[split]
        for number, (image, label) in enumerate(zip(*drawn(name, count))):
            save(folder / "images" / split / f"{number:03}.png", image)
            if split in labelled:
                save(folder / "labels" / split / f"{number:03}.png", label)
    return folder
