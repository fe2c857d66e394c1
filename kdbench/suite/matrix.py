"""The matrix of a suite: tasks, pairs, methods, swept params, sources, views and seeds become arms, with the control 'none'."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kdbench.suite.arm import Arm, Place
from kdbench.suite.catalogue import Plugin, learns_alone, reads_transfer
from kdbench.suite.choice import Choice, chain_length, choices, in_order
from kdbench.suite.document import Loc
from kdbench.suite.entry import FRESH
from kdbench.suite.entry import Arm as ArmEntry
from kdbench.suite.errors import SuiteError
from kdbench.suite.naming import Namer
from kdbench.suite.params import sweep, swept
from kdbench.suite.references import DEFAULT
from kdbench.suite.resolve import EntryPlan, PairPlan, Resolver, TaskPlan
from kdbench.suite.schema import Profile
from kdbench.suite.shape import written
from kdbench.suite.supply import report_missing_students, report_missing_teachers
from kdbench.suite.tuner import Tuner, varied
from kdbench.suite.tuning import Tuning

CONTROL = "none"
MOST = 50_000  # arms, each of their seeds, rounds and settings to be tried counted: sweeps multiply before one sees it


@dataclass
class Planner:
    """Plans the arms of a suite; `under` tells of the profile in messages."""

    resolver: Resolver
    under: str = ""
    first: dict[tuple[str, int], tuple[Arm, Loc]] = field(default_factory=dict)  # (what is computed, seed) -> who planned it
    tunings: dict[Place, Tuning] = field(default_factory=dict)
    counted: int = 0

    def __post_init__(self) -> None:
        self.tuner = Tuner(self.resolver)

    def plan(self, subset: Profile) -> list[Arm]:
        """Every arm, or those of the tasks and methods that a profile names."""
        self.first.clear()
        self.tunings.clear()
        self.counted = 0
        suite = self.resolver.suite
        arms: list[Arm] = []
        for task in self.resolver.tasks():
            if subset.tasks is not None and task.data["name"] not in subset.tasks:
                continue
            shared: list[tuple[ArmEntry, Loc]] = [(entry, ("methods", i)) for i, entry in enumerate(suite.methods)]
            own: list[tuple[ArmEntry, Loc]] = [(entry, (*task.loc, "methods", i)) for i, entry in enumerate(task.entry.methods)]
            entries = [
                (entry, loc)
                for entry, loc in [*shared, *own]
                if (entry.tasks is None or task.data["name"] in entry.tasks) and self.wanted(entry, subset)
            ]
            listed = any(self.is_control(entry) for entry, _ in entries)
            for pair in task.pairs:
                planned = [arm for entry, loc in entries for arm in self.arms(EntryPlan(task, pair, entry, loc))]
                arms += planned if listed else [*self.controls(task, pair, planned), *planned]
        return arms

    def wanted(self, entry: ArmEntry, subset: Profile) -> bool:
        """Whether a profile keeps an arm. The control stays, listed or not: without it no number means much."""
        if subset.methods is None or self.is_control(entry):
            return True
        if entry._preset is not None or entry._control_of is not None:
            return not {entry.name, entry._control_of, *(entry._preset or ())[:1]}.isdisjoint(subset.methods)
        name = self.resolver.catalogue.method(entry.method).name
        plugins = (self.resolver.catalogue.at_hand("method", want) for want in subset.methods)
        return entry.name in subset.methods or name in {plugin.name for plugin in plugins if plugin}

    def is_control(self, entry: ArmEntry) -> bool:
        return self.resolver.catalogue.method(entry.method).name == CONTROL and not entry.wrap and entry.rounds is None

    def plugins(self, entry: ArmEntry) -> tuple[Plugin, list[Plugin]]:
        catalogue = self.resolver.catalogue
        return catalogue.method(entry.method), [catalogue.wrapper(wrap.wrapper) for wrap in entry.wrap]

    def arms(self, plan: EntryPlan) -> Iterator[Arm]:
        """The arms of one entry, without those that an equal entry has planned."""
        here: set[tuple[str, int]] = set()
        loc, alone = plan.loc, learns_alone(*self.plugins(plan.entry))
        for row, seeds in self.rows(plan):
            computed = written([row.task["name"], row.pair, row.identity()])
            for seed in seeds:
                arm, key = row.at(seed), (computed, seed)
                if key in here and alone:
                    continue  # views that differ only in what this method does not read
                here.add(key)
                if key not in self.first:
                    self.first[key] = (arm, loc)
                    yield arm
                    continue
                first, other = self.first[key]
                if other[0] == loc[0] or first != arm:
                    line = self.resolver.suite.document.place(other)[0]
                    names = f"'{arm.cell}'" + ("" if first.cell == arm.cell else f", there called '{first.cell}'")
                    self.resolver.report(loc, f"plans the same arm as line {line}{self.under}: {names}")

    def rows(self, plan: EntryPlan) -> Iterator[tuple[Arm, Sequence[int]]]:
        """Each arm, with a seed that stands for any, and its seeds."""
        resolver, entry = self.resolver, plan.entry
        plugin, wrappers = self.plugins(entry)
        alone = learns_alone(plugin, wrappers)
        seeds = resolver.profile.seeds or entry.seeds or resolver.suite.seeds
        self.count(self.size(entry, plugin, alone, len(seeds)), plan.loc)
        namer = Namer(resolver, plan.pair, entry)
        for choice in choices(entry, sweep(plugin, entry.params), alone):
            arm = self.row(plan, choice, namer)
            if grid := self.tuner.grid(plan, choice, seeds):
                self.count(len(grid.settings) * (chain_length(entry, choice.count) + len(grid.tune.seeds)), plan.loc)
                variants = [self.row(plan, varied(choice, setting), namer) for setting in grid.settings]
                tuning = self.tuner.tuning(grid, plan.task, arm, variants)
                self.tunings[tuning.place] = tuning
                arm = replace(arm, written=arm.cell)
            yield arm, seeds

    def size(self, entry: ArmEntry, plugin: Plugin, alone: bool, seeds: int) -> int:
        """How many arms and rounds an entry makes, before the first of them is made."""
        sweeps = [len(value) for name, value in entry.params.items() if swept(plugin, name, value)]
        sources = 1 if alone and entry.rounds is None else len(entry.source)
        counts = entry.rounds.count if entry.rounds is not None else (None,)
        rows = math.prod([*sweeps, sources, len(entry.view), len(entry.init)])
        return rows * sum(chain_length(entry, count) + seeds for count in counts)

    def count(self, more: int, loc: Loc) -> None:
        """Stop before a suite that nobody could run fills the memory."""
        self.counted += more
        if self.counted > MOST:
            what = f"with this, the suite plans more than {MOST:,} arms, rounds and settings"
            raise SuiteError([self.resolver.suite.document.problem(loc, what)], self.resolver.suite.document.text)

    def row(self, plan: EntryPlan, choice: Choice, namer: Namer) -> Arm:
        """The arm of one choice, its rounds before it, with a seed that stands for any."""
        entry = plan.entry
        *before, last = [self.arm(plan, part, number) for number, part in enumerate(in_order(choice, entry))]
        preset = entry._preset[0] if entry._preset else None
        return replace(last, cell=namer.cell(last, choice), alias=entry.name, preset=preset, before=tuple(before))

    def arm(self, plan: EntryPlan, choice: Choice, number: int) -> Arm:
        """One arm, or one round of it, with every name looked up; `number` counts the rounds before it."""
        task, pair, loc = plan.task, plan.pair, plan.loc
        resolver, catalogue = self.resolver, self.resolver.catalogue
        plugin, wrappers = catalogue.method(choice.method), [catalogue.wrapper(wrap.wrapper) for wrap in choice.wrap]
        alone = learns_alone(plugin, wrappers)
        if alone and "source" in choice.told and not plan.entry._preset:
            resolver.report((*loc, "source"), f"'{plugin.name}' learns without a teacher, so it takes no source")
        source = None if alone else resolver.source(choice.source)
        view = resolver.view(task, choice.view)
        if not reads_transfer(plugin, wrappers):
            view = self.without_transfer(task, view)
        init = self.start(pair, choice)
        report_missing_teachers(resolver, pair, source, loc)
        report_missing_students(resolver, source, init, loc, number)
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

    def start(self, pair: PairPlan, choice: Choice) -> Any:
        """Where weights start: as the arm or the round says, else as the network's own side of the pair does."""
        if "init" in choice.told:
            return choice.init.plain()
        return pair.init if choice.student == "student" else pair.teachers[0].get("init", FRESH)

    def network(self, pair: PairPlan, which: str, loc: Loc) -> dict[str, Any]:
        """The pair's student, or in a round one that is built as its teacher is."""
        if which == "student":
            return pair.student
        if len(pair.teachers) > 1:
            what = f"student: teacher is one of {len(pair.teachers)} kinds of teachers in pair '{pair.name}'"
            self.resolver.report((*loc, "rounds"), what, "a pair with one kind of teacher")
        return {key: pair.teachers[0][key] for key in pair.student}

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
        views = {arm.view["name"]: arm.view for arm in arms}
        alone = {name: self.without_transfer(task, view)["name"] for name, view in views.items()}
        used: dict[str, set[int]] = {}
        for arm in arms:
            used.setdefault(alone[arm.view["name"]], set()).add(arm.seed)
        if not arms:
            used[DEFAULT] = set(self.resolver.profile.seeds or self.resolver.suite.seeds)
        for view in sorted(used, key=lambda name: (name != DEFAULT, name)):
            entry = ArmEntry(method=CONTROL, view=(view,), seeds=tuple(sorted(used[view])))
            yield from self.arms(EntryPlan(task, pair, entry, task.loc))
