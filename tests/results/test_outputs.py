"""Raw outputs: same content, same name; damage is noticed; no pickle."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from kdbench.contract.errors import DataError
from kdbench.results.home import Home
from kdbench.results.outputs import OutputMissing, OutputStore, sha256_of
from kdbench.results.record import RecordError


@pytest.fixture
def store(tmp_path: Path) -> OutputStore:
    return OutputStore(Home(tmp_path / ".kdbench"))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8", "bool", ">f4", "complex64", "U7", "S3"])
@pytest.mark.parametrize("shape", [(7, 5), (3,), (), (0, 4), (2, 0), (2, 3, 4)])
def test_what_is_put_is_got(store: OutputStore, dtype: str, shape: tuple[int, ...]) -> None:
    array = (np.random.default_rng(0).normal(size=shape) * 9).astype(dtype)
    sha = store.put(array)
    got = store.get(sha, verify=True)
    np.testing.assert_array_equal(got, array)
    assert got.shape == array.shape and got.dtype == array.dtype.newbyteorder("<")
    assert sha == hashlib.sha256(store.path(sha).read_bytes()).hexdigest() == store.path(sha).stem
    assert store.path(sha).parent.name == sha[:2] and store.has(sha)
    assert not got.flags.writeable or got.size == 0


def test_the_file_is_what_numpy_saves(store: OutputStore, tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.save(tmp_path / "own.npy", array)
    assert store.put(array) == sha256_of(tmp_path / "own.npy")


def test_equal_values_share_one_file_whatever_their_layout(store: OutputStore) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)
    names = {store.put(a) for a in (array, np.asfortranarray(array), array.astype(">f4"), np.repeat(array, 2, 1)[:, ::2])}
    assert len(names) == 1 and len(list(store.home.outputs.rglob("*.npy"))) == 1
    assert store.put(array + 1) not in names and store.put(array.T) not in names


def test_damage_and_absence_are_told_apart_and_mended(store: OutputStore) -> None:
    array = np.arange(1000, dtype=np.float32)
    sha = store.put(array)
    path = store.path(sha)
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    with pytest.raises(OutputMissing, match="is damaged"):
        store.get(sha)
    path.write_bytes(content[:-1] + b"\xff")
    with pytest.raises(OutputMissing, match="its content has sha256"):
        store.get(sha, verify=True)
    path.write_bytes(b"")
    with pytest.raises(OutputMissing, match="is damaged"):
        store.get(sha)
    assert store.put(array) == sha  # another size: written again
    store.verify(sha)
    path.unlink()
    assert not store.has(sha)
    for call in (store.get, store.verify):
        with pytest.raises(OutputMissing, match="run the job again"):
            call(sha)


def test_only_plain_values_are_stored_and_no_pickle_is_loaded(store: OutputStore) -> None:
    for array in (np.array([{}]), np.array([("a", 1)], dtype=[("n", "U1"), ("v", "i4")])):
        with pytest.raises(DataError, match="raw outputs are numbers, booleans or text"):
            store.put(array)
    sha = "ab" * 32
    store.path(sha).parent.mkdir(parents=True)
    np.save(store.path(sha), np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(OutputMissing, match="is damaged"):
        store.get(sha)


def test_names_cannot_escape(store: OutputStore) -> None:
    for name in ("../../etc/passwd", "AB" * 32, "ab", ""):
        with pytest.raises(RecordError, match="not a sha256"):
            store.path(name)
