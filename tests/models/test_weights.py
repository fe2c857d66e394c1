"""Weights on disk: exact round trip, stable bytes, no pickles, and every misfit in one message."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from kdbench.models.weights import WeightsError, load, load_into, save, sha256


def net(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.Linear(width, 2))


def test_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, two = net(), net()
    one[1].running_mean.normal_()
    digest = save(one.state_dict(), tmp_path / "deep" / "one.safetensors")
    assert load_into(two, tmp_path / "deep" / "one.safetensors") == digest
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))
    assert digest == hashlib.sha256((tmp_path / "deep" / "one.safetensors").read_bytes()).hexdigest()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one.safetensors"]


def test_equal_weights_give_equal_files(tmp_path: Path) -> None:
    state = net().state_dict()
    first = save(state, tmp_path / "a.safetensors")
    assert save(dict(reversed(state.items())), tmp_path / "b.safetensors") == first
    state["0.bias"] = state["0.bias"] + 1e-3
    assert save(state, tmp_path / "a.safetensors") != first


def test_kinds_of_tensors(tmp_path: Path) -> None:
    """Views, tied weights, half precision and integers come back as they went, without sharing."""
    base = torch.arange(12.0).reshape(3, 4)
    state = {
        "whole": base,
        "tied": base,
        "turned": base.t(),
        "row": base[1],
        "half": base.to(torch.bfloat16),
        "n": torch.tensor(3),
    }
    save(state, tmp_path / "x.safetensors")
    back = load(tmp_path / "x.safetensors")
    assert set(back) == set(state)
    assert all(torch.equal(back[name], state[name]) and back[name].dtype == state[name].dtype for name in state)


def test_half_precision_file_fits_a_full_precision_net(tmp_path: Path) -> None:
    one, two = net(), net()
    save({name: t.half() if t.is_floating_point() else t for name, t in one.state_dict().items()}, tmp_path / "x.safetensors")
    load_into(two, tmp_path / "x.safetensors")
    assert two[0].weight.dtype == torch.float32
    assert torch.equal(two[0].weight, one[0].weight.half().float())


@pytest.mark.parametrize("name", ["teacher.pt", "teacher.pth", "pytorch_model.bin", "last.ckpt"])
def test_pickles_are_refused_unread(tmp_path: Path, name: str) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "exploded",))  # type: ignore[return-value]

    torch.save(Bomb(), tmp_path / name)
    with pytest.raises(WeightsError) as caught:
        load(tmp_path / name)
    text = str(caught.value)
    assert "pickles and can run code" in text and "weights_only=True" in text and ".safetensors'" in text
    assert not (tmp_path / "exploded").exists()
    assert caught.value.failure_class == "data"
    with pytest.raises(WeightsError):
        save({}, tmp_path / name)


def test_the_advised_conversion_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = net().state_dict()
    torch.save(state, tmp_path / "old.pth")
    with pytest.raises(WeightsError) as caught:
        load(tmp_path / "old.pth")
    code = str(caught.value).split('python -c "')[1].split('"\n')[0]
    monkeypatch.chdir(tmp_path)
    exec(code)
    assert set(load(tmp_path / "old.safetensors")) == set(state)


def test_damaged_missing_and_unknown_files(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save(net().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-9])
    for bad, message in (
        (path, "damaged"),
        (tmp_path / "none.safetensors", "no such file"),
        (tmp_path / "x.npz", "the ending .safetensors"),
    ):
        with pytest.raises(WeightsError, match=message):
            load(bad)


def test_every_misfit_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    state = net(width=5).state_dict()
    state["extra"] = torch.zeros(1)
    del state["3.bias"]
    save(state, tmp_path / "x.safetensors")
    target = net(width=4)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_into(target, tmp_path / "x.safetensors")
    text = str(caught.value)
    assert "missing (1): 3.bias" in text
    assert "unexpected (1): extra" in text
    assert "other shape (7): 0.weight is 5x1x3x3, needs 4x1x3x3;" in text and "and 1 more" in text
    assert all(torch.equal(before[name], value) for name, value in target.state_dict().items())


def test_a_wrappers_prefix_is_recognised(tmp_path: Path) -> None:
    save({f"module.{name}": value for name, value in net().state_dict().items()}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match=r"without the prefix 'module\.' the names would match"):
        load_into(net(), tmp_path / "x.safetensors")


def test_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.safetensors"
    digest = save(net().state_dict(), path)

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("kdbench.models.weights.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        save(net().state_dict(), path)
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    assert sha256(path) == digest
