"""How a network is trained: the budget, the optimiser, the schedule. Recipes are merged, so only written fields count.

A recipe may be written as a name, or as a name with what differs from it: `crd240`, `{like: crd240, steps: 500}`. The name stands
for its fields and nothing more (suite/recipes.py fills them in), so it is no part of what a job is.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from kdbench.suite.marks import Many, Shorthand, Strict, identity, runtime


class Batch(Strict):
    """Samples a step from each stream."""

    labelled: int = identity("labelled samples a step", 64, gt=0)
    transfer: int = identity("transfer samples a step", 64, gt=0)


def _both(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"labelled": value, "transfer": value}
    return value


def _word(value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


BatchSize = Annotated[
    Batch,
    BeforeValidator(_both),
    WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, Batch.model_json_schema()]}),
]
Share = Annotated[float, Field(gt=0, lt=1)]


class Recipe(Shorthand):
    """A training recipe. Fields that are left out come from the recipe that this one is merged over."""

    short: ClassVar[str] = "like"
    like: str | None = runtime("a named recipe (`kdbench list recipes`); what is written beside it wins", None)
    steps: int = identity("optimiser steps: the whole budget", 400, gt=0)
    batch: BatchSize = identity("samples a step: a number, or one for each stream", Batch)
    optimiser: Literal["sgd", "adam", "adamw"] = identity("the optimiser", "adamw")
    lr: float = identity("peak learning rate", 1e-3, gt=0)
    weight_decay: float = identity("weight decay", 0.01, ge=0)
    momentum: float = identity("momentum (sgd)", 0.9, ge=0, lt=1)
    nesterov: bool = identity("Nesterov momentum (sgd)", False)
    schedule: Literal["constant", "cosine", "linear", "onecycle", "steps"] = identity("course of the learning rate", "cosine")
    milestones: Many[Share] = identity("shares of the budget at which schedule 'steps' multiplies the rate by gamma", ())
    gamma: float = identity("factor at each milestone", 0.1, gt=0, le=1)
    warmup: float = identity("share of the budget in which the rate rises from 0", 0.05, ge=0, le=1)
    clip: float | None = identity("largest norm of the gradient; null for no limit", None, gt=0)
    precision: Literal["fp32", "bf16"] = identity(
        "number format of forward passes in training, of student and live teachers", "fp32"
    )
    compile: Annotated[Literal["no", "yes", "reduce-overhead"], BeforeValidator(_word)] = identity(
        "whether TorchInductor compiles the networks of a step; reduce-overhead: into CUDA graphs", "no"
    )
    joint: bool = identity("one forward pass over both streams, so that they share batch statistics", False)

    @field_validator("milestones")
    @classmethod
    def _rise(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in pairwise(value)):
            raise ValueError("milestones must rise")
        return value

    def given(self) -> dict[str, Any]:
        """Only what was written, as plain data. A name must have been filled in before."""
        assert self.like is None, f"recipe '{self.like}' was not filled in"
        return self.model_dump(mode="json", exclude_unset=True, exclude={"like"})


FIELDS = tuple(name for name in Recipe.model_fields if name not in ("like", "compile"))  # that make a training what it is
RECIPE_DEFAULTS: dict[str, Any] = Recipe().model_dump(mode="json", exclude={"like"})


def merged(*recipes: Mapping[str, Any]) -> dict[str, Any]:
    """Plain recipes laid over each other, later ones on top; batch sizes are merged stream by stream."""
    out: dict[str, Any] = {}
    for recipe in recipes:
        batch = {**out.get("batch", {}), **recipe.get("batch", {})}
        out.update(recipe)
        if batch:
            out["batch"] = batch
    return out


def conflicts(recipe: Mapping[str, Any]) -> list[str]:
    """What a full recipe asks for that cannot be had together."""
    out = []
    if recipe["schedule"] == "steps" and not recipe["milestones"]:
        out.append("schedule 'steps' needs milestones")
    if recipe["optimiser"] == "sgd" and recipe["nesterov"] and recipe["momentum"] == 0:
        out.append("nesterov needs a momentum above 0")
    return out
