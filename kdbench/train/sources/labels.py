"""Pseudo-labels: what a teacher would say if it had to name one answer, and how much each answer counts.

Two choices make a policy. `fusion` turns the answers of several teachers into one, with a certainty in [0, 1]; `labels` says
which of these count. Both are statements about the teachers, so they stand with the source: a view carries labels, a method reads
them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.model import Config
from kdbench.train.sources.channel import channel

KINDS = ("argmax", "threshold", "share", "uniform", "certainty")
WHEN = tuple(("labels", kind, frozenset({"labels"})) for kind in KINDS)  # for a source's Gives


class LabelConfig(Config):
    """`labels` other than none adds pseudo-labels to the signal, for methods that read labels."""

    labels: Literal["none", "argmax", "threshold", "share", "uniform", "certainty"] = Field(
        "none",
        description="pseudo-labels: every answer (argmax), those above the threshold, of each class the most certain share; "
        "or all, weighed alike by how many of the batch are certain (uniform) or each by its own certainty",
    )
    threshold: float = Field(0.968, ge=0, le=1, description="certainty that an answer needs (labels: threshold, uniform)")
    keep: float = Field(0.5, gt=0, le=1, description="of each class, the share of answers in a batch that counts (labels: share)")
    abstain: Literal["all", "kept"] = Field(
        "all", description="the loss where answers are left out: a mean over all of them (these weigh 0), or over the kept ones"
    )


class FusionConfig(LabelConfig):
    fusion: Literal["average", "majority", "certainty", "channel"] = Field(
        "average",
        description="one label from several teachers: of their mean probability, of most of them, of the most certain one, or "
        "class by class of the teacher chosen for it",
    )
    reach: int = Field(2, ge=0, description="a disputed pixel is settled by those up to so far from it (fusion: channel)")
    choose: Literal["certainty", "labelled"] = Field(
        "certainty",
        description="a class's teacher: the one most certain of it on the distillation set, or best on the labelled set "
        "(fusion: channel)",
    )


def answer(decisions: Decisions) -> tuple[Tensor, Tensor]:
    """Label and certainty of one teacher (or of a mean): class [N] and probability, or tags [N,K] and mean certainty."""
    log_probs = decisions.log_probs()
    if decisions.axis == "tag":
        on = log_probs[..., 0].exp()
        return (on > 0.5).to(on.dtype), torch.maximum(on, 1 - on).mean(-1)
    top = log_probs.max(-1)
    return top.indices, top.values.exp()


def majority(members: Sequence[Decisions], mean: Decisions) -> tuple[Tensor, Tensor]:
    """The label with most votes, the mean probability deciding between equals; certainty is the share of votes."""
    answers = torch.stack([answer(member)[0] for member in members])
    if mean.axis == "tag":
        share = answers.mean(0)
        return (share > 0.5).to(share.dtype), torch.maximum(share, 1 - share).mean(-1)
    votes = torch.zeros_like(mean.logits()).scatter_add_(1, answers.t(), torch.ones_like(answers.t(), dtype=mean.values.dtype))
    label = (votes + 0.5 * mean.log_probs().exp()).argmax(-1)
    return label, votes.gather(1, label[:, None])[:, 0] / len(members)


def most_certain(members: Sequence[Decisions]) -> tuple[Tensor, Tensor]:
    """Each decision's label from the member that is most certain there."""
    labels, certainty = (torch.stack(parts) for parts in zip(*map(answer, members)))
    best = certainty.argmax(0)
    rows = torch.arange(len(best), device=best.device)
    return labels[best, rows], certainty[best, rows]


def fused(signal: Signal, config: LabelConfig, teacher_of: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Label and certainty of all teachers together; without members, or any choice among them, of their mean."""
    members = [member.decisions for member in signal.members]
    fusion = config.fusion if members and isinstance(config, FusionConfig) else "average"
    if fusion == "majority":
        return majority(members, signal.decisions)
    if fusion == "certainty":
        return most_certain(members)
    if fusion == "channel":
        assert teacher_of is not None and isinstance(config, FusionConfig)
        return channel(members, teacher_of.to(signal.decisions.values.device), config.reach)
    return answer(signal.decisions)


def best_of_each(label: Tensor, certainty: Tensor, answers: int, share: float) -> Tensor:
    """[N] whether a row is among the most certain share of its class. At least one row of each class is."""
    if label.dim() > 1:  # tags: rows have no single class, so they are one group
        label, answers = torch.zeros_like(certainty, dtype=torch.long), 1
    by_certainty = certainty.argsort(descending=True, stable=True)
    order = by_certainty[label[by_certainty].argsort(stable=True)]
    ranked = label[order]
    count = torch.zeros(answers, device=label.device, dtype=torch.long).scatter_add_(0, label, torch.ones_like(label))
    start = count.cumsum(0) - count
    rank = torch.arange(len(label), device=label.device) - start[ranked]
    kept = rank < torch.ceil(share * count[ranked].double())
    return torch.zeros_like(kept).scatter_(0, order, kept)


def counted(label: Tensor, certainty: Tensor, answers: int, config: LabelConfig) -> dict[str, Tensor]:
    """How much each label counts, as fields of decisions: which are valid, or what they weigh; none where all count alike."""
    if config.labels == "argmax":
        return {}
    if config.labels == "certainty":
        return {"weight": certainty}
    if config.labels == "uniform":
        return {"weight": (certainty >= config.threshold).to(certainty.dtype).mean().expand_as(certainty)}
    if config.labels == "share":
        kept = best_of_each(label, certainty, answers, config.keep)
    else:
        kept = certainty >= config.threshold
    return {"valid": kept} if config.abstain == "kept" else {"weight": kept.to(certainty.dtype)}


def labelled(signal: Signal, config: LabelConfig, teacher_of: Tensor | None = None) -> Signal:
    """The signal with pseudo-labels in its decisions, if the configuration asks for some."""
    if config.labels == "none":
        return signal
    decisions = signal.decisions
    label, certainty = fused(signal, config, teacher_of)
    given = counted(label, certainty, decisions.answers, config)
    named = decisions.but(labels=label.detach(), valid=None, weight=None).but(**{k: v.detach() for k, v in given.items()})
    return Signal(named, signal.taps, signal.members)
