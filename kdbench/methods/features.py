"""What feature methods share: pairs of taps, the terms beside their own, and how taps of several shapes are read as one.

A tap is a map [B,C,H,W], a vector [B,D], or a list [B,K,D] of one vector for each of a query's candidates. Lists are compared
list by list: a relation is one between the candidates of one query, between the samples of the batch elsewhere.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from kdbench.contract.decisions import divergence
from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Phase, Specs, Step, Term
from kdbench.contract.model import Config as PluginConfig
from kdbench.contract.needs import Needs
from kdbench.contract.taps import Shape
from kdbench.contract.task import Task

KINDS = {1: "vector", 2: "list", 3: "map"}
ALIKE = (("map",), ("vector",), ("list",))
ONE_PER_SAMPLE = (("map", "vector"), ("list",))  # what a relation between samples can be read from


class FeatureConfig(PluginConfig):
    student_taps: list[str] = Field(["embedding"], min_length=1, description="the student's taps")
    teacher_taps: list[str] = Field(["embedding"], min_length=1, description="the teacher's taps, compared with them one by one")
    weight: float = Field(1.0, ge=0, description="weight of the method's own term, summed over taps")
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    kd: float = Field(0.0, ge=0, description="weight of softened answers beside the features")
    T: float = Field(4.0, gt=0, description="temperature of kd")

    @model_validator(mode="after")
    def _one_by_one(self) -> FeatureConfig:
        ours, theirs = len(self.student_taps), len(self.teacher_taps)
        if ours != theirs:
            raise ValueError(f"student_taps names {ours} and teacher_taps {theirs}: taps are compared one by one")
        return self


class PhasedConfig(FeatureConfig):
    share: float = Field(30 / 270, gt=0, lt=1, description="share of the steps spent on the first phase")


def softened(step: Step, T: float) -> Tensor:
    """The divergence between softened answers, as in `kd`."""
    student = step.decide()
    return student.mean(divergence(student, step.teacher().decisions, T))


class FeatureMethod(Method):
    """`task` and `kd` beside one term of the method's own: the sum over pairs of taps of its `distance`."""

    Config: ClassVar[type[PluginConfig]] = FeatureConfig
    needs = Needs(
        streams=frozenset({"transfer"}),
        signal=frozenset({"probs"}),
        signal_by="kd",
        student_taps=frozenset({"$student_taps"}),
        teacher_taps=frozenset({"$teacher_taps"}),
    )
    compares: ClassVar[tuple[tuple[str, ...], ...]] = ALIKE  # groups of kinds of taps that may be set against each other

    def connect(self, student: Shape, teacher: Shape) -> nn.Module:
        """Own layers for a pair of taps of these shapes; raises KdbenchError where they cannot be compared."""
        return nn.Identity()

    def distance(self, layers: Any, student: Tensor, teacher: Tensor) -> Tensor:
        """A scalar for one pair of taps; `layers` is what `connect` made for it."""
        raise NotImplementedError

    def build(self, specs: Specs, task: Task) -> None:
        layers = []
        for ours, theirs in zip(self.c.student_taps, self.c.teacher_taps):
            s, t = specs.student.taps[ours], specs.teacher.taps[theirs]
            pair = f"{self.name}: the student's {ours} {told(s)} and the teacher's {theirs} {told(t)}"
            if not any({kind(s), kind(t)} <= set(group) for group in self.compares):
                allowed = " or ".join(" and ".join(f"{one}s" for one in group) for group in self.compares)
                raise KdbenchError(f"{pair} cannot be compared; it compares {allowed} among themselves")
            try:
                layers.append(self.connect(s, t))
            except KdbenchError as error:
                raise KdbenchError(f"{pair}: {error}") from error
        self.layers = nn.ModuleList(layers)

    def pairs(self, step: Step) -> list[tuple[Tensor, Tensor]]:
        ours, theirs = step.student().taps, step.teacher().taps
        return [(ours[s], theirs[t]) for s, t in zip(self.c.student_taps, self.c.teacher_taps)]

    def gaps(self, step: Step) -> Tensor:
        """[pairs] distances."""
        return torch.stack([self.distance(own, s, t) for own, (s, t) in zip(self.layers, self.pairs(step))])

    def gap(self, step: Step) -> Tensor:
        return self.gaps(step).sum()

    def terms(self, step: Step) -> dict[str, Term]:
        return {**self.answers(step), self.name: Term(lambda: self.gap(step), self.c.weight)}

    def answers(self, step: Step) -> dict[str, Term]:
        """What is said of the answers, beside the features."""
        return {"task": Term(step.supervised, self.c.task), "kd": Term(lambda: softened(step, self.c.T), self.c.kd)}


class FeaturesFirst(FeatureMethod):
    """A phase that learns from features alone, then one that learns from answers alone."""

    Config: ClassVar[type[PluginConfig]] = PhasedConfig

    def phases(self) -> list[Phase]:
        # Without weight there is nothing to learn from features: the second phase is then all there is.
        if self.c.weight == 0:
            return [Phase("answers")]
        return [Phase("features", self.c.share), Phase("answers", 1 - self.c.share)]

    def terms(self, step: Step) -> dict[str, Term]:
        if step.phase == "features":
            return {self.name: Term(lambda: self.gap(step), self.c.weight)}
        return self.answers(step)


def kind(shape: Shape) -> str:
    return KINDS.get(len(shape), "tensor")


def told(shape: Shape) -> str:
    return f"({kind(shape)} {'×'.join(map(str, shape))})"


def positions(shape: Shape) -> int:
    """Places of a map, candidates of a list; a vector has one."""
    return math.prod(shape[1:]) if len(shape) == 3 else math.prod(shape[:-1])


def vectors(tap: Tensor) -> Tensor:
    """[groups, N, D]: a list's candidates in a group of their own, else the batch as one group; maps are averaged."""
    if tap.dim() == 3:
        return tap
    return (tap.mean((2, 3)) if tap.dim() == 4 else tap)[None]


def whole(tap: Tensor) -> Tensor:
    """[groups, N, everything]: as `vectors`, but a map keeps its positions."""
    return tap if tap.dim() == 3 else tap.flatten(1)[None]


def unit(x: Tensor, eps: float = 1e-12) -> Tensor:
    """x at norm 1 over the last dimension. A zero vector stays zero and gets no gradient, where dividing by eps would explode."""
    norm = x.norm(dim=-1, keepdim=True)
    return torch.where(norm > eps, x / norm.clamp(min=eps), torch.zeros_like(x))


def as_vector(tap: Tensor) -> Tensor:
    """[B,C]: the mean over a map's positions or a list's candidates."""
    if tap.dim() == 4:
        return tap.mean((2, 3))
    return tap.mean(1) if tap.dim() == 3 else tap


def as_map(tap: Tensor) -> Tensor:
    """[B,C,H,W]: a vector is a map of one position, a list is one candidate wide."""
    if tap.dim() == 4:
        return tap
    return tap.transpose(1, 2)[..., None] if tap.dim() == 3 else tap[..., None, None]
