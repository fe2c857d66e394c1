"""timm networks: the taps are maps of the very pass that gives the logits, and the state is timm's own."""

from __future__ import annotations

import copy
import socket

import pytest
import timm
import torch
from pydantic import ValidationError

from kdbench.contract.model import Facts
from kdbench.models import timm_names
from kdbench.models.probe import probe
from kdbench.models.timm_net import ModelError, TimmConfig, stages, timm_family, timm_plugin

FACTS = Facts(outputs=7, channels=3, size=(32, 32))
MAPS = {
    "resnet18": "64x16 64x8 128x4 256x2 512x1",
    "convnext_atto": "40x8 80x4 160x2 320x1",
    "vit_tiny_patch16_224": "192x2 192x2 192x2 192x2",
    "mobilenetv3_small_050": "16x16 8x8 16x4 24x2 288x1",
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **keywords: object) -> None:
        raise AssertionError("a network must not be asked for")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def build(name: str, facts: Facts = FACTS, **params: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return timm_plugin(name).build(facts, TimmConfig(**params))


@pytest.mark.parametrize("name", MAPS)
def test_taps_and_state(name: str) -> None:
    model = build(f"timm:{name}").eval()
    extra = {"img_size": 32} if name.startswith("vit") else {}
    bare = timm.create_model(name, num_classes=7, **extra).eval()
    bare.load_state_dict(model.state_dict())  # strict: not a key more or less
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        values, taps = model.forward_taps(x)
        assert torch.equal(values, model(x))
        assert torch.equal(values, bare(x))
        assert torch.equal(taps["embedding"], bare.forward_head(bare.forward_features(x), pre_logits=True))
        last = bare.forward_intermediates(x, intermediates_only=True)[-1]
    assert torch.equal(taps["stage4"], last)
    sides = [tuple(map(int, text.split("x"))) for text in MAPS[name].split()]
    names = ("stem", "stage1", "stage2", "stage3", "stage4")[-len(sides) :]
    shapes = {tap: (2, channels, side, side) for tap, (channels, side) in zip(names, sides)}
    assert {tap: tuple(value.shape) for tap, value in taps.items() if tap != "embedding"} == shapes
    assert set(timm_plugin(name).taps) <= set(taps)
    assert isinstance(model, type(bare))


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "test_vit"])
def test_training_pass_draws_and_counts_once(name: str) -> None:
    """With dropout and batch statistics, `forward_taps` is the same training step as `forward`."""
    one = build(name, drop_rate=0.5, drop_path_rate=0.2).train()
    two = copy.deepcopy(one)
    x = torch.randn(4, 3, 32, 32)
    torch.manual_seed(1)
    plain, after = one(x), torch.rand(1)
    torch.manual_seed(1)
    values, _ = two.forward_taps(x)
    assert torch.equal(plain, values)
    assert torch.equal(after, torch.rand(1))
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))
    assert all(not module._forward_pre_hooks for module in two.modules())


def test_gradient_flows_from_every_tap() -> None:
    model = build("resnet18")
    _, taps = model.forward_taps(torch.randn(2, 3, 32, 32))
    sum(tap.square().mean() for tap in taps.values()).backward()
    assert model.conv1.weight.grad.abs().sum() > 0
    assert model.fc.weight.grad is None


def test_depth_is_spread_evenly() -> None:
    with torch.device("meta"):
        assert list(stages(timm.create_model("vit_tiny_patch16_224")).values()) == [2, 5, 8, 11]
        assert list(stages(timm.create_model("test_vit")).values()) == [1, 2, 4, 5]
        assert stages(timm.create_model("vgg11"))["stage4"] == 5  # six maps: the last five count


def test_params_and_channels_reach_timm() -> None:
    model = build("resnet18", Facts(outputs=5, channels=1, size=(8, 8)), drop_rate=0.25, block_args={"attn_layer": "se"})
    assert model.conv1.in_channels == 1
    assert model.drop_rate == 0.25
    assert any("se" in key for key in model.state_dict())
    rectangle = build("vit_tiny_patch16_224", Facts(outputs=5, channels=1, size=(64, 96)))
    assert rectangle.forward_taps(torch.zeros(1, 1, 64, 96))[1]["stage1"].shape == (1, 192, 4, 6)
    assert TimmConfig(drop_rate=0.25, depth=3).params == {"drop_rate": 0.25, "depth": 3}
    assert build("vit_tiny_patch16_224", img_size=[64, 32]).patch_embed.grid_size == (4, 2)


def test_the_family_names_its_networks() -> None:
    assert timm_family.named("timm:resnet18") is timm_plugin("resnet18")
    assert timm_plugin("resnet18").name == "timm:resnet18"
    with pytest.raises(ModelError, match="timm:resnet18"):
        timm_family.build(FACTS, TimmConfig())


@pytest.mark.parametrize(
    ("param", "reason"),
    [
        ("cache_dir", "start fresh"),
        ("num_classes", "follows from the task"),
        ("features_only", "change what the network returns"),
    ],
)
def test_refused_parameters(param: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=f"{param} .*{reason}"):
        TimmConfig(**{param: True})


def test_pretrained_is_refused_by_type_so_that_a_plan_sees_it() -> None:
    with pytest.raises(ValidationError, match="pretrained"):
        TimmConfig(pretrained=True)
    assert TimmConfig.model_json_schema()["properties"]["pretrained"]["const"] is False


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm:resnet81", "has no network resnet81; near: .*resnet"),
        ("timm:hf-hub:timm/resnet18", "nothing is ever downloaded"),
        ("timm:local-dir:/tmp/x", "nothing is ever downloaded"),
    ],
)
def test_refused_names(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build(name)


def test_unknown_parameter_is_named() -> None:
    with pytest.raises(ModelError, match=r"resnet18 with .*widht"):
        build("resnet18", widht=3)


def test_probe_of_a_large_net_allocates_nothing() -> None:
    facts = Facts(outputs=1000, channels=3, size=(224, 224))
    spec = probe(timm_plugin("convnext_xlarge"), TimmConfig(), facts, {"image": (3, 224, 224)})
    assert spec.parameters == 350_196_968  # timm's published count
    assert spec.taps["stage4"] == (2048, 7, 7)
    assert spec.outputs == 1000


def test_names_are_read_from_the_source_as_timm_has_them():
    assert set(timm.list_models()) <= timm_names.names()
    assert all(timm.is_model(name) for name in timm_names.names()), "old names too, and nothing else"
    assert timm_names.lacks("mobilenetv3_smal_050") and timm_names.near("mobilenetv3_smal_050") == ["mobilenetv3_small_050"]
    assert not timm_names.lacks("resnet18.a1_in1k")
