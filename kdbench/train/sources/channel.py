"""Channel-wise fusion of several teachers' label maps: each class is the business of the one teacher chosen for it.

C.-H. Chao, B.-W. Cheng, C.-Y. Lee: Rethinking Ensemble-Distillation for Semantic Segmentation Based Unsupervised Domain Adaption.
CVPR workshops (LLID) 2021.

    H_c(p) = 1[L_π(c)(p) = c]: does the teacher of class c say c at pixel p?     n(p) = Σ_c H_c(p)
    n = 1:  ŷ = the c that is claimed,            κ = P_π(ŷ)(p, ŷ)
    else:   ŷ = argmax_c mean of H_c over a square around p,   κ = the mean of P_π(ŷ)(·, ŷ) over it

Only label maps enter the fusion, so that teachers whose probabilities are not comparable may stand together. Where nobody claims
anything within the square, κ is 0. The release fixes π by hand; here it follows from the teachers' certainty on the distillation
set (the paper's, as far as is known), or from their IoU on the labelled set. The square has a side of 2 · reach + 1 (5 in one
release, 35 in another, on maps ten times as large); at the border, means are over the pixels that exist.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Sweep
from kdbench.contract.model import Net


def channel(members: Sequence[Decisions], teacher_of: Tensor, reach: int) -> tuple[Tensor, Tensor]:
    """Label [N] and certainty [N]; `teacher_of` [K] is π."""
    grid = members[0].grid
    assert grid is not None
    probs = torch.stack([member.log_probs().exp() for member in members])  # [M,N,K]
    classes = torch.arange(probs.shape[2], device=probs.device)
    claims = (probs.argmax(2)[teacher_of] == classes[:, None]).to(probs.dtype)  # [K,N]
    own = probs[teacher_of, :, classes]

    def around(rows: Tensor) -> Tensor:
        maps = rows.view(len(rows), *grid).transpose(0, 1)
        pooled = F.avg_pool2d(maps, 2 * reach + 1, 1, reach, count_include_pad=False)
        return pooled.transpose(0, 1).reshape(len(rows), -1)

    single = claims.sum(0) == 1
    near = around(claims)
    label = torch.where(single, claims.argmax(0), near.argmax(0))
    certainty = torch.where(single, own.gather(0, label[None])[0], around(own).gather(0, label[None])[0])
    return label, certainty * (single | (near.amax(0) > 0))


def by_certainty(members: Sequence[Decisions]) -> tuple[Tensor, Tensor]:
    """For each member and class [M,K]: the sum of its certainty where it says so, and how often it does."""
    probs = torch.stack([member.log_probs().exp() for member in members]).double()
    says = F.one_hot(probs.argmax(2), probs.shape[2])
    return (probs * says).sum(1), says.sum(1).double()


def by_overlap(members: Sequence[Decisions]) -> tuple[Tensor, Tensor]:
    """For each member and class [M,K]: pixels in which it and the labels say so, and pixels in which either does."""
    said = torch.stack([F.one_hot(member.predictions(), member.answers).bool() for member in members])
    labels, valid = members[0].labels, members[0].valid
    assert labels is not None
    true = F.one_hot(labels, members[0].answers).bool()
    counted = torch.ones_like(labels, dtype=torch.bool) if valid is None else valid
    both, either = (said & true) & counted[:, None], (said | true) & counted[:, None]
    return both.sum(1).double(), either.sum(1).double()


def chosen(nets: Sequence[Net], how: str, sweep: Sweep) -> Tensor:
    """π [K]: for each class the member with the largest mean certainty, or the largest IoU."""
    on, count = ("transfer", by_certainty) if how == "certainty" else ("labelled", by_overlap)

    def measure() -> dict[str, Tensor]:
        zero = torch.zeros((), dtype=torch.double)
        above, below = zero, zero
        for batch in sweep(on, ask=False):
            with torch.no_grad():
                more, most = count([sweep.task.decide(net(batch).values, batch) for net in nets])
            above, below = above + more, below + most
        return {"teacher_of": (above / below.clamp(min=1)).argmax(0)}

    return sweep.kept(f"channel: {how}", measure, on)["teacher_of"]
