"""Fills in what a suite leaves to its tasks: pairs, recipes, and the sets and augmentations behind a view's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from kdbench.suite.carded import carded
from kdbench.suite.catalogue import Catalogue, Plugin, side, usual_view
from kdbench.suite.document import Loc
from kdbench.suite.entry import FRESH, Arm, View
from kdbench.suite.errors import Problem, listing, nearest
from kdbench.suite.params import canonical_params
from kdbench.suite.recipe import RECIPE_DEFAULTS, Recipe, conflicts, merged
from kdbench.suite.recipes import with_recipes
from kdbench.suite.references import ALWAYS, DEFAULT
from kdbench.suite.schema import Pair, Profile, Suite, Task, Teacher


@dataclass(frozen=True)
class PairPlan:
    """A pair of one task: its teachers and student as plain data, the student's recipe and start before any arm changes them."""

    name: str
    teachers: tuple[dict[str, Any], ...]
    student: dict[str, Any]
    recipe: dict[str, Any]
    init: Any = FRESH


@dataclass(frozen=True)
class TaskPlan:
    """A task of a suite with its pairs; `data` is what an arm says of it."""

    entry: Task
    loc: Loc
    plugin: Plugin
    data: dict[str, Any]
    pairs: list[PairPlan]


@dataclass(frozen=True)
class EntryPlan:
    """An arm's entry in one pair of a task, and where it is written."""

    task: TaskPlan
    pair: PairPlan
    entry: Arm
    loc: Loc


@dataclass
class Resolver:
    """Resolves the parts of one suite under one profile; what cannot be resolved is collected in `problems`."""

    suite: Suite
    catalogue: Catalogue
    profile: Profile
    problems: list[Problem] = field(default_factory=list)

    def report(self, loc: Loc, message: str, expected: str | None = None, suggestion: str | None = None) -> None:
        self.problems.append(self.suite.document.problem(loc, message, expected, suggestion))

    def part(self, kind: str, name: str, params: Mapping[str, Any]) -> dict[str, Any]:
        plugin: Plugin = getattr(self.catalogue, kind)(name)
        # Models are called by the key they have everywhere else in a suite.
        key = "model" if kind == "model" else "name"
        return {key: plugin.name, "version": plugin.version, "params": canonical_params(plugin, params)}

    def tasks(self) -> list[TaskPlan]:
        plans = []
        for i, entry in enumerate(self.suite.tasks):
            plugin = self.catalogue.task(entry.task)
            params = canonical_params(plugin, {**entry.params, **self.profile.params.get(entry.label, {})})
            data = {"name": entry.label, "plugin": plugin.name, "version": plugin.version, "params": params}
            plan = TaskPlan(entry, ("tasks", i), plugin, data, [])
            for j, pair in enumerate(entry.pairs or (Pair(name=DEFAULT),)):
                plan.pairs.append(self.pair(plan, pair, ("tasks", i, "pairs", j)))
            plans.append(plan)
        return plans

    def pair(self, plan: TaskPlan, pair: Pair, loc: Loc) -> PairPlan:
        own = side(plan.plugin, "student")
        written = pair.student
        model, params = (written.model, written.params) if written else (own["model"], own.get("params", {}))
        given = written.recipe.given() if written else {}
        student = self.part("model", model, params)
        recipe = merged(RECIPE_DEFAULTS, self.recipe(plan, own), given, plan.entry.recipe.given())
        if pair.teacher is not None:
            several = isinstance(self.suite.document.at((*loc, "teacher")), list)
            teachers = [
                self.teacher(plan, teacher, (*loc, "teacher", i) if several else (*loc, "teacher"))
                for i, teacher in enumerate(pair.teacher)
            ]
        else:
            teachers = self.own_teachers(plan)
        return PairPlan(pair.name, tuple(teachers), student, recipe, written.init.plain() if written else FRESH)

    def teacher(self, plan: TaskPlan, teacher: Teacher, loc: Loc) -> dict[str, Any]:
        if teacher.card is not None:
            return carded(self, plan.plugin, teacher.card, loc)
        part = self.part("model", teacher.model, teacher.params)
        if teacher.weights is not None:
            foreign = {"outputs": teacher.outputs} if teacher.outputs else {}
            return {**part, "recipe": None, "view": None, "pool": 1, "weights": teacher.weights, **foreign}
        recipe = self.full(loc, self.recipe(plan, side(plan.plugin, "teacher")), teacher.recipe.given())
        if teacher.view in self.suite.views or teacher.view in (None, DEFAULT):
            view = self.view(plan, teacher.view or DEFAULT, role="teacher")
        else:
            view = self.view(plan, DEFAULT, role="teacher", augment=teacher.view)
        start = {"init": init} if (init := teacher.init.plain()) != FRESH else {}
        return {**part, "recipe": recipe, "view": view, "pool": teacher.pool, "weights": None, **start}

    def own_teachers(self, plan: TaskPlan) -> list[dict[str, Any]]:
        declared = plan.plugin.facts["pair"]["teacher"]
        change = plan.entry.teachers
        out = []
        for own in [declared] if isinstance(declared, Mapping) else declared:
            part = self.part("model", own["model"], own.get("params", {}))
            given = change.recipe.given() if change else {}
            recipe = self.full((*plan.loc, "teachers"), self.recipe(plan, own), given)
            view = self.view(plan, DEFAULT, role="teacher", augment=own.get("view"))
            pool = (change.pool if change else None) or own.get("pool", 1)
            out.append({**part, "recipe": recipe, "view": view, "pool": pool, "weights": None})
        return out

    def recipe(self, plan: TaskPlan, declared: Mapping[str, Any]) -> dict[str, Any]:
        """What a task declares for a side of its own pair, and the suite over it: the base of every recipe of that side."""
        try:
            own = with_recipes(Recipe.model_validate(declared.get("recipe", {})), self.catalogue)
            return merged(own.given(), self.suite.recipe.given())
        except (ValidationError, KeyError) as error:
            self.report(plan.loc, f"task '{plan.plugin.name}' declares a recipe that is none: {error}")
            return {}

    def full(self, loc: Loc, *recipes: Mapping[str, Any]) -> dict[str, Any]:
        """A complete recipe; the profile's has the last word."""
        full = merged(RECIPE_DEFAULTS, *recipes, self.profile.recipe.given())
        for conflict in conflicts(full):
            self.report(loc, conflict)
        return full

    def source(self, name: str) -> dict[str, Any]:
        source = self.suite.sources.get(name) or ALWAYS[name]
        part = self.part("source", source.source, source.params)
        own = self.catalogue.source(source.source).facts.get("gives", {}).get("own")  # the student's own kin answer
        teachers = 0 if own else source.teachers if source.teachers is not None else int(not source.also)
        full = {"name": name, "plugin": part["name"], "version": part["version"], "params": part["params"], "teachers": teachers}
        return {**full, "also": list(source.also)} if source.also else full

    def view(
        self, plan: TaskPlan, name: str, role: str = "labelled", augment: str | None = None, quiet: bool = False
    ) -> dict[str, Any]:
        """A view with the task's own sets, augmentation and bank where it names none. `role` says whose labelled set is meant."""
        facts = plan.plugin.facts
        view = self.suite.views.get(name, View())
        augments = facts["augments"]
        own = usual_view(facts)
        chosen = {
            "labelled": self._set(plan, name, "labelled", view.labelled or role, quiet),
            "transfer": self._set(plan, name, "transfer", view.transfer or "transfer", quiet) if role != "teacher" else None,
            "augment": view.augment or augment or own,
        }
        if view.augment and view.augment not in augments and not quiet:
            known = f"one of {listing(augments)}"
            what = f"task '{plan.data['name']}' has no augmentation '{view.augment}'"
            self.report(("views", name, "augment"), what, known, nearest(view.augment, augments))
        bank = facts.get("bank") if view.bank is None else view.bank
        full = {"name": name, **chosen, "bank": bank or 0, "seed": view.seed}
        if view.stages and role != "teacher":  # a view without stages is written as it was before there were any
            full["stages"] = [self.part("stage", stage.stage, stage.params) for stage in view.stages]
        if view.sampler != "shuffled" and role != "teacher":
            full["sampler"] = view.sampler
        return full

    def _set(self, plan: TaskPlan, view: str, key: str, name: str, quiet: bool) -> str:
        """A set by its own name, else by the name of a role."""
        sets, roles = plan.plugin.facts["sets"], plan.plugin.facts["roles"]
        written = getattr(self.suite.views.get(view), key, None) is not None
        if written and name in sets:
            return name
        if name not in roles and not quiet:
            known = dict.fromkeys([*sets, *roles])
            what = f"task '{plan.data['name']}' has no set '{name}'"
            self.report(("views", view, key), what, f"one of {listing(known)}", nearest(name, known))
        return roles.get(name, name)
