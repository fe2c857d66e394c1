"""Small sets in exactly the layouts in which CIFAR and Tiny-ImageNet are downloaded."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = {10: [f"class{n}" for n in range(10)], 100: [f"class{n:02}" for n in range(100)]}


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)


def text(value: str | bytes) -> bytes:
    """A Python 2 string in a pickle of protocol 2."""
    raw = value.encode("latin1") if isinstance(value, str) else value
    return b"T" + struct.pack("<i", len(raw)) + raw


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def python2(entries: dict[str, bytes]) -> bytes:
    """A mapping as Python 2 pickled it."""
    return b"\x80\x02}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u."


def python2_array(array: np.ndarray) -> bytes:
    """A uint8 array as Python 2's NumPy pickled it: rebuilt from an empty one, its bytes a string."""
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(" + number(0) + b"t" + text("b") + b"tR"
    kind = b"cnumpy\ndtype\n(" + text("u1") + number(0) + number(1) + b"tR"
    kind += b"(" + number(3) + text("|") + b"NNN" + number(-1) * 2 + number(0) + b"tb"
    shape = b"(" + b"".join(map(number, array.shape)) + b"t"
    return empty + b"(" + number(1) + shape + kind + b"\x89" + text(array.tobytes()) + b"tb"


def python2_list(values: list[bytes]) -> bytes:
    return b"](" + b"".join(values) + b"e"


def data_file(path: Path, pixels: np.ndarray, labels: list[int], key: str, keys: type = bytes, python: int = 2) -> None:
    """One data file; by Python 3 with keys as bytes or as text."""
    rows = pixels.reshape(len(pixels), -1)
    if python == 2:
        named = [text(f"{n}.png") for n in range(len(rows))]
        entries = {"filenames": python2_list(named), "batch_label": text("testing batch 1 of 1")}
        entries |= {key: python2_list([number(v) for v in labels]), "data": python2_array(rows)}
        path.write_bytes(python2(entries))
    else:
        found = {"batch_label": "b", key: labels, "data": rows, "filenames": ["a.png"] * len(rows)}
        path.write_bytes(pickle.dumps({k.encode() if keys is bytes else k: v for k, v in found.items()}, protocol=2))


def cifar100(folder: Path, train: int = 2, test: int = 1, python: int = 2, keys: type = bytes) -> Path:
    """100 classes with so many images each, in an order of their own."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    for name, each, seed in (("train", train, 1), ("test", test, 2)):
        labels = [int(v) for v in rng.permutation(np.repeat(np.arange(100), each))]
        data_file(folder / name, images(len(labels), seed), labels, "fine_labels", keys, python)
    names = python2_list([text(name) for name in NAMES[100]])
    (folder / "meta").write_bytes(python2({"coarse_label_names": python2_list([]), "fine_label_names": names}))
    return folder


def cifar10(folder: Path, each: int = 2, test: int = 1) -> Path:
    """Five training files that are not balanced one by one."""
    folder.mkdir(parents=True)
    labels = np.random.default_rng(8).permutation(np.repeat(np.arange(10), 5 * each))
    for n in range(5):
        part = [int(v) for v in labels[n * 10 * each : (n + 1) * 10 * each]]
        data_file(folder / f"data_batch_{n + 1}", images(len(part), 20 + n), part, "labels")
    data_file(folder / "test_batch", images(10 * test, 30), list(range(10)) * test, "labels")
    names = python2_list([text(name) for name in NAMES[10]])
    (folder / "batches.meta").write_bytes(python2({"label_names": names}))
    return folder


def as_folders(folder: Path, parts: dict[str, tuple[np.ndarray, np.ndarray]], names: tuple[str, ...]) -> Path:
    """train/<class>/*.png and so on, of images uint8 [N,3,H,W]."""
    for split, (pixels, labels) in parts.items():
        for row, (image, label) in enumerate(zip(pixels, labels)):
            path = folder / split / names[label] / f"{row:05}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.transpose(1, 2, 0)).save(path)
    return folder
