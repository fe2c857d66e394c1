"""SinKD: an optimal transport distance between the batch's student answers and its teacher answers.

X. Cui, Y. Qin, Y. Gao, E. Zhang, Z. Xu, T. Wu, K. Li, X. Sun, W. Zhou, H. Li: Sinkhorn Distance Minimization for Knowledge
Distillation. COLING 2024.

    P = softmax(z_s / T), Q = softmax(z_t / T),   C_ij = ‖P_i − Q_j‖₁ over all pairs of samples of the batch
    Π = the plan of `rounds` Sinkhorn steps on exp(−C / eps): rows, then columns, each sums to 1/N
    S = Σ_ij Π_ij C_ij,    debiased: S(P,Q) − ½ S(P,P) − ½ S(Q,Q), which is 0 at P = Q
    L = task · CE + kd · KL(p_t ‖ p_s at kd_T, without T²) + weight · S

S cannot see which answer belongs to which sample: a student that gives sample i the teacher's answer for sample j pays nothing.
It must ride on another term, so task and kd may not both be 0. Seen on digits, three seeds: .869 ± .003 with S and .867 ± .004
without it, so no effect at the released weight; S at weight 1 and a tenth of CE without kd .791 ± .012, below the student
alone (.813 ± .004). Without debiasing S is above 0 at P = Q, more so with few classes.

The release scales rows and columns to 1 instead of 1/N, so that its S is a sum over the batch, and multiplies by .8 · 1e-3: at
its batch of 16 this is .0128 here, the default. Its T is 2 whatever the caller says, its KL a cross-entropy (same gradient).
Steps run in logarithms here and are differentiated through. On tags a sample's answers are Bernoullis and C the mean over tags.
On maps a sample is a pixel: above `rows` of them, every image shows the same evenly spaced ones. Refused on candidates, where
answer k of one query has nothing to do with answer k of another.
"""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from kdbench.contract.decisions import Decisions, divergence
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs

ABSENT = -60.0  # log mass of a row that does not count, beside rows of log mass 0: e^-60, but finite


class SinKDConfig(Config):
    T: float = Field(2.0, gt=0, description="temperature of the transported answers")
    eps: float = Field(0.1, gt=0, description="entropy of the plan; smaller is nearer to an assignment and needs more rounds")
    rounds: int = Field(20, ge=1, description="Sinkhorn rounds, each over rows and columns")
    debiased: bool = Field(False, description="take off half of each side's distance to itself: then equal answers cost 0")
    rows: int = Field(256, ge=2, description="most pixels that are compared with each other; read on maps alone")
    weight: float = Field(0.0128, ge=0, description="weight of the transport")
    kd: float = Field(0.9, ge=0, description="weight of the divergence to the teacher, without T²")
    kd_T: float = Field(3.5, gt=0, description="temperature of kd")
    task: float = Field(0.1, ge=0, description="weight of the supervised loss")

    @model_validator(mode="after")
    def _rides(self) -> SinKDConfig:
        if self.task == 0 and self.kd == 0:
            raise ValueError("task or kd must be above 0: transport alone cannot see which answer belongs to which sample")
        return self


def plan(cost: Tensor, eps: float, rounds: int, rows: Tensor, columns: Tensor) -> Tensor:
    """Transport plan [N,M] between log masses: column sums are exact, row sums as far as the rounds went."""
    log_plan = rows[:, None] + columns - cost / eps
    for _ in range(rounds):
        log_plan = log_plan + (rows - torch.logsumexp(log_plan, 1))[:, None]
        log_plan = log_plan + columns - torch.logsumexp(log_plan, 0)
    return log_plan.exp()


def transport(p: Tensor, q: Tensor, eps: float, rounds: int, mass: Tensor) -> Tensor:
    """What each of p's rows pays [N], of two sets of answers [N,D] whose rows have `mass` (logarithms [N]); S is the sum."""
    cost = torch.cdist(p, q, p=1)
    return (plan(cost, eps, rounds, mass, mass) * cost).sum(1)


def spread(decisions: Decisions, T: float) -> Tensor:
    """Answers [N,D] whose L1 distance is C: 2K numbers a row on tags, shared out so that C is the mean over tags."""
    probs = decisions.log_probs(T).exp()
    return probs.flatten(1) / decisions.answers if decisions.axis == "tag" else probs


def thinned(rows: Tensor, grid: tuple[int, int, int] | None, most: int) -> Tensor:
    """At most about `most` rows: the same places of every image, so that the images' order does not matter."""
    if grid is None or len(rows) <= most:
        return rows
    images, pixels = grid[0], grid[1] * grid[2]
    places = max(1, min(pixels, most // images))
    chosen = (torch.arange(places, device=rows.device) * pixels) // places
    return rows.view(images, pixels, *rows.shape[1:])[:, chosen].flatten(0, 1)


class SinKD(Method):
    """Optimal transport between the batch's answers, on top of KD."""

    name = "sinkd"
    Config = SinKDConfig
    exempt = {
        "fixed-point": "the plan's entropy pulls a student that equals its teacher towards the mean of all answers",
    }
    needs = Needs(axes=frozenset({"class", "tag"}), streams=frozenset({"transfer"}), signal=frozenset({"probs"}))

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c

        def match() -> Tensor:
            student = step.decide()
            return student.mean(divergence(student, step.teacher().decisions, c.kd_T, squared=False))

        return {
            "task": Term(step.supervised, c.task),
            "kd": Term(match, c.kd),
            "sinkhorn": Term(lambda: self.distance(step.decide(), step.teacher().decisions), c.weight),
        }

    def distance(self, student: Decisions, teacher: Decisions) -> Tensor:
        c = self.c
        p, q, valid, weight = (
            None if rows is None else thinned(rows, student.grid, c.rows)
            for rows in (spread(student, c.T), spread(teacher, c.T), student.valid, student.weight)
        )
        assert p is not None
        assert q is not None
        if valid is None:
            count, mass = p.new_full((), len(p)), p.new_zeros(len(p))
        else:
            count, mass = valid.sum().clamp(min=1).to(p.dtype), torch.where(valid, 0.0, ABSENT).to(p.dtype)
        mass = mass - count.log()
        cost = transport(p, q, c.eps, c.rounds, mass)
        if c.debiased:
            cost = cost - 0.5 * (transport(p, p, c.eps, c.rounds, mass) + transport(q, q, c.eps, c.rounds, mass))
        return student.but(valid=valid, weight=weight).mean(cost * count)  # a weight multiplies what the student's row pays
