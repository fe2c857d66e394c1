"""A cell whose setting is to be chosen: the settings that may be, each as the arm that it makes, and the trials that decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kdbench.metrics.catalogue import MetricInfo
from kdbench.suite.arm import Arm, Place
from kdbench.suite.label import text


@dataclass(frozen=True)
class Setting:
    """One point of a grid."""

    params: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)

    def values(self) -> dict[str, Any]:
        """By the names that a label gives them."""
        return {**self.params, **{f"recipe.{name}": value for name, value in self.recipe.items()}}

    def __str__(self) -> str:
        return ", ".join(f"{name}={text(value)}" for name, value in self.values().items())


@dataclass(frozen=True)
class Variant:
    """A setting and the arm that it makes, with a seed that stands for any."""

    setting: Setting
    arm: Arm


@dataclass(frozen=True)
class Tuning:
    """What is chosen among for one cell, by which metric of the validation split, and at which seeds.

    `place` is the cell as the suite writes it.
    `task` is the task of the trials: where it holds nothing out by itself, `hold_out` says what is held out of them alone.
    """

    place: Place
    variants: tuple[Variant, ...]
    seeds: tuple[int, ...]
    metric: MetricInfo
    task: dict[str, Any]
    hold_out: Mapping[str, Any] = field(default_factory=dict)

    def trials(self) -> list[Arm]:
        """The arms to train before anything can be chosen, variant by variant."""
        return [self.trial(variant, seed) for variant in self.variants for seed in self.seeds]

    def trial(self, variant: Variant, seed: int) -> Arm:
        def tried(arm: Arm) -> Arm:
            return replace(arm, task=self.task, seed=seed, written=self.place.cell, trial=True)

        return replace(tried(variant.arm), before=tuple(tried(arm) for arm in variant.arm.before))

    def ends(self, chosen: int) -> list[str]:
        """What of a choice lies at the end of its grid, so that a value beyond it may be better."""
        found = []
        for name, value in self.variants[chosen].setting.values().items():
            tried = [variant.setting.values()[name] for variant in self.variants]
            if all(isinstance(one, int | float) and not isinstance(one, bool) for one in tried) and len(set(tried)) > 1:
                found += [f"{name} is the smallest"] if value == min(tried) else []
                found += [f"{name} is the largest"] if value == max(tried) else []
        return found
