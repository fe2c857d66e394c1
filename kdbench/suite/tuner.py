"""Finds the grid of every arm that a suite tunes, and says what of it cannot be tried."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kdbench.metrics.catalogue import METRICS, MetricInfo, primary
from kdbench.suite.arm import Arm
from kdbench.suite.choice import Choice
from kdbench.suite.document import Loc
from kdbench.suite.entry import Arm as ArmEntry
from kdbench.suite.errors import listing
from kdbench.suite.metric_names import meant
from kdbench.suite.params import canonical_params, misses, swept
from kdbench.suite.recipe import Recipe, merged
from kdbench.suite.resolve import EntryPlan, Resolver, TaskPlan
from kdbench.suite.shape import written
from kdbench.suite.tune import Tune
from kdbench.suite.tuning import Setting, Tuning, Variant

VAL = ("val", "val_fold")  # the params by which tasks hold a validation split out of train: 0 where they train on all


@dataclass(frozen=True)
class Grid:
    """What one arm tries."""

    tune: Tune
    loc: Loc
    settings: tuple[Setting, ...]
    metric: MetricInfo


@dataclass
class Tuner:
    """The grids of one suite. `used` are the entries of `tune:` that some arm has."""

    resolver: Resolver
    used: set[int] = field(default_factory=set)

    def entries(self) -> Iterator[tuple[int, Tune, Loc]]:
        several = isinstance(self.resolver.suite.document.at(("tune",)), list)
        for i, tune in enumerate(self.resolver.suite.tune):
            yield i, tune, ("tune", i) if several else ("tune",)

    def grid(self, plan: EntryPlan, choice: Choice, seeds: Sequence[int]) -> Grid | None:
        """The settings that an arm is to choose among; None where it is not tuned, or where they cannot be tried."""
        task, entry = plan.task, plan.entry
        meant = [(i, tune, loc) for i, tune, loc in self.entries() if self.means(tune, task, entry)]
        if not meant:
            return None
        self.used |= {i for i, *_ in meant}
        _, tune, loc = meant[0]
        if len(meant) > 1:
            what = f"tunes '{entry.name or entry.method}' of {task.data['name']} a second time"
            self.resolver.report(meant[1][2], what, "one grid for each arm")
            return None
        if again := sorted(set(seeds) & set(tune.seeds)):
            what = f"seed {again[0]} is reported too: what a setting was chosen by says too much good of it"
            self.resolver.report((*loc, "seeds"), what, "seeds that the suite does not report")
        metric = self.metric(task, tune, loc)
        settings = self.settings(entry, choice, tune, loc)
        sound = self.held_out(task, tune, loc)
        return Grid(tune, loc, settings, metric) if metric and settings and sound else None

    def means(self, tune: Tune, task: TaskPlan, entry: ArmEntry) -> bool:
        catalogue = self.resolver.catalogue
        if tune.tasks is not None and task.data["name"] not in tune.tasks:
            return False
        called = {entry.name, entry._preset[0] if entry._preset else catalogue.method(entry.method).name}
        plugins = (catalogue.at_hand("method", name) for name in tune.methods)
        return not called.isdisjoint({*tune.methods, *(plugin.name for plugin in plugins if plugin)})

    def metric(self, task: TaskPlan, tune: Tune, loc: Loc) -> MetricInfo | None:
        family = task.plugin.facts["family"]
        if tune.metric is None:
            return next(info for info in primary(family) if info.kind == "truth")
        known = {i.name: i for i in METRICS if i.family == family and i.kind != "fidelity" and i.direction != "zero"}
        if tune.metric not in known:
            what = f"'{tune.metric}' does not rank settings of {task.data['name']} on a validation split"
            self.resolver.report((*loc, "metric"), what, f"one of {listing(known)}", meant(tune.metric, known))
        return known.get(tune.metric)

    def settings(self, entry: ArmEntry, choice: Choice, tune: Tune, loc: Loc) -> tuple[Setting, ...]:
        """Every combination of the values, the last one running fastest; nothing where a value does not fit."""
        plugin = self.resolver.catalogue.method(choice.method)
        known = {**plugin.defaults, **choice.params}
        before = len(self.resolver.problems)
        axes: list[list[tuple[str, str, Any]]] = []
        for part, name, tried in [("params", *item) for item in tune.params.items()] + self.factors(
            tune, known, plugin.name, loc
        ):
            if swept(plugin, name, entry.params.get(name)):
                self.resolver.report((*loc, part, name), f"'{name}' is tuned here, and swept by the arm {plugin.name}")
            for i, value in enumerate(tried):
                wrong = [miss for miss in misses(plugin, {**choice.params, name: value}) if miss.loc[:1] == (name,)]
                for miss in wrong:
                    at = (*loc, part, name) if miss.key else (*loc, part, name, i)
                    self.resolver.report(at, f"{plugin.name}.{name}: {miss.message}", miss.expected, miss.suggestion)
            axes.append([("params", name, value) for value in tried])
        for name, tried in tune.recipe.items():
            axes.append([("recipe", name, Recipe.model_validate({name: value}).given()[name]) for value in tried])
        if len(self.resolver.problems) > before:
            return ()
        return tuple(
            Setting(*({name: value for kind, name, value in point if kind == part} for part in ("params", "recipe")))
            for point in itertools.product(*axes)
        )

    def factors(self, tune: Tune, known: Mapping[str, Any], method: str, loc: Loc) -> list[tuple[str, str, Sequence[Any]]]:
        """The values that `times` comes to for an arm, to three digits."""
        found: list[tuple[str, str, Sequence[Any]]] = []
        for name, factors in tune.times.items():
            base = known.get(name)
            if isinstance(base, bool) or not isinstance(base, int | float) or not base:
                what = f"{method} has no {name} above 0 that could be multiplied"
                self.resolver.report((*loc, "times", name), what, "its values, under params")
                continue
            values = [float(f"{base * factor:.3g}") for factor in factors]
            whole = isinstance(base, int) and all(value.is_integer() for value in values)
            found.append(("times", name, [int(value) for value in values] if whole else values))
        return found

    def held_out(self, task: TaskPlan, tune: Tune, loc: Loc) -> bool:
        """Whether the trials of a task have a validation split, as far as its params tell."""
        params = self.trial_params(task, tune)
        wrong = [miss for miss in misses(task.plugin, params) if miss.loc and miss.loc[0] in tune.hold_out]
        for miss in wrong:
            what = f"{task.plugin.name}: {miss.message}"
            self.resolver.report((*loc, "hold_out", *miss.loc), what, miss.expected, miss.suggestion)
        known = [name for name in VAL if name in task.plugin.schema.get("properties", {})]
        if known and not any({**task.plugin.defaults, **params}.get(name) for name in known):
            what = f"{task.data['name']} trains on all that it has ({known[-1]} is 0), so there is nothing to choose by"
            way = f"hold_out: {{{known[-1]}: ...}}, for the trials alone, or {known[-1]} among the task's params, for every run"
            self.resolver.report(loc, what, way)
            return False
        return not wrong

    def trial_params(self, task: TaskPlan, tune: Tune) -> dict[str, Any]:
        return {**task.data["params"], **tune.hold_out}

    def tuning(self, grid: Grid, task: TaskPlan, arm: Arm, variants: Sequence[Arm]) -> Tuning:
        """The choice that an arm waits for; two settings that make the same arm are a mistake."""
        seen: dict[str, Setting] = {}
        for setting, variant in zip(grid.settings, variants):
            same = seen.setdefault(written(variant.identity()), setting)
            if same is not setting:
                self.resolver.report(grid.loc, f"{same} and {setting} make the same arm of '{arm.cell}'", "settings that differ")
        trial = {**arm.task, "params": canonical_params(task.plugin, self.trial_params(task, grid.tune))}
        tried = tuple(Variant(setting, variant) for setting, variant in zip(grid.settings, variants))
        return Tuning(arm.place, tried, grid.tune.seeds, grid.metric, trial, grid.tune.hold_out)


def varied(choice: Choice, setting: Setting) -> Choice:
    """What an arm is told, with a setting of its grid in the place of its own."""
    return replace(choice, params={**choice.params, **setting.params}, recipe=merged(choice.recipe, setting.recipe))
