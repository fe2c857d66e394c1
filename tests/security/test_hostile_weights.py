"""Weights of strangers: torch files with a program in them, in each form that torch reads; safetensors that lie."""

from __future__ import annotations

import argparse
import io
import json
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from test_hostile_pickles import Shell, attacks

from kdbench.models import given_weights, weights
from kdbench.models.weight_files import WeightsError
from kdbench.train import checkpoint


def zipped(path: Path, program: bytes) -> None:
    """As torch.save writes it, with another pickle inside."""
    torch.save({"w": torch.zeros(2)}, path)
    with zipfile.ZipFile(path) as file:
        members = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in members.items():
            file.writestr(name, program if name.endswith("data.pkl") else content)


def legacy(program: bytes) -> bytes:
    """The form of before torch 1.6: pickles one after another."""
    return b"".join(pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})) + program


def old_tar(path: Path, program: bytes) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        for name in ("sys_info", "pickle", "storages", "tensors", "../escaped"):
            info = tarfile.TarInfo(name)
            info.size = len(program)
            file.addfile(info, io.BytesIO(program))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("suffix", [".pth", ".tar"])
def test_a_program_in_weights_never_runs(tmp_path: Path, mark: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    for name, program in attacks(mark).items():
        if name.startswith("key "):  # torch's own reader falls over these: the process ends, and no more
            continue
        for write in (zipped, Path.write_bytes, lambda to, what: to.write_bytes(legacy(what)), old_tar):
            write(path, program)
            with pytest.raises(WeightsError) as told:
                given_weights.read(path)
            assert str(path) in str(told.value) and not mark.exists(), name
    assert not (tmp_path.parent / "escaped").exists() and sorted(found.name for found in tmp_path.iterdir()) == [path.name]


def test_what_training_scripts_leave_beside_is_data(tmp_path: Path, mark: Path) -> None:
    """Options of the run are let in as a namespace, which has no code of its own; a class of ours or another's is not."""
    torch.save({"state_dict": {"w": torch.ones(2)}, "args": argparse.Namespace(lr=0.1)}, tmp_path / "fine.pth")
    assert given_weights.read(tmp_path / "fine.pth")["w"].tolist() == [1, 1]
    torch.save({"state_dict": {"w": torch.ones(2)}, "args": argparse.Namespace(lr=Shell(mark, "system"))}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError, match="refused"):
        given_weights.read(tmp_path / "evil.pth")
    assert not mark.exists()


def test_our_own_weights_and_checkpoints_are_never_pickles(tmp_path: Path, mark: Path) -> None:
    for name in ("state.pt", "state.pkl", "state.ckpt"):
        (tmp_path / name).write_bytes(attacks(mark)["global"])
        with pytest.raises(WeightsError):
            weights.load(tmp_path / name)
    for program in attacks(mark).values():
        (tmp_path / "state.safetensors").write_bytes(program)
        with pytest.raises(WeightsError):
            weights.load(tmp_path / "state.safetensors")
        assert checkpoint.load(tmp_path / "state.safetensors", torch.device("cpu")) is None  # the job begins anew
    assert not mark.exists()


@pytest.mark.parametrize(
    "header",
    [
        {"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 1 << 60]}},
        {"w": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}},
        {"w": {"dtype": "O", "shape": [2], "data_offsets": [0, 8]}},
        {"w": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}},
        {
            "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        },
    ],
)
def test_safetensors_that_lie_are_refused(tmp_path: Path, header: dict) -> None:
    told = json.dumps(header).encode()
    path = tmp_path / "w.safetensors"
    for size in (len(told), 1 << 62):
        path.write_bytes(struct.pack("<Q", size) + told + b"\0" * 8)
        with pytest.raises(WeightsError, match="damaged"):
            weights.load(path)
        with pytest.raises(WeightsError, match="damaged"):
            given_weights.read(path)


def test_a_link_where_weights_are_written_is_not_followed(tmp_path: Path) -> None:
    import os

    mine = tmp_path / "mine"
    mine.write_text("precious")
    (tmp_path / f"w.safetensors.{os.getpid()}.part").symlink_to(mine)
    (tmp_path / f".c.safetensors.{os.getpid()}").symlink_to(mine)
    weights.save({"w": torch.zeros(2)}, tmp_path / "w.safetensors")
    checkpoint.save(tmp_path / "c.safetensors", {"w": torch.zeros(2)})
    assert mine.read_text() == "precious" and np.all(weights.load(tmp_path / "w.safetensors")["w"].numpy() == 0)
