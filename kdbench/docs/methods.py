"""The pages of methods, wrappers and presets.

A page holds what the code says (docstring with formula and papers, params, needs), where it runs (on each family's built-in
set the taps and the source with which a plan accepts it, or the reason why it is refused), and what the archived catalogue
measured. A test compares pages and code.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kdbench.docs.markdown import cell
from kdbench.docs.measured import MEASURED, measured
from kdbench.docs.params import params
from kdbench.jobs.graph import graph
from kdbench.registry import PluginInfo, Registry, load_target
from kdbench.suite import expand, parse_suite
from kdbench.suite.presets import sections
from kdbench.suite.yaml import loads
from kdbench.testing.case import Case, refusal
from kdbench.testing.families import FAMILIES, Family
from kdbench.testing.setting import Setting, settings

KINDS = ("method", "wrapper", "preset")
POOL = 4
INTRODUCTION = """\
# Methods

Made from the code by `python -m kdbench.docs`; do not edit. A *method* turns a step into terms of a loss, a *wrapper* goes around
a method, a *preset* is a named combination of method, source, view and rounds. In the matrix ● runs on the built-in set of the
family, ○ runs there with taps, a source or a teacher other than the usual ones, and · is refused; the page says how and why.
"""


def pages(registry: Registry | None = None) -> dict[str, str]:
    """Every page by its file name."""
    registry = registry or Registry(packages=False)
    found, rows = {}, []
    for kind in KINDS:
        for name in registry.names(kind):
            info = registry.get(kind, name)
            served = {family.name: serves(info, family, registry) for family in FAMILIES}
            found[f"{name}.md"] = page(info, served, registry)
            marks = " | ".join("·" if not runs else "●" if said == "as it is" else "○" for runs, said in served.values())
            rows.append(f"| [{name}]({name}.md) | {kind} | {cell(info.doc)} | {marks} |")
    families = [family.name for family in FAMILIES]
    counts = ", ".join(f"{len(registry.names(kind))} {kind}s" for kind in KINDS)
    head = f"| name | kind | | {' | '.join(families)} |\n|---|---|---|{'---|' * len(families)}\n"
    found["README.md"] = f"{INTRODUCTION}\n{counts}.\n\n{head}" + "\n".join(rows) + "\n"
    return found


def page(info: PluginInfo, served: Mapping[str, tuple[bool, str]], registry: Registry) -> str:
    parts = [
        f"# {info.name}",
        f"{info.kind}, version {info.version}" if info.kind != "preset" else "preset",
        body(info, registry),
    ]
    if info.schema.get("properties"):
        parts.append(f"## Params\n\n{params(info)}")
    if needs := "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in needed(info)):
        parts.append(f"## Needs\n\n{needs}")
    rows = "\n".join(f"| {family} | {'runs' if runs else 'refused'} | {cell(said)} |" for family, (runs, said) in served.items())
    parts.append(f"## Runs on\n\n| family | | |\n|---|---|---|\n{rows}")
    if rows := "\n".join(measured(info.name)):
        parts.append(f"## Measured here\n\n{MEASURED}\n{rows}")
    return "\n\n".join(parts) + "\n"


def body(info: PluginInfo, registry: Registry) -> str:
    """The docstring of the method's file, or a preset's comment with what it stands for."""
    if info.kind != "preset":
        target = load_target(info.target)
        module = importlib.import_module(target.__module__)
        own = inspect.getdoc(target) or ""
        return f"{own}\n\n{inspect.cleandoc(module.__doc__ or '')}"
    told = sections(info, registry)
    return f"{told.comment}\n\n{told.paper}\n\n```yaml\n{told.written}\n```"


def needed(info: PluginInfo) -> Iterator[tuple[str, str]]:
    for name, value in info.facts.get("needs", {}).items():
        if value not in ([], False, "any", None):
            yield name, ", ".join(f"`{each}`" for each in value) if isinstance(value, list) else str(value).lower()


def serves(info: PluginInfo, family: Family, registry: Registry) -> tuple[bool, str]:
    """Whether a plan accepts the plugin on the family's built-in set, and how, or why not."""
    if info.kind == "preset":
        first = refused(info.name, family.task, family.params, registry)
        if not first:
            return True, "as it is"
        other = next((task for task in family.also if not refused(info.name, task, family.params, registry)), None)
        return (True, f"on `{other}`") if other else (False, "; ".join(first))
    setting, reason = usual(info, family, registry)
    return (False, reason) if setting is None else (True, told(setting, family.all_teachers(registry)[0]))


def refused(preset: str, task: str, params: Mapping[str, Any], registry: Registry) -> Sequence[str]:
    """Why a plan does not accept a preset on a task; empty where it does."""
    where = {"task": task, "params": dict(params), "teachers": {"pool": POOL}}
    document = loads(json.dumps({"version": 1, "name": "docs", "tasks": [where], "methods": [preset]}), preset)
    refusals = graph(expand(parse_suite(document, registry), registry).arms, registry).refusals
    return refusals[0].reasons if refusals else ()


def usual(info: PluginInfo, family: Family, registry: Registry) -> tuple[Setting | None, str]:
    """The plainest setting in which a method can be built, teachers of the pool before the student's own kin; or why none can.

    Networks that do not fit each other are found only by building: what a plan knows of them is the names of their taps.
    """
    key = (info.kind, info.target, family.name)
    if key not in _usual:
        _usual[key] = _build(info, family, registry)
    return _usual[key]


_usual: dict[tuple[str, str, str], tuple[Setting | None, str]] = {}


def _build(info: PluginInfo, family: Family, registry: Registry) -> tuple[Setting | None, str]:
    found, reasons = settings(info, family, registry)
    own = [each for each in found if each.source is not None and each.source.plugin.facts["gives"]["own"]]
    for setting in [*(each for each in found if each not in own), *own]:
        try:
            Case(setting).start()
        except Exception as error:
            if not (said := refusal(error)):
                raise
            reasons.append(said)
            continue
        return setting, ""
    return None, reasons[0] if found else "; ".join(reasons)


def told(setting: Setting, usual: Mapping[str, Any]) -> str:
    """What a setting chooses beyond the defaults."""
    words = [f"{name}: {json.dumps(value)}" for name, value in setting.params.items()]
    if setting.source is not None and (setting.source.plugin.name, dict(setting.source.params)) != ("live", {}):
        more = [f"{name}: {value}".lower() for name, value in setting.source.params.items()]
        more += [f"{setting.source.teachers} teachers"] if setting.source.teachers > 1 else []
        words.append(f"source {setting.source.plugin.name}" + (f" ({', '.join(more)})" if more else ""))
    if setting.teacher != usual:
        words.append(f"a teacher like the student ({setting.teacher['model']})")
    return "; ".join(words) or "as it is"
