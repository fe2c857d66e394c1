"""Counts where a step makes a device wait for the host: a number read from it, a shape that depends on values, a copy from here.

On a CPU nothing waits, yet the same operations run, so they can be counted there. A mode of torch's dispatcher sees them wherever
they are asked for, in the backward pass and inside torch too; what copies memory without an operation is caught at its method.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

COPIES = ("cpu", "tolist", "numpy", "__array__")
READS = {
    "_local_scalar_dense": "item(), float(), bool(), or an index or a slice by a tensor",
    "nonzero": "nonzero(), or where() of a condition alone",
    "masked_select": "masked_select()",
    "unique": "unique()",
    "repeat_interleave": "repeat_interleave() by a tensor",
    "bincount": "bincount()",
    "equal": "torch.equal()",
    "lift_fresh": "a tensor made of numbers of the host",
}


class _Operations(TorchDispatchMode):
    def __init__(self, found: list[str]):
        super().__init__()
        self.found, self.aside = found, 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = operation.overloadpacket.__name__
        word = next((words for start, words in READS.items() if name.strip("_").startswith(start.strip("_"))), None)
        if name in ("index", "index_put", "index_put_"):
            word = "an index by a mask" if any(isinstance(i, Tensor) and i.dtype == torch.bool for i in args[1]) else None
        if word is not None and not self.aside:
            self.found.append(f"{word} ({asked_in()})")
        return operation(*args, **(kwargs or {}))


class _Functions(TorchFunctionMode):
    """`one_hot` reads its labels to check them, on a CPU alone; with the number of classes given, a GPU reads nothing."""

    def __init__(self, operations: _Operations):
        super().__init__()
        self.operations = operations

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {**dict(zip(("tensor", "num_classes"), args)), **(kwargs or {})}
        spared = function is F.one_hot and given.get("num_classes", -1) > 0
        self.operations.aside += spared
        try:
            return function(*args, **(kwargs or {}))
        finally:
            self.operations.aside -= spared


def asked_in() -> str:
    """The innermost line that is neither torch's nor of this file."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "?")
        if name != __name__ and name.partition(".")[0] != "torch":
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return "torch"


@contextlib.contextmanager
def counted() -> Iterator[list[str]]:
    """What waits while this lasts, each with its place."""
    found: list[str] = []
    own = {name: getattr(Tensor, name) for name in COPIES}

    def noted(name: str) -> Any:
        def method(self: Tensor, *args: Any, **kwargs: Any) -> Any:
            found.append(f"{name}() ({asked_in()})")
            return own[name](self, *args, **kwargs)

        return method

    for name in COPIES:
        setattr(Tensor, name, noted(name))
    operations = _Operations(found)
    try:
        with _Functions(operations), operations:
            yield found
    finally:
        for name, method in own.items():
            setattr(Tensor, name, method)
