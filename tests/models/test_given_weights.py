"""Weights from elsewhere: read as data only, under whatever names, whole or not at all."""

from __future__ import annotations

import argparse
import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import timm
import torch
from published_nets import NORM, ResNet, Vgg, Wide, lively, mobile_names, shuffle_1_names, shuffle_2_names
from torch import nn

from kdbench.contract.model import Facts
from kdbench.models import cifar_mobile, cifar_resnet, cifar_vgg, cifar_wrn, weights
from kdbench.models.given_weights import load_into, read
from kdbench.models.published_names import renamed
from kdbench.models.weight_files import WeightsError, content_of

FACTS = Facts(outputs=10, channels=3, size=(32, 32))


def made(plugin):
    return plugin.build(FACTS, plugin.Config())


def small() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def same(one: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[name]) for name, value in one.state_dict().items())


PUBLISHED = {
    "resnet8": (cifar_resnet.resnet8, lambda: ResNet(16, (16, 32, 64), (1, 1, 1), False, "downsample", "fc")),
    "resnet8x4": (cifar_resnet.resnet8x4, lambda: ResNet(32, (64, 128, 256), (1, 1, 1), False, "downsample", "fc")),
    "resnet50": (cifar_resnet.resnet50_cifar, lambda: ResNet(64, (64, 128, 256, 512), (3, 4, 6, 3), True, "shortcut", "linear")),
    "wrn_16_1": (cifar_wrn.wrn_16_1, lambda: Wide(16, 1)),
    "wrn_16_2": (cifar_wrn.wrn_16_2, lambda: Wide(16, 2)),
    "vgg8": (cifar_vgg.vgg8, lambda: Vgg((1, 1, 1, 1, 1))),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_checkpoints_of_the_distillation_repositories_answer_alike(name: str, tmp_path: Path) -> None:
    plugin, theirs = PUBLISHED[name][0], lively(PUBLISHED[name][1]())
    saved = {"epoch": 240, "model": theirs.state_dict(), "accuracy": torch.tensor(7.0), "opt": argparse.Namespace(lr=0.05)}
    torch.save(saved, tmp_path / "ckpt_epoch_240.pth")
    ours = made(plugin)
    load_into(ours, tmp_path / "ckpt_epoch_240.pth")
    image = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(image)
        assert expected.std(0).min() > 0
        torch.testing.assert_close(ours.eval()(image), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


NAMED = {
    "mobile": (cifar_mobile.mobilenetv2_half, mobile_names),
    "shuffle 1": (cifar_mobile.shufflenetv1, shuffle_1_names),
    "shuffle 2": (cifar_mobile.shufflenetv2, shuffle_2_names),
}


@pytest.mark.parametrize("name", NAMED)
def test_cheap_nets_are_named_layer_by_layer(name: str) -> None:
    """Both define their layers in the order in which they are used, so the n-th of theirs is the n-th of ours."""
    plugin, names = NAMED[name]
    net = made(plugin)
    own = net.state_dict()
    theirs = dict(zip(names(), own.values(), strict=True))
    found = renamed(net, theirs)
    assert found is not None and all(found[key] is value for key, value in own.items())


def test_names_of_another_network_are_not_guessed() -> None:
    theirs = Wide(16, 2).state_dict()
    assert renamed(made(cifar_wrn.wrn_16_2), theirs) is not None
    assert renamed(made(cifar_resnet.resnet8), theirs) is None
    theirs.pop("fc.bias")
    assert renamed(made(cifar_wrn.wrn_16_2), theirs) is None


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "backbone."])
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_what_a_wrapper_put_before_names_is_taken_off(prefix: str, ending: str, tmp_path: Path) -> None:
    one, two = lively(small()), small()
    state = {f"{prefix}{name}": value for name, value in one.state_dict().items()}
    path = tmp_path / f"x{ending}"
    torch.save(state, path) if ending == ".pth" else weights.save(state, path)
    load_into(two, path)
    assert same(one, two)


def test_a_prefix_that_the_network_has_itself_stays(tmp_path: Path) -> None:
    one, two = nn.ModuleDict({"model": lively(small())}), nn.ModuleDict({"model": small()})
    torch.save(one.state_dict(), tmp_path / "x.pt")
    load_into(two, tmp_path / "x.pt")
    assert same(one, two)


@pytest.mark.parametrize("entry", ["state_dict", "model", "net", "anything"])
def test_the_state_dict_is_found_among_what_a_script_saved(entry: str, tmp_path: Path) -> None:
    one, two = lively(small()), small()
    torch.save({entry: OrderedDict(one.state_dict()), "optimizer": {"state": {}, "lr": 0.1}, "epoch": 3}, tmp_path / "x.ckpt")
    load_into(two, tmp_path / "x.ckpt")
    assert same(one, two)


def test_of_two_the_plain_one_is_taken_and_of_unknown_ones_none(tmp_path: Path) -> None:
    one, other, two = lively(small()), lively(small(), 1), small()
    torch.save({"state_dict_ema": other.state_dict(), "state_dict": one.state_dict()}, tmp_path / "x.pth")
    load_into(two, tmp_path / "x.pth")
    assert same(one, two)
    torch.save({"this": one.state_dict(), "that": other.state_dict()}, tmp_path / "y.pth")
    with pytest.raises(WeightsError, match="no state dict in it: the file has this, that"):
        load_into(two, tmp_path / "y.pth")


def test_files_of_old_torch_and_without_counters(tmp_path: Path) -> None:
    one, two = lively(small()), small()
    state = {name: value for name, value in one.state_dict().items() if not name.endswith(NORM[-1])}
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    load_into(two, tmp_path / "old.pth")
    assert torch.equal(two[0].weight, one[0].weight) and two[1].num_batches_tracked.item() == 0


class Bomb:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_executes_is_refused_unrun(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"model": small().state_dict(), "hook": Bomb(tmp_path / "ran")}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"x\.pth: refused: it needs posix\.mkdir to be run when it is read"):
        load_into(small(), path)
    assert not (tmp_path / "ran").exists()


def test_whole_networks_are_refused(tmp_path: Path) -> None:
    torch.save(small(), tmp_path / "net.pt")
    with pytest.raises(WeightsError, match=r"refused: it needs torch\.nn\.modules\.container\.Sequential to be run"):
        read(tmp_path / "net.pt")


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x80\x02}q\x00.", "zip", "cut"])
def test_what_is_no_file_of_weights(content: bytes | str, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    if content == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("../../escape", b"x")
    elif content == "cut":
        torch.save(small().state_dict(), path)
        path.write_bytes(path.read_bytes()[:-200])
    else:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"x\.pth: "):
        load_into(small(), path)


def test_misses_are_listed_and_nothing_is_changed(tmp_path: Path) -> None:
    state = {f"module.{name}": value for name, value in nn.Sequential(nn.Conv2d(1, 5, 3)).state_dict().items()}
    torch.save(state, tmp_path / "x.pth")
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        load_into(net, tmp_path / "x.pth")
    text = str(caught.value)
    assert "missing (7): 1.weight" in text and "other shape (2): 0.weight is 5x1x3x3, needs 4x1x3x3" in text
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_content_is_what_a_file_is_known_by(tmp_path: Path) -> None:
    one, two = tmp_path / "a.pth", tmp_path / "b.safetensors"
    one.write_bytes(b"x"), two.write_bytes(b"x")
    assert content_of(one) == content_of(two)
    one.write_bytes(b"other")
    assert content_of(one) != content_of(two)
    with pytest.raises(WeightsError, match="No such file"):
        content_of(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"this one is \.pkl"):
        content_of(tmp_path / "x.pkl")


def test_torchvisions_names_are_timms_where_the_network_is(tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    from kdbench.models.timm_net import timm_plugin

    torch.manual_seed(0)
    facts = Facts(outputs=7, channels=3, size=(64, 64))
    for theirs_named, ours_named in (("resnet18", "resnet18"), ("regnet_y_400mf", "regnety_004")):
        theirs = torchvision.models.get_model(theirs_named, weights=None, num_classes=7).eval()
        torch.save(theirs.state_dict(), tmp_path / "tv.pth")
        plugin = timm_plugin(ours_named)
        ours = plugin.build(facts, plugin.Config())
        load_into(ours, tmp_path / "tv.pth")
        image = torch.rand(1, 3, 64, 64)
        with torch.no_grad():
            torch.testing.assert_close(ours.eval()(image), theirs(image), rtol=1e-4, atol=1e-5)


def test_a_file_of_other_classes_gives_all_but_the_head_that_is_left_fresh(tmp_path: Path) -> None:
    torch.manual_seed(0)
    theirs, ours = timm.create_model("resnet10t", num_classes=7), timm.create_model("resnet10t", num_classes=3)
    torch.save({"state_dict": {f"module.{name}": value for name, value in theirs.state_dict().items()}}, tmp_path / "a.pth")
    before = {name: value.clone() for name, value in ours.state_dict().items()}
    with pytest.raises(WeightsError, match=r"(?s)other shape \(2\).*all but fc, .*init: \{file: \.\.\., fresh: fc\}"):
        load_into(ours, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="no weights whose names begin with 'head'; there are conv1, bn1"):
        load_into(ours, tmp_path / "a.pth", ["head"])
    assert all(torch.equal(value, before[name]) for name, value in ours.state_dict().items()), "refused whole"
    load_into(ours, tmp_path / "a.pth", ["fc"])
    for name, value in ours.state_dict().items():
        assert torch.equal(value, before[name] if name.startswith("fc.") else theirs.state_dict()[name]), name
