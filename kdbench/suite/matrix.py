"""The matrix of a suite: tasks, pairs, methods, swept params, sources, views and seeds become arms, with the control 'none'."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kdbench.suite.arm import Arm
from kdbench.suite.catalogue import Plugin, find, learns_alone, reads_transfer
from kdbench.suite.choice import Choice, choices, in_order
from kdbench.suite.entry import EARLIER, INITIAL
from kdbench.suite.entry import Arm as ArmEntry
from kdbench.suite.naming import Namer
from kdbench.suite.params import sweep
from kdbench.suite.references import DEFAULT
from kdbench.suite.resolve import PairPlan, Resolver, TaskPlan
from kdbench.suite.schema import Profile
from kdbench.suite.yaml import Loc

CONTROL = "none"


@dataclass
class Planner:
    """Plans the arms of a suite; `under` tells of the profile in messages."""

    resolver: Resolver
    under: str = ""
    places: dict[str, tuple[Arm, Loc]] = field(default_factory=dict)

    def plan(self, subset: Profile) -> list[Arm]:
        """Every arm, or those of the tasks and methods that a profile names."""
        self.places.clear()
        suite = self.resolver.suite
        arms: list[Arm] = []
        for task in self.resolver.tasks():
            if subset.tasks is not None and task.data["name"] not in subset.tasks:
                continue
            shared = [(entry, ("methods", i)) for i, entry in enumerate(suite.methods)]
            own = [(entry, (*task.loc, "methods", i)) for i, entry in enumerate(task.entry.methods)]
            entries = [
                (entry, loc)
                for entry, loc in [*shared, *own]
                if (entry.tasks is None or task.data["name"] in entry.tasks) and self.wanted(entry, subset)
            ]
            listed = any(self.is_control(entry) for entry, _ in entries)
            for pair in task.pairs:
                planned = [arm for entry, loc in entries for arm in self.entry(task, pair, entry, loc)]
                arms += planned if listed else [*self.controls(task, pair, planned), *planned]
        return arms

    def wanted(self, entry: ArmEntry, subset: Profile) -> bool:
        """Whether a profile keeps an arm. The control stays, listed or not: without it no number means much."""
        if subset.methods is None or self.is_control(entry):
            return True
        if entry._preset is not None or entry._control_of is not None:
            return not {entry.name, entry._control_of, *(entry._preset or ())[:1]}.isdisjoint(subset.methods)
        name = self.resolver.catalogue.method(entry.method).name
        plugins = (find(self.resolver.catalogue, "method", want) for want in subset.methods)
        return entry.name in subset.methods or name in {plugin.name for plugin in plugins if plugin}

    def is_control(self, entry: ArmEntry) -> bool:
        return self.resolver.catalogue.method(entry.method).name == CONTROL and not entry.wrap and entry.rounds is None

    def plugins(self, entry: ArmEntry) -> tuple[Plugin, list[Plugin]]:
        catalogue = self.resolver.catalogue
        return catalogue.method(entry.method), [catalogue.wrapper(wrap.wrapper) for wrap in entry.wrap]

    def entry(self, task: TaskPlan, pair: PairPlan, entry: ArmEntry, loc: Loc) -> Iterator[Arm]:
        """The arms of one entry, without those that an equal entry has planned."""
        here: set[str] = set()
        alone = learns_alone(*self.plugins(entry))
        for arm in self.matrix(task, pair, entry, loc):
            key = json.dumps([arm.task["name"], arm.pair, arm.identity()], sort_keys=True)
            if key in here and alone:
                continue  # views that differ only in what this method does not read
            here.add(key)
            if key not in self.places:
                self.places[key] = (arm, loc)
                yield arm
                continue
            first, other = self.places[key]
            if other[0] == loc[0] or first != arm:
                line = self.resolver.suite.document.place(other)[0]
                names = f"'{arm.cell}'" + ("" if first.cell == arm.cell else f", there called '{first.cell}'")
                self.resolver.report(loc, f"plans the same arm as line {line}{self.under}: {names}")

    def matrix(self, task: TaskPlan, pair: PairPlan, entry: ArmEntry, loc: Loc) -> Iterator[Arm]:
        resolver = self.resolver
        plugin, wrappers = self.plugins(entry)
        seeds = resolver.profile.seeds or entry.seeds or resolver.suite.seeds
        namer = Namer(resolver, pair, entry)
        for choice, count in choices(entry, sweep(plugin, entry.params), learns_alone(plugin, wrappers)):
            arms: list[Arm] = []
            for number, part in enumerate(in_order(choice, entry, count)):
                arms.append(self.arm(task, pair, entry, part, loc, number))
            last = arms[-1]
            cell = namer.cell(last, choice, count)
            preset = entry._preset[0] if entry._preset else None
            for seed in seeds:
                before = tuple(replace(arm, seed=seed) for arm in arms[:-1])
                yield replace(last, seed=seed, cell=cell, alias=entry.name, preset=preset, before=before)

    def arm(self, task: TaskPlan, pair: PairPlan, entry: ArmEntry, choice: Choice, loc: Loc, number: int) -> Arm:
        """One arm, or one round of it, with every name looked up; `number` counts the rounds before it."""
        resolver, catalogue = self.resolver, self.resolver.catalogue
        plugin, wrappers = catalogue.method(choice.method), [catalogue.wrapper(wrap.wrapper) for wrap in choice.wrap]
        alone = learns_alone(plugin, wrappers)
        if alone and "source" in choice.told and not entry._preset:
            resolver.report((*loc, "source"), f"'{plugin.name}' learns without a teacher, so it takes no source")
        source = None if alone else resolver.source(choice.source)
        view = resolver.view(task, choice.view)
        if not reads_transfer(plugin, wrappers):
            view = self.without_transfer(task, view)
        self.enough(pair, source, loc)
        init = choice.init.plain()
        self.ordered(source, init, loc, number)
        wrap = [resolver.part("wrapper", w.wrapper, w.params) for w in choice.wrap]
        return Arm(
            task=task.data,
            pair=pair.name,
            teachers=pair.teachers,
            student=self.network(pair, choice.student, loc),
            method={**resolver.part("method", choice.method, choice.params), "wrap": wrap},
            alias=None,
            source=source,
            view=view,
            recipe=resolver.full(loc, pair.recipe, choice.recipe),
            seed=0,
            cell="",
            init=init,
        )

    def network(self, pair: PairPlan, which: str, loc: Loc) -> dict[str, Any]:
        """The pair's student, or in a round one that is built as its teacher is."""
        if which == "student":
            return pair.student
        if len(pair.teachers) > 1:
            what = f"student: teacher is one of {len(pair.teachers)} kinds of teachers in pair '{pair.name}'"
            self.resolver.report((*loc, "rounds"), what, "a pair with one kind of teacher")
        return {key: pair.teachers[0][key] for key in pair.student}

    def ordered(self, source: dict[str, Any] | None, init: Any, loc: Loc, number: int) -> None:
        """Whether what a round takes from others was there before it."""
        also = source.get("also", ()) if source else ()
        back = init.get("earlier", 0) if isinstance(init, dict) else 0
        if EARLIER in also and number == 0:
            what = f"source '{source['name'] if source else ''}' asks the student of the round before, and there is none"
            self.resolver.report((*loc, "source"), what, "rounds: {first: ..., each: ...}")
        if back > number:
            what = (
                f"init starts {back} round{'s' if back > 1 else ''} before, and there {'are' if number != 1 else 'is'} {number}"
            )
            self.resolver.report((*loc, "init"), what, "rounds: {first: ..., each: ...}")
        if INITIAL in also and not back:
            what = f"source '{source['name'] if source else ''}' asks the student as it began, and it begins as no earlier one"
            self.resolver.report((*loc, "source"), what, "init: earlier")

    def enough(self, pair: PairPlan, source: dict[str, Any] | None, loc: Loc) -> None:
        pool = sum(teacher["pool"] for teacher in pair.teachers)
        if source and source["teachers"] > pool:
            what = f"source '{source['name']}' asks {source['teachers']} teachers, pair '{pair.name}' has {pool}"
            self.resolver.report(
                (*loc, "source"), what, f"a pool of at least {source['teachers']}, see `teachers: {{pool: ...}}`"
            )

    def without_transfer(self, task: TaskPlan, view: dict[str, Any]) -> dict[str, Any]:
        """A view without its transfer set and its stages, under the one name that stands for all that then are the same."""

        def alone(view: dict[str, Any]) -> dict[str, Any]:
            return {**{key: value for key, value in view.items() if key != "stages"}, "transfer": None, "name": ""}

        wanted = alone(view)
        for name in [DEFAULT, *sorted(self.resolver.suite.views)]:
            if alone(self.resolver.view(task, name, quiet=True)) == wanted:
                return {**wanted, "name": name}
        return {**wanted, "name": view["name"]}

    def controls(self, task: TaskPlan, pair: PairPlan, arms: list[Arm]) -> Iterator[Arm]:
        """The student alone, once for every labelled stream and seed that the arms of a pair use."""
        used: dict[str, set[int]] = {}
        for arm in arms:
            used.setdefault(self.without_transfer(task, arm.view)["name"], set()).add(arm.seed)
        if not arms:
            used[DEFAULT] = set(self.resolver.profile.seeds or self.resolver.suite.seeds)
        for view in sorted(used, key=lambda name: (name != DEFAULT, name)):
            entry = ArmEntry(method=CONTROL, view=(view,), seeds=tuple(sorted(used[view])))
            yield from self.entry(task, pair, entry, task.loc)
