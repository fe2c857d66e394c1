"""Channels last is a matter of memory: shapes, values and weights on disk are what they would be without."""

import copy

import torch

from kdbench.contract.batch import Batch
from kdbench.contract.constant import constant
from kdbench.contract.model import Config, Facts, Net, channels_last, normaliser
from kdbench.models.cifar_wrn import wrn_16_1
from kdbench.models.weights import load, save

IMAGE = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_net_lays_maps_and_weights_channels_last_and_says_the_same(tmp_path):
    torch.manual_seed(0)
    plain = wrn_16_1.build(Facts(outputs=10, channels=3), Config()).eval()
    net = Net(copy.deepcopy(plain), ("image",), normaliser((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))
    assert net.backbone.stages[1][0].conv1.weight.is_contiguous(memory_format=torch.channels_last)
    rows = torch.arange(4)
    said = net(Batch({"image": IMAGE}, rows, rows))
    assert said.taps["stage2"].is_contiguous(memory_format=torch.channels_last)
    values, taps = plain.forward_taps(net.prepare(IMAGE))
    torch.testing.assert_close(said.values, values, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(said.taps["stage2"], taps["stage2"], atol=1e-4, rtol=1e-4)
    assert save(net.backbone.state_dict(), tmp_path / "a.safetensors") == save(plain.state_dict(), tmp_path / "b.safetensors")
    net.backbone.load_state_dict(load(tmp_path / "b.safetensors"))
    assert net.backbone.stages[1][0].conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_what_is_no_map_stays_as_it_is():
    for shape in ((3,), (3, 4), (2, 3, 4), (2, 3, 4, 5, 6)):
        assert channels_last(values := torch.zeros(shape)) is values


def test_normalising_is_exact_in_both_orders_of_memory_and_differentiable():
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.3, 0.4)
    normalise, plain = normaliser(mean, std), IMAGE.float() / 255
    expected = (plain - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]
    for image in (IMAGE, plain, channels_last(plain), plain[:1], plain.double().float()):
        assert torch.equal(normalise(image), expected[: len(image)])
    assert normalise(channels_last(plain)).is_contiguous(memory_format=torch.channels_last)
    assert normalise(plain.double()).dtype == torch.float64
    image = plain.clone().requires_grad_()
    normalise(image).sum().backward()
    torch.testing.assert_close(image.grad[0, :, 0, 0], 1 / torch.tensor(std))


def test_a_constant_is_made_once_for_each_device_and_type():
    first = constant((1.0, 2.0), torch.device("cpu"))
    assert first is constant((1.0, 2.0), torch.device("cpu")) and first.tolist() == [1, 2]
    assert constant((1.0, 2.0), torch.device("cpu"), torch.float64).dtype == torch.float64
    assert constant(0.5, torch.device("meta")).device.type == "meta"
