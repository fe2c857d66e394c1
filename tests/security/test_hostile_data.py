"""Data sets of strangers: pictures and sounds that grow, tables that point elsewhere, arrays and MATLAB files with objects."""

from __future__ import annotations

import gzip
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_hostile_pickles import attacks

from kdbench.contract.errors import DataError
from kdbench.score.files import open_array
from kdbench.tasks.data import lines
from kdbench.tasks.data.audio import audio_files
from kdbench.tasks.data.photos import cifar_c, image_csv, image_files, imagenet_devkit, svhn
from kdbench.tasks.data.scenes import label_files
from kdbench.tasks.data.text import trec

OUTSIDE = ["../x", "/etc/passwd", "a/../../x", "..\\..\\x", "C:\\x", "\0", "~/x"]
OBJECTS = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n"


def png(width: int, height: int, kind: int = 2) -> bytes:
    """A picture whose header says so; its pixels, all black, are packed to next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("size", [(30_000, 30_000), (1 << 30, 1 << 30), (12_000, 12_000), (0, 0)])
def test_pictures_that_grow_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "x.png"
    path.write_bytes(png(*size))
    with pytest.raises(DataError, match=r"x\.png"):
        image_files.opened(path)
    path.write_bytes(png(*size, kind=0))
    with pytest.raises(DataError, match=r"x\.png"):
        label_files.values(path, label_files.Writing(indexed=True))


def test_pictures_with_anything_in_them_are_data_or_refused(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "x.png"
    said = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch {mark}) (w) file\nshowpage\n".encode()
    for content in (
        said,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a",
        b"\xff\xd8\xff",
        b"BM",
        b"RIFF\0\0\0\0WEBP",
        b"",
    ):
        path.write_bytes(content)
        with pytest.raises(DataError):
            image_files.opened(path)
    assert not mark.exists()


@pytest.mark.parametrize("frames", [0, 1 << 31, 0xFFFFFFF0])
def test_sounds_that_lie_about_their_length(tmp_path: Path, frames: int) -> None:
    path = tmp_path / "x.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\1" * 100)
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", frames & 0xFFFFFFFF)
    path.write_bytes(content)
    try:
        assert len(audio_files.decode(path, 16_000, 1_000, "start")) == 1_000
    except DataError as error:
        assert "x.wav" in str(error)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(name=st.one_of(st.text(max_size=20), st.sampled_from(OUTSIDE)))
def test_a_list_of_pictures_names_none_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir(exist_ok=True)
    (tmp_path / "x").write_text("secret")
    quoted = name.replace('"', '""')
    (folder / "images.csv").write_text(f'path,label\n"{quoted}",a\n', encoding="utf-8", errors="replace")
    with pytest.raises(DataError):
        image_csv.read(folder)


READERS: dict[str, Callable[[Path], object]] = {
    "x.npy": lambda path: open_array(str(path)),
    "x.npz": lambda path: open_array(str(path)),
    "x.safetensors": lambda path: open_array(str(path)),
    "meta.mat": imagenet_devkit.wnids,
    "train_32x32.mat": svhn.read,
    "x.qrels": lambda path: list(trec.judgements(path)),
    "x.jsonl": lambda path: list(lines.records(path)),
    "x.jsonl.gz": lambda path: list(lines.records(path)),
    "x.csv": lambda path: open_array(str(path)),
}


@pytest.mark.parametrize("name", READERS)
def test_no_reader_runs_what_it_reads(tmp_path: Path, mark: Path, name: str) -> None:
    path = tmp_path / name
    for program in attacks(mark).values():
        objects = (
            b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(117) + b"\n" + program
        )
        for content in (program, objects, gzip.compress(program), gzip.compress(b'{"a": ' + b"[" * 50_000)):
            path.write_bytes(content)
            try:
                assert READERS[name](path) == []  # an empty list of lines
            except DataError as error:
                assert name in str(error)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.npy", objects)
            file.writestr("../../escaped.npy", objects)
        with pytest.raises(DataError):
            READERS[name](path)
    assert not mark.exists() and [found.name for found in tmp_path.iterdir()] == [name]


def test_matlab_files_hold_no_objects_and_do_not_grow(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "meta.mat"
    function = {"synsets": np.array([(1, "n01", 0)], [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("num_children", "O")])}
    scipy.io.savemat(path, function)
    assert imagenet_devkit.wnids(path) == {1: "n01"}
    scipy.io.savemat(path, {"synsets": np.zeros(1), "bomb": np.zeros(1 << 24)}, do_compression=True)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match="once unpacked"):
        imagenet_devkit.wnids(path)


def test_corruptions_are_arrays_of_numbers(tmp_path: Path, mark: Path) -> None:
    assert "allow_pickle=False" in Path(cifar_c.__file__).read_text()
    np.save(tmp_path / "fog.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError):
        open_array(str(tmp_path / "fog.npy"))
