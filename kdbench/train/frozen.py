"""Teachers that do not learn: in evaluation mode, without gradients, and afterwards as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import Tensor

from kdbench.contract.errors import MethodError
from kdbench.contract.model import Net


class TeacherChanged(MethodError):
    """A method changed what it only had to ask; nobody else can learn from it any more."""


class Frozen:
    """The teachers of a process, and their tensors as they were when they came."""

    def __init__(self) -> None:
        self.nets: list[Net] = []
        self.tensors: list[tuple[Tensor, int]] = []

    def add(self, net: Net) -> Net:
        net.eval().requires_grad_(False)
        self.nets.append(net)
        self.tensors += [(tensor, tensor._version) for tensor in (*net.parameters(), *net.buffers())]
        return net

    def check(self) -> None:
        if any(tensor._version != version for tensor, version in self.tensors) or any(net.training for net in self.nets):
            raise TeacherChanged("a frozen teacher was changed while its student trained")


@contextlib.contextmanager
def frozen(nets: tuple[Net, ...]) -> Iterator[None]:
    """These nets are frozen within, and are looked at in the end."""
    kept = Frozen()
    for net in nets:
        kept.add(net)
    yield
    kept.check()
