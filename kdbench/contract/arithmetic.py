"""How networks are computed within a step of training. Evaluation, sweeps and stored signals are eager and in float32 always."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.model import Net


@dataclass(frozen=True)
class Arithmetic:
    """With precision bf16, convolutions and products of student and teacher run in bfloat16 (autocast); weights, answers, losses
    and optimisers stay float32."""

    precision: Literal["fp32", "bf16"] = "fp32"

    def __call__(self, net: Net, batch: Batch) -> Outputs:
        if self.precision == "fp32":
            return net(batch)
        with torch.autocast(batch.index.device.type, dtype=torch.bfloat16):
            outputs = net(batch)
        taps = {name: tap.float() for name, tap in outputs.taps.items()}
        return Outputs(outputs.values.float(), taps, {name: head.float() for name, head in outputs.heads.items()})
