"""Logit standardisation: the inner method sees logits with mean 0 and unit spread, of student and teacher alike.

S. Sun, W. Ren, J. Li, R. Wang, X. Cao: Logit Standardization in Knowledge Distillation. CVPR 2024.

    N(z) = (z − mean_k z) / max(std_k z, floor),   std with K−1 in the denominator

The supervised loss keeps the raw logits. The release divides by 1e-7 + std, which sends gradients of 10⁶ through a freshly
zero-initialised head; the floor keeps them finite. Published with T 2 and weight 9 around kd.
"""

from __future__ import annotations

from pydantic import Field

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Wrapper
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs


class LogitStdConfig(Config):
    floor: float = Field(1e-3, gt=0, description="smallest standard deviation that is divided by")


class LogitStd(Wrapper):
    """Standardised logits for the inner method; needs logits over classes or candidates."""

    name = "logit_std"
    Config = LogitStdConfig
    own = Needs(axes=frozenset({"class", "candidate"}), streams=frozenset(), signal=frozenset({"values"}))

    def see(self, decisions: Decisions) -> Decisions:
        z = decisions.values
        if z.shape[-1] < 2:
            raise ValueError("logit_std needs two answers or more: one logit has no deviation")
        z = (z - z.mean(-1, keepdim=True)) / z.std(-1, keepdim=True).clamp(min=self.c.floor)
        return decisions.but(values=z)
