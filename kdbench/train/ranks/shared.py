"""How networks are computed within a step when several ranks share the work: each its rows, and what they say is gathered.

A net is shared only where it is seen to answer for each row by itself. One that mixes the rows of a batch in another way than
BatchNorm, or draws numbers that cannot be told apart by row, is computed whole on each rank: right, and no faster.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.errors import MethodError
from kdbench.contract.model import Net
from kdbench.train.ranks.rows import Gather, Take, entered
from kdbench.train.ranks.team import Team
from kdbench.train.ranks.whole import Undividable, WholeBatch

if TYPE_CHECKING:
    from kdbench.train.loop import Learner

TRIED = 4  # rows on which a net is tried
CLOSE = 1e-3  # how near, of the largest value, a row's answer must be to the one that it has among others


class Taps(dict[str, Tensor]):
    """The taps that a method declared: to bring together all that a net has would cost more than to compute them."""

    def __missing__(self, name: str) -> Tensor:
        raise MethodError(f"on several devices a method finds the taps that its needs name; {name!r} is not among them")


@dataclass(frozen=True, eq=False)
class Shared:
    """An arithmetic, with the work of each net divided among the ranks. `taps` are those that anybody will read."""

    plain: Callable[[Net, Batch], Outputs]
    team: Team
    taps: frozenset[str]
    found: dict[int, tuple[Net, bool]] = field(default_factory=dict)  # nets that were tried, and whether they can be divided

    def __call__(self, net: Net, batch: Batch) -> Outputs:
        total = len(batch)
        if total < 2 * self.team.count or not self.divides(net, batch):
            return self.plain(net, batch)
        own = mine(net, batch, self.team)
        with WholeBatch(self.team, total):
            outputs = self.plain(entered(net, self.team), own)  # type: ignore[arg-type]
        return Outputs(
            Gather.apply(outputs.values, self.team, total),
            Taps({name: Gather.apply(tap, self.team, total) for name, tap in outputs.taps.items() if name in self.taps}),
            {name: Gather.apply(head, self.team, total) for name, head in outputs.heads.items()},
        )

    def divides(self, net: Net, batch: Batch) -> bool:
        if id(net) not in self.found:
            self.found[id(net)] = net, not self.team.any(not divisible(net, batch, self.team, self.taps))
        return self.found[id(net)][1]


def share(learner: Learner, team: Team) -> None:
    """From now on the nets of this learner's steps are computed together; all ranks begin alike."""
    wants = learner.method.wants()
    shared = Shared(learner.arithmetic, team, wants.student_taps | wants.teacher_taps)
    learner.arithmetic = shared
    if learner.source is not None:
        learner.source.arithmetic = shared
    agree(learner, team)


def agree(learner: Learner, team: Team) -> None:
    """The first rank's state for all. What lies beside the device are counts of steps, and equal."""
    team.follow(tensor for tensor in leaves(learner.state()) if tensor.device.type == learner.device.type)


def leaves(tree: Mapping[str, Any]) -> Iterator[Tensor]:
    for value in tree.values():
        if isinstance(value, Mapping):
            yield from leaves(value)
        elif isinstance(value, Tensor):
            yield value


def mine(net: Net, batch: Batch, team: Team) -> Batch:
    """This rank's rows of what a net reads."""
    rows = team.rows(len(batch))
    fields = {name: Take.apply(batch[name], team) if batch[name].requires_grad else batch[name][rows] for name in net.reads}
    return Batch(fields, batch.index[rows], batch.view[rows])


class Trial(WholeBatch):
    """Finds draws that belong to no row, and lets nobody draw otherwise. Nothing is said to other ranks."""

    def __init__(self, team: Team, total: int):
        super().__init__(team, total)
        self.rows, self.own = slice(0, total), total

    def batch_norm(self, *args: Any, **kwargs: Any) -> Tensor:
        return F.batch_norm(*args, **kwargs)

    def dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if training and p:
            self.part(x)
        return x

    def bernoulli_(self, x: Tensor, p: Any = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
        self.part(x)
        return x.fill_(1.0)


@torch.no_grad()
def divisible(net: Net, batch: Batch, team: Team, taps: Collection[str]) -> bool:
    """Whether a net's answer for a row is the same among other rows, and it draws nothing but what `WholeBatch` knows."""
    device = batch.index.device
    twin = copy.deepcopy(net) if any(part.training for part in net.modules()) else net  # statistics stay as they are
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        before = drawn(device)
        try:
            with Trial(team, TRIED):
                twin(few(net, batch, 0, TRIED))
        except Undividable:
            return False
        if not torch.equal(before, drawn(device)):
            return False
        twin.eval()
        whole, *parts = (
            named(twin(few(net, batch, start, end)), taps) for start, end in ((0, TRIED), (0, TRIED // 2), (TRIED // 2, TRIED))
        )
    return all(alike(value, [part[name] for part in parts]) for name, value in whole.items())


def few(net: Net, batch: Batch, start: int, end: int) -> Batch:
    fields = {name: batch[name][start:end] for name in net.reads}
    return Batch(fields, batch.index[start:end], batch.view[start:end])


def drawn(device: torch.device) -> Tensor:
    """Where the generator stands."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def named(outputs: Outputs, taps: Collection[str]) -> Mapping[str, Tensor]:
    """Everything that is read of what a net says."""
    read = {f"tap {name}": tap for name, tap in outputs.taps.items() if name in taps}
    return {"values": outputs.values, **read, **{f"head {name}": head for name, head in outputs.heads.items()}}


def alike(whole: Tensor, parts: list[Tensor]) -> bool:
    if whole.dim() == 0 or len(whole) != TRIED or any(part.shape != (len(part), *whole.shape[1:]) for part in parts):
        return False
    rows = torch.cat(parts)
    return rows.shape == whole.shape and bool((rows - whole).abs().max() <= CLOSE * whole.abs().max())
