"""Every format gives the same rows, a part at a time, and a wrong file is told by its name and what is wrong with it."""

import json
import pickle

import numpy as np
import pytest
import safetensors.numpy

from kdbench.contract.errors import DataError
from kdbench.score import table
from kdbench.score.files import open_array

VALUES = np.random.default_rng(0).normal(size=(25, 4)).astype(np.float32)


def write_npy(path):
    np.save(path / "v.npy", VALUES)
    return "v.npy"


def write_fortran(path):
    np.save(path / "v.npy", np.asfortranarray(VALUES))
    return "v.npy"


def write_big_endian(path):
    np.save(path / "v.npy", VALUES.astype(">f4"))
    return "v.npy"


def write_npz(path):
    np.savez(path / "v.npz", other=np.zeros(3), logits=VALUES)
    return "v.npz:logits"


def write_packed_npz(path):
    np.savez_compressed(path / "v.npz", logits=VALUES)
    return "v.npz"


def write_safetensors(path):
    safetensors.numpy.save_file({"a": np.zeros(3), "logits": VALUES}, path / "v.safetensors")
    return "v.safetensors:logits"


def write_csv(path):
    np.savetxt(path / "v.csv", VALUES.astype(float), delimiter=",", fmt="%.17g")
    return "v.csv"


def write_csv_with_names(path):
    np.savetxt(
        path / "v.csv", VALUES.astype(float), delimiter=",", fmt="%.17g", header="a,b,c,d", comments="", encoding="utf-8-sig"
    )
    return "v.csv"


def write_csv_with_numbers_as_names(path):
    np.savetxt(path / "v.csv", VALUES.astype(float), delimiter=",", fmt="%.20f", header="0,1,2,3", comments="")
    return "v.csv"


FORMATS = [value for name, value in list(globals().items()) if name.startswith("write_")]


@pytest.mark.parametrize("write", FORMATS)
def test_every_format_holds_the_same_rows(tmp_path, monkeypatch, write):
    monkeypatch.setattr(table, "LINES", 7)  # so that a table is read in several pieces
    rows = open_array(str(tmp_path / write(tmp_path)))
    assert (rows.shape, rows.ndim, len(rows)) == ((25, 4), 2, 25)
    np.testing.assert_allclose(np.asarray(rows), VALUES, rtol=1e-16)
    for part in (slice(0, 1), slice(7, 19), slice(20, 99)):
        np.testing.assert_allclose(rows[part], VALUES[part], rtol=1e-16)


def test_half_precision_of_both_kinds(tmp_path):
    """bfloat16 is written by hand: numpy has no such type, and a network run under autocast stores it."""
    raw = (VALUES.view(np.uint32) >> 16).astype("<u2")
    header = json.dumps({"z": {"dtype": "BF16", "shape": [25, 4], "data_offsets": [0, 200]}}).encode()
    (tmp_path / "b.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + raw.tobytes())
    rows = open_array(str(tmp_path / "b.safetensors"))
    assert rows[3:5].dtype == np.asarray(rows).dtype == np.float32
    np.testing.assert_allclose(rows[3:5], VALUES[3:5], rtol=2**-7)
    np.save(tmp_path / "h.npy", VALUES.astype(np.float16))
    np.testing.assert_allclose(open_array(str(tmp_path / "h.npy"))[:], VALUES, rtol=2**-10, atol=1e-6)


def test_slices_are_copies_that_keep_no_map_of_the_file(tmp_path):
    rows = open_array(str(tmp_path / write_npy(tmp_path)))
    part = rows[2:4]
    assert type(part) is np.ndarray and part.base is None


class Bomb:
    def __reduce__(self):
        return open, ("bomb-went-off", "w")


def bad_files(path):
    """Name on the command line -> what the error must say."""
    np.save(path / "object.npy", np.array([Bomb(), None]), allow_pickle=True)
    np.savez(path / "object.npz", a=np.array([Bomb(), None]))
    np.save(path / "text.npy", np.array(["a", "b"]))
    np.save(path / "complex.npy", np.zeros(3, complex))
    np.save(path / "empty.npy", np.zeros((0, 4)))
    np.savez(path / "two.npz", first=VALUES, second=VALUES)
    np.savez(path / "none.npz")
    (path / "short.npy").write_bytes((path / write_npy(path)).read_bytes()[:-8])
    (path / "noise.npy").write_bytes(b"\0" * 300)
    (path / "noise.npz").write_bytes(b"\0" * 300)
    (path / "noise.safetensors").write_bytes(b"\xff" * 300)
    safetensors.numpy.save_file({"logits": VALUES}, path / "v.safetensors")
    (path / "short.safetensors").write_bytes((path / "v.safetensors").read_bytes()[:-8])
    (path / "net.pt").write_bytes(pickle.dumps(Bomb()))
    (path / "word.csv").write_text("a,b\n1,2\n\n3,x\n")
    (path / "ragged.csv").write_text("1,2\n3,4\n5\n")
    (path / "hole.csv").write_text("1,2\n3,\n")
    (path / "index.csv").write_text(",a,b\n0,1,2\n")
    (path / "nothing.csv").write_text("")
    (path / "names.csv").write_text("a,b\n")
    return {
        "object.npy": "Python objects are never read",
        "object.npz": "Python objects are never read",
        "text.npy": "not plain numbers",
        "complex.npy": "not plain numbers",
        "empty.npy": r"empty, its shape is \[0, 4\]",
        "two.npz": r"several arrays; name one as .*two.npz:NAME \(there are: first, second\)",
        "two.npz:third": r"no array 'third'.*first, second",
        "none.npz": "no arrays",
        "short.npy": r"cut short.*\[25, 4\] of float32",
        "short.safetensors": "cut short",
        "noise.npy": "not a readable .npy file",
        "noise.npz": "not a readable .npz file",
        "noise.safetensors": "not a readable .safetensors file",
        "v.npy:a": "hold one array",
        "net.pt": "expected a file that ends in .npy, .npz, .safetensors, .csv",
        "word.csv": "line 4, column 2: 'x' is not a number",
        "ragged.csv": "line 3 has 1 columns, the lines above 2",
        "hole.csv": "line 2, column 2: '' is not a number",
        "index.csv": "index=False",
        "nothing.csv": "empty",
        "names.csv": "empty",
    }


def test_bad_files_are_refused_by_name_and_nothing_in_them_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(DataError, match=message) as caught:
            open_array(name)
        assert name.partition(":")[0] in str(caught.value), name
    assert not (tmp_path / "bomb-went-off").exists()


def test_a_row_of_whole_numbers_is_not_taken_for_names(tmp_path):
    (tmp_path / "t.csv").write_text("0,1\n1,0\n")
    assert open_array(str(tmp_path / "t.csv"))[:].tolist() == [[0, 1], [1, 0]]


def test_a_temporary_file_goes_with_its_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    rows = open_array(str(tmp_path / write_csv(tmp_path)))
    assert len(list((tmp_path / "spool").iterdir())) == 1
    del rows
    assert not list((tmp_path / "spool").iterdir())
