"""How networks are computed within a step of training. Evaluation, sweeps and stored signals are eager and in float32 always."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.errors import KdbenchError
from kdbench.contract.model import Net

KEPT = 64  # compiled networks of a process


@dataclass(frozen=True)
class Arithmetic:
    """With precision bf16, convolutions and products of student and teacher run in bfloat16 (autocast); weights, answers, losses
    and optimisers stay float32. Compiled, a network is what TorchInductor makes of it; with reduce-overhead, as a CUDA graph."""

    precision: Literal["fp32", "bf16"] = "fp32"
    compile: Literal["no", "yes", "reduce-overhead"] = "no"

    def __call__(self, net: Net, batch: Batch) -> Outputs:
        if self.precision == "fp32":
            return self._run(net, batch)
        with torch.autocast(batch.index.device.type, dtype=torch.bfloat16):
            outputs = self._run(net, batch)
        taps = {name: tap.float() for name, tap in outputs.taps.items()}
        return Outputs(outputs.values.float(), taps, {name: head.float() for name, head in outputs.heads.items()})

    def _run(self, net: Net, batch: Batch) -> Outputs:
        if self.compile == "no":
            return net(batch)
        try:
            return Outputs(*compiled(net, self.compile)(*net.inputs(batch)))
        except torch._dynamo.exc.BackendCompilerFailed as error:
            raise KdbenchError(f"compile: this network could not be compiled here: {error.inner_exception}") from error


@functools.lru_cache(maxsize=KEPT)
def compiled(net: Net, how: str) -> Callable[..., tuple[Any, ...]]:
    mode = None if how == "yes" else how
    return torch.compile(net.answer, mode=mode, dynamic=False)
