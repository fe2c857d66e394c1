"""Presets: named combinations of method, source, view, start and rounds, read from short YAML files, filled into a suite's arms.

A preset is a fragment of a suite with its paper. What it stands for is planned, so it shares results with the same thing written
by hand; only its name is shorter.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from kdbench.contract.needs import Axis
from kdbench.suite.catalogue import Catalogue, Plugin, find
from kdbench.suite.document import Cursor, Document, Loc
from kdbench.suite.entry import Arm, Entry, Name, Source, Text, View
from kdbench.suite.errors import Problem, SuiteError, listing, nearest
from kdbench.suite.marks import OneOrMany, Strict, identity, runtime
from kdbench.suite.recipe import Recipe, merged
from kdbench.suite.recipes import with_recipes
from kdbench.suite.references import reference_problems
from kdbench.suite.schema import Suite
from kdbench.suite.validate import needs_mapping, validated
from kdbench.suite.yaml import comment_of, loads


class Requires(Strict):
    """What a preset is for, beyond what its method needs."""

    axes: OneOrMany[Axis] = runtime("what the task may decide on", get_args(Axis))
    grid: bool = runtime("whether decisions must lie on a map", False)


class Preset(Entry):
    """A preset file: an arm's entries, the sources and views that it names, and where it comes from."""

    paper: Text = runtime("authors, title, venue, year")
    requires: Requires = runtime("tasks that it is for", Requires)
    controls: OneOrMany[Text] = runtime("methods or presets that are planned wherever this one is", ())
    sources: dict[Name, Source] = identity("sources that it names, as in a suite", dict)
    views: dict[Name, View] = identity("views that it names, as in a suite", dict)


def read_preset(plugin: Plugin, catalogue: Catalogue) -> Preset:
    """The preset of a plugin. Raises SuiteError with every mistake of its file, at its place."""
    from kdbench.suite.plugins import plugin_problems

    preset, fragment = _parsed(plugin.facts["text"], plugin.facts["path"])
    problems = plugin_problems(Cursor(fragment), catalogue) if find(catalogue, "preset", preset.method) is None else []
    if find(catalogue, "method", preset.method) is None and not problems:
        known = sorted(catalogue.names("method"))
        what = f"unknown method '{preset.method}'"
        problems = [fragment.problem(("methods", 0, "method"), what, f"one of {listing(known)}", nearest(preset.method, known))]
    if problems:
        raise SuiteError(problems, fragment.text)
    return with_recipes(preset, catalogue)


@functools.lru_cache(maxsize=256)
def _parsed(text: str, path: str) -> tuple[Preset, Document]:
    """A preset's file, and the same as a suite with this one arm."""
    document = loads(text, path)
    needs_mapping(document, "method and paper")
    own = document.data
    preset, problems = validated(document, Preset)
    parts = ("sources", "views")
    arm = {name: value for name, value in own.items() if name not in ("paper", "requires", "controls", *parts)}
    fragment = loads(text, path)
    fragment.data = {**{name: own.get(name) for name in parts}, "methods": [arm]}
    for mine, theirs in ((fragment.values, document.values), (fragment.keys, document.keys)):
        mine |= {("methods", 0, *loc): place for loc, place in theirs.items() if loc}
    problems = [*document.problems, *problems, *reference_problems(Cursor(fragment))]
    if problems or preset is None:
        raise SuiteError(problems, text)
    return preset, fragment


def filled(arm: Arm, name: str, preset: Preset) -> Arm:
    """An arm that names a preset, with everything that it leaves out taken from there; params, recipe and rounds are merged."""
    given = arm.model_fields_set
    own = {field: getattr(preset, field) for field in Entry.model_fields if field not in given or field == "method"}
    own["params"] = {**preset.params, **arm.params}
    own["recipe"] = Recipe.model_validate(merged(preset.recipe.given(), arm.recipe.given()))
    if arm.rounds is not None and preset.rounds is not None:
        own["rounds"] = preset.rounds.model_copy(update={key: getattr(arm.rounds, key) for key in arm.rounds.model_fields_set})
    out = arm.model_copy(update=own)
    out._preset = (name, preset)
    return out


def with_presets(suite: Suite, catalogue: Catalogue) -> Suite:
    """The suite with every preset written out: its arms filled in, its controls, sources and views added."""
    problems: list[Problem] = []
    sources, views = dict(suite.sources), dict(suite.views)

    def bring(preset: Preset, name: str, loc: Loc) -> None:
        taken = [("source", title) for title, part in preset.sources.items() if sources.setdefault(title, part) != part]
        taken += [("view", title) for title, part in preset.views.items() if views.setdefault(title, part) != part]
        for kind, title in taken:
            what = f"preset '{name}' brings a {kind} '{title}', and the suite has another of that name"
            problems.append(suite.document.problem(loc, what, f"another name for the suite's {kind}"))

    def arms(entries: tuple[Arm, ...], under: Loc) -> Iterator[Arm]:
        wanted: dict[str, Arm] = {}
        for i, arm in enumerate(entries):
            named = find(catalogue, "preset", arm.method)
            if named is None:
                yield arm
                continue
            preset = read_preset(named, catalogue)
            bring(preset, named.name, (*under, i))
            yield filled(arm, named.name, preset)
            wanted |= dict.fromkeys(preset.controls, arm)
        for control, arm in wanted.items():
            if all(entry.method != control for entry in entries):
                extra = Arm(method=control, tasks=arm.tasks, seeds=arm.seeds)
                extra._control_of = arm.method
                yield from arms((extra,), (*under, len(entries)))

    methods = tuple(arms(suite.methods, ("methods",)))
    tasks = tuple(
        task.model_copy(update={"methods": tuple(arms(task.methods, ("tasks", i, "methods")))})
        for i, task in enumerate(suite.tasks)
    )
    if problems:
        raise SuiteError(problems, suite.document.text)
    return suite.model_copy(update={"methods": methods, "tasks": tasks, "sources": sources, "views": views})


@dataclass(frozen=True)
class Sections:
    """A preset's file for a reader: what it is, where it comes from, and what one would write without it."""

    comment: str
    paper: str
    written: str


def sections(plugin: Plugin, catalogue: Catalogue) -> Sections:
    text = plugin.facts["text"]
    written = [line for line in text.splitlines() if line and not line.startswith(("#", "paper:"))]
    return Sections(comment_of(text), read_preset(plugin, catalogue).paper, "\n".join(written))
