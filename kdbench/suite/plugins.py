"""Checks every plugin name and its params in a suite against the catalogue, each miss at its place.

It walks the file rather than the model, so that a mistake of structure in one place hides no wrong name in another.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from kdbench.suite import networks
from kdbench.suite.catalogue import Catalogue, Plugin, find
from kdbench.suite.document import Cursor
from kdbench.suite.errors import MOST_PROBLEMS, Problem, listing, nearest
from kdbench.suite.params import misses
from kdbench.suite.presets import read_preset
from kdbench.suite.recipes import recipe_problems
from kdbench.suite.references import DEFAULT, arms_of, label, rounds_of, unknown
from kdbench.suite.shape import Miss
from kdbench.suite.values import claim_problems, show_problems, view_problems


def plugin_problems(root: Cursor, catalogue: Catalogue) -> list[Problem]:
    """Every unknown plugin and every param that does not fit."""
    return list(islice(_problems(root, catalogue), MOST_PROBLEMS))


def _problems(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    views = [name for name, _ in root["views"].entries()]
    for task in root["tasks"].items():
        plugin = yield from _plugin(task, "task", catalogue)
        known = dict.fromkeys([DEFAULT, *views, *(plugin.facts.get("augments", ()) if plugin is not None else ())])
        for pair in task["pairs"].items():
            yield from _plugin(pair["student"], "model", catalogue)
            for teacher in pair["teacher"].items():
                yield from _plugin(teacher, "model", catalogue)
                if plugin is not None:
                    yield from unknown(teacher["view"], "view", known)
    for arm in arms_of(root):
        yield from _arm(arm, catalogue)
    for _, source in root["sources"].entries():
        yield from _plugin(source, "source", catalogue)
    for _, view in root["views"].entries():
        for stage in view["stages"].items():
            yield from _plugin(stage, "stage", catalogue)
    yield from recipe_problems(root, catalogue)
    yield from view_problems(root, catalogue)
    yield from claim_problems(root, catalogue)
    yield from show_problems(root, catalogue)
    yield from _selections(root, catalogue)
    yield from _tuned_params(root, catalogue)
    yield from _profile_params(root, catalogue)


def _arm(arm: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    method = yield from _method(arm, catalogue)
    for part in (arm, *rounds_of(arm)):
        for wrapper in part["wrap"].items():
            yield from _plugin(wrapper, "wrapper", catalogue)
    for own in rounds_of(arm):
        if own["method"].value is not None:
            yield from _plugin(own, "method", catalogue)
        elif method is not None and isinstance(own["params"].value, dict):
            yield from _merged_params(own["params"], method, arm["params"].value)
    alias = arm["name"].text
    other = (catalogue.at_hand("method", alias) or catalogue.at_hand("preset", alias)) if alias else None
    if other is not None and method is not None and other.name not in (method.name, arm.named("method").text):
        yield arm["name"].problem(f"'{alias}' is another method's name", "a name of its own")


def _method(arm: Cursor, catalogue: Catalogue) -> Any:
    """The plugin of an arm's method, which may be that of a preset; None where there is none."""
    name = arm.named("method").text
    known = find(catalogue, "preset", name) if name else None
    if known is None:
        return (yield from _plugin(arm, "method", catalogue, sweeps=True))
    preset = read_preset(known, catalogue)
    plugin = catalogue.method(preset.method)
    if isinstance(arm["params"].value, dict):
        yield from _merged_params(arm["params"], plugin, preset.params, sweeps=True)
    return plugin


def _merged_params(at: Cursor, plugin: Plugin, under: Any, sweeps: bool = False) -> Iterator[Problem]:
    """Problems of the params that are written here; those that they lie over are told at their own place."""
    under = under if isinstance(under, dict) else {}
    for miss in misses(plugin, {**under, **at.value}, sweeps):
        if miss.loc and miss.loc[0] in at.value:
            yield _problem(at, plugin, miss)


def _plugin(entry: Cursor, kind: str, catalogue: Catalogue, sweeps: bool = False) -> Any:
    """Yield the problems of an entry {kind: name, params: ...}; return its plugin, or None."""
    name = entry.named(kind)
    if name.text is None:
        return None
    plugin = find(catalogue, kind, name.text)
    if plugin is None:
        known = sorted([*catalogue.names(kind), *(catalogue.names("preset") if kind == "method" and sweeps else ())])
        files = [broken.origin for broken in getattr(catalogue, "broken", ()) if broken.origin.endswith(".py")]
        expected = f"it in {' or '.join(files)}, which is broken and was left out" if files else f"one of {listing(known)}"
        near = networks.meant(name.text, known) if kind == "model" else nearest(name.text, known)
        yield name.problem(f"unknown {kind} '{name.text}'", expected, near)
        return None
    if kind == "model" and (wrong := networks.missing(name.text)):
        yield name.problem(*wrong)
    params = entry["params"]
    if params.value is None or isinstance(params.value, dict):
        yield from _params(params if params.value is not None else name, plugin, params.value or {}, sweeps)
    return plugin


def _params(at: Cursor, plugin: Plugin, params: dict[str, Any], sweeps: bool = False) -> Iterator[Problem]:
    for miss in misses(plugin, params, sweeps):
        yield _problem(at, plugin, miss)


def _problem(at: Cursor, plugin: Plugin, miss: Miss) -> Problem:
    names = ".".join(str(step) for step in miss.loc if isinstance(step, str))
    what = f"{plugin.name}.{names}" if names and not miss.key else plugin.name
    return at.document.problem((*at.loc, *miss.loc), f"{what}: {miss.message}", miss.expected, miss.suggestion, miss.key)


def _selections(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    """Methods that excludes, profiles and tunings name: an arm's name, or a method that the suite plans."""
    written = [name for arm in arms_of(root) for name in (arm["name"].text, arm.named("method").text) if name]
    planned = {plugin.name for name in [*written, "none"] if (plugin := _named(name, catalogue))}
    uses = [rule["method"] for rule in root["exclude"].items()]
    uses += [use for _, profile in root["profiles"].entries() for use in profile["methods"].items()]
    uses += [use for tune in root["tune"].items() for use in tune["methods"].items()]
    misspelt = [name for name in (arm.named("method").text for arm in arms_of(root)) if name and not _named(name, catalogue)]
    for use in uses:
        plugin = _named(use.text, catalogue) if use.text else None
        if plugin is not None and nearest(use.text, misspelt):
            continue  # right, and told as a mistake of the arm that it means
        if plugin is None or plugin.name not in planned:
            yield from unknown(use, "method of this suite", sorted({*written, *planned}))


def _tuned_params(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    """Params that a tuning names and its method does not have. Their values are looked at arm by arm, when there are arms."""
    called = {arm["name"].text: arm.named("method").text for arm in arms_of(root)}
    for tune in root["tune"].items():
        for use in tune["methods"].items():
            plugin = _named(called.get(use.text) or use.text or "", catalogue)
            if plugin is None or not plugin.schema:  # of a preset, it is its method's params
                continue
            known = plugin.schema.get("properties", {})
            for name, value in (entry for part in ("params", "times") for entry in tune[part].entries()):
                if name not in known:
                    expected = "one of " + listing(known) if known else "no params"
                    yield value.problem(f"{plugin.name}.{name}: unknown param '{name}'", expected, nearest(name, known), key=True)


def _named(name: str, catalogue: Catalogue) -> Plugin | None:
    return catalogue.at_hand("preset", name) or catalogue.at_hand("method", name)


def _profile_params(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    tasks = {label(task, "task").text: task for task in root["tasks"].items()}
    for _, profile in root["profiles"].entries():
        for name, params in profile["params"].entries():
            task = tasks.get(name)
            plugin = find(catalogue, "task", task.named("task").text or "") if task else None
            if task is None or plugin is None or not isinstance(params.value, dict):
                continue
            yield from _merged_params(params, plugin, task["params"].value)
