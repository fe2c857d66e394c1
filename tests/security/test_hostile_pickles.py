"""Real malicious pickles, for each reader of files that are pickles: nothing runs, nothing falls over, each is named."""

from __future__ import annotations

import copyreg
import gzip
import io
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from kdbench.contract.errors import DataError
from kdbench.tasks.data.inert_pickle import Inert
from kdbench.tasks.data.photos import cifar_pickle
from kdbench.tasks.data.text import score_pickle

READERS: dict[str, Callable[[Path], object]] = {
    "cifar": cifar_pickle.contents,
    "batch": lambda path: cifar_pickle.batch(path, "labels", 10),
    "scores": score_pickle.read,
}
BIG = struct.pack("<Q", 1 << 40)


class Shell:
    def __init__(self, mark: Path, how: str) -> None:
        self.mark, self.how = mark, how

    def __reduce__(self) -> tuple:
        import os

        return (eval, (f"open({str(self.mark)!r},'w')",)) if self.how == "eval" else (os.system, (f"touch {self.mark}",))


def text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def attacks(mark: Path, deep: int = 20_000) -> dict[str, bytes]:
    """By name. Each would run something, take all memory, or end the process, if it were simply loaded."""
    dtype = b"cnumpy\ndtype\n" + text("u1") + b"\x85R"
    touch = text(f"touch {mark}")
    code = text(f"open({str(mark)!r}, 'w')")
    many = {f"protocol {n}": pickle.dumps({b"data": Shell(mark, "system"), b"labels": [1]}, n) for n in range(6)}
    return {
        **many,
        "eval": pickle.dumps({b"data": Shell(mark, "eval")}, 4),
        "global": b"\x80\x02cposix\nsystem\n" + touch + b"\x85R.",
        "stack global": b"\x80\x04" + text("posix") + text("system") + b"\x93" + touch + b"\x85R.",
        "inst": b"(S'touch " + str(mark).encode() + b"'\niposix\nsystem\n.",
        "obj": b"(cposix\nsystem\n" + touch + b"o.",
        "newobj": b"\x80\x02cbuiltins\neval\n" + code + b"\x85\x81.",
        "newobj_ex": b"\x80\x04cbuiltins\neval\n" + code + b"\x85}\x92.",
        "dotted": b"\x80\x04" + text("numpy") + text("ndarray.__class__.__base__") + b"\x93.",
        "numpy's loader": b"\x80\x02cnumpy\nload\n" + text(str(mark)) + b"\x85R.",
        "our own": b"\x80\x02ckdbench.tasks.data.photos.cifar_pickle\nmd5\n.",
        "extension": b"\x80\x02\x82\x07.",
        "persistent": b"\x80\x02" + text("x") + b"Q.",
        "persistent text": b"Px\n.",
        "next buffer": b"\x80\x05\x97.",
        "build a function": b"\x80\x02c_codecs\nencode\nN}" + text("__defaults__") + text("x") + b"s\x86b.",
        "build a class": b"\x80\x02cnumpy\nndarray\n}" + text("numbers") + text("x") + b"sb.",
        "call what was read": b"\x80\x02" + text("x") + b")R.",
        "entries into an array": b"\x80\x02cnumpy\nndarray\n)R" + text("x") + text("y") + b"s.",
        "an array never built": b"\x80\x02}" + text("data") + b"cnumpy\nndarray\n)\x81s" + text("labels") + b"]s.",
        "shape is no tuple": b"\x80\x02}" + text("data") + b"cnumpy\nndarray\n)R(K\x01K\x05" + dtype + b"\x89C\x01xtbs.",
        "key of many tuples": b"\x80\x02})" + b"\x85" * deep + b"K\x01s.",
        "key that doubles": b"\x80\x02})" + b"2\x86" * 60 + b"K\x01s.",
        "key that doubles by memo": b"\x80\x02})" + b"".join(b"q%ch%c\x86" % (n, n) for n in range(60)) + b"K\x01s.",
        "many lists": b"]" * deep + b"a" * (deep - 1) + b".",
        "set": b"\x80\x04\x8f(K\x01\x90.",
        "frozen set": b"\x80\x04(K\x01\x91.",
        "memo of 32 GB": b"\x80\x02}r\xff\xff\xff\x7fK\x01.",
        "bytes of a TB": b"\x80\x04\x8e" + BIG + b"x.",
        "text of a TB": b"\x80\x04\x8d" + BIG + b"x.",
        "buffer of a TB": b"\x80\x05\x96" + BIG + b"x.",
        "number of 100,000 digits": b"I" + b"9" * 100_000 + b"\n.",
        "nothing": b"",
        "no end": b"\x80\x02}",
        "stack is empty": b"\x80\x02s.",
        "mark is missing": b"\x80\x02u.",
        "a picture": b"\x89PNG\r\n\x1a\n",
    }


@pytest.mark.parametrize("reader", READERS)
def test_every_attack_is_a_sentence_that_names_the_file(tmp_path: Path, mark: Path, reader: str) -> None:
    path = tmp_path / "file"
    for name, content in attacks(mark).items():
        path.write_bytes(content)
        try:
            found = READERS[reader](path)
        except DataError as error:
            assert str(error).startswith(f"{path}: ") and len(str(error)) < 1000, name
        else:
            assert reader == "cifar" and type(found) is dict, name  # only data came of it
        assert not mark.exists(), name


def test_they_are_real_attacks(tmp_path: Path, mark: Path) -> None:
    for name in ("protocol 0", "protocol 5", "global", "stack global", "inst", "obj", "eval"):
        with suppress(Exception):
            pickle.loads(attacks(mark)[name])
        assert mark.exists(), name
        mark.unlink()
    ended = subprocess.run([sys.executable, "-c", "import pickle,sys; pickle.load(sys.stdin.buffer)"],
                           input=attacks(mark, 1_000_000)["key of many tuples"], capture_output=True)  # fmt: skip
    assert ended.returncode < 0  # by a signal


def test_the_extension_registry_gives_nothing(tmp_path: Path, mark: Path) -> None:
    """What another library may have registered, and what an earlier unpickling left in the cache, is no way in either."""
    copyreg.add_extension("posix", "system", 240)
    try:
        content = b"\x80\x02\x82\xf0" + text(f"touch {mark}") + b"\x85R."
        pickle.loads(content)
        assert mark.exists()  # and now it is in the cache
        mark.unlink()
        for read in (cifar_pickle.contents, score_pickle.read):
            (tmp_path / "file").write_bytes(content)
            with pytest.raises(DataError):
                read(tmp_path / "file")
        assert not mark.exists()
    finally:
        copyreg.remove_extension("posix", "system", 240)


def test_an_attack_leaves_the_reader_as_it_was(tmp_path: Path, mark: Path) -> None:
    before = {name: dict(vars(getattr(cifar_pickle, name))) for name in ("_Array", "_Dtype", "_latin1", "_array")}
    for content in attacks(mark).values():
        (tmp_path / "file").write_bytes(content)
        for read in READERS.values():
            with suppress(DataError):
                read(tmp_path / "file")
    assert {name: dict(vars(getattr(cifar_pickle, name))) for name in before} == before


def test_packed_attacks_too(tmp_path: Path, mark: Path) -> None:
    path = tmp_path / "scores.pkl.gz"
    for content in (attacks(mark)["global"], attacks(mark)["key that doubles"]):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=r"it was not (run|followed)"):
            score_pickle.read(path)
    assert not mark.exists()


def test_honest_files_read_as_pickle_reads_them(tmp_path: Path) -> None:
    values = {"1": {2: 0.5, 3: -1.25, "x": 2**70}, 7: {"y": [1, 2.5, None, True, "ü" * 300]}, "deep": {"a": {"b": [[], {}]}}}
    for protocol in range(6):
        assert Inert(io.BytesIO(pickle.dumps(values, protocol))).load() == values
    rows = np.arange(2 * 3072, dtype=np.uint8).reshape(2, 3072)
    for protocol in range(2, 5):
        (tmp_path / "file").write_bytes(pickle.dumps({b"data": rows, b"labels": [3, 4]}, protocol))
        images, labels = cifar_pickle.batch(tmp_path / "file", "labels", 10)
        assert np.array_equal(images.reshape(2, -1), rows) and labels.tolist() == [3, 4]
