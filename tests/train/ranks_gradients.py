"""A net on two ranks beside the same net on each of them alone, in double precision: answers, gradients, statistics, draws."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import nn

from kdbench.contract.arithmetic import Arithmetic
from kdbench.contract.batch import Batch
from kdbench.contract.model import Net
from kdbench.tasks import classification
from kdbench.train.ranks.shared import Shared
from kdbench.train.ranks.team import Team
from kdbench.train.stream import Stream, ViewSpec

KIND = torch.double


class Small(nn.Module):
    """A bit of everything that looks at a batch: BatchNorm on maps and vectors, dropout, stochastic depth."""

    def __init__(self, mixes: bool = False):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
        self.bare = nn.BatchNorm1d(4, affine=False, momentum=0.3)
        self.drop, self.head = nn.Dropout(0.4), nn.Linear(4, 3)
        self.mixes = mixes

    def forward_taps(self, image):
        maps = self.norm(self.conv(image)).relu()
        if self.training:  # as timm's DropPath does it
            maps = maps + maps * maps.new_empty(len(maps), 1, 1, 1).bernoulli_(0.7)
        vector = self.drop(self.bare(maps.mean((2, 3))))
        if self.mixes:
            vector = vector - vector.mean(0)
        return self.head(vector), {"maps": maps, "embedding": vector, "unread": maps}


def loss(net: Net, outputs) -> torch.Tensor:
    """Of the whole batch: distances between all its rows, and the head used once more, on gathered features."""
    again = F.linear(outputs.taps["embedding"], net.backbone.head.weight)
    return torch.pdist(outputs.values).pow(2).sum() + torch.pdist(again).sum() + outputs.taps["maps"].var(0).sum()


def told(net: Net, arithmetic, image: torch.Tensor) -> dict[str, torch.Tensor]:
    """Everything that comes of one step."""
    torch.manual_seed(5)
    image = image.clone().requires_grad_()
    rows = torch.arange(len(image))
    outputs = arithmetic(net, Batch({"image": image}, rows, rows))
    total = loss(net, outputs)
    total.backward(inputs=[image, *net.parameters()])
    gradients = {f"gradient of {name}": parameter.grad for name, parameter in net.named_parameters()}
    moved = {name: value.clone() for name, value in net.state_dict().items()}
    drawn = {"generator": torch.rand(4)}
    return {"loss": total.detach(), "values": outputs.values.detach(), "image": image.grad, **gradients, **moved, **drawn}


def compared(rows: int, team: Team, mixes: bool = False) -> dict[str, float]:
    """How far the shared step is from the step alone, by name."""
    torch.manual_seed(1)
    net = Net(Small(mixes).to(KIND), ("image",)).train()
    image = torch.randn(rows, 2, 5, 5, dtype=KIND)
    mine = copy.deepcopy(net)
    shared = Shared(Arithmetic(), team, frozenset({"maps", "embedding"}))
    one, other = told(net, Arithmetic(), image), told(mine, shared, image)
    found = {name: float((value - other[name]).abs().max()) for name, value in one.items()}
    divided = rows >= 2 * team.count
    found["divided as it should be"] = float(
        divided and shared.divides(mine, Batch({"image": image}, *2 * (torch.arange(rows),))) == mixes
    )
    return found


def states(number: int) -> list[torch.Tensor]:
    """Tensors as a learner has them, of other values on each rank."""
    lain = torch.full((2, 3, 4, 4), float(number)).to(memory_format=torch.channels_last)
    return [lain, torch.tensor(number), torch.tensor([number > 0]), torch.full((3, 2), float(number)).t()]


def shown(team: Team) -> dict[str, float]:
    """A stream whose batches are made ahead: each rank makes its rows, and all see what one process would have made."""
    task = classification.Digits()
    samples = replace(task.data("train"), ahead=2)
    task.data = lambda name: samples
    streams = [Stream(task, "train", 9, 1, ViewSpec("warp", 4, 3), torch.device("cpu")) for _ in range(2)]
    streams[1].share(team)
    assert streams[1].team is team
    found = {}
    for step in (0, 200):  # the second one is of two epochs, and so of two views
        one, other = (stream.batch(step) for stream in streams)
        kept = {**one.fields, "index": one.index, "view": one.view}
        again = {**other.fields, "index": other.index, "view": other.view}
        found |= {f"{name} {step}": float(not torch.equal(value, again[name])) for name, value in kept.items()}
        assert len(streams[1]._made(step)) == len(range(9)[team.rows(9)])
    for stream in streams:
        stream.rest()
    return found


def measured(team: Team) -> dict[str, dict[str, float]]:
    """How far apart, for each rank."""
    asked = {"even": (8, False), "uneven": (7, False), "small": (3, False), "mixed": (6, True)}
    found = {name: compared(rows, team, mixes) for name, (rows, mixes) in asked.items()}
    Team.follow(team, own := states(team.number))
    found["follow"] = {str(place): float(value.max()) for place, value in enumerate(own)}
    found["stream"] = shown(team)
    heard = [None] * team.count
    torch.distributed.all_gather_object(heard, found)
    return {f"rank {number}: {name}": each for number, told in enumerate(heard) for name, each in told.items()}
