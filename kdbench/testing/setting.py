"""How a plugin is run in a family: with which taps, teachers and source its needs are met; or why the family is refused."""

from __future__ import annotations

import contextlib
import functools
import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kdbench.contract.gives import Gives
from kdbench.contract.needs import Needs, Offer, check
from kdbench.registry import PluginInfo, Registry, load_target
from kdbench.suite.catalogue import learns_alone, needs_of, reads_transfer
from kdbench.testing.families import Family, Model

PLAIN_SOURCES: tuple[tuple[str, Mapping[str, Any], int], ...] = (
    ("live", {}, 1),
    ("ensemble", {}, 2),
    ("ensemble", {"reduce": "logit"}, 2),
    ("live", {"learns": True}, 1),
    ("live", {"labels": "argmax"}, 1),
    ("ensemble", {"labels": "argmax"}, 2),
)
INNER = "kd"  # what a wrapper is tried around


@dataclass(frozen=True)
class Asked:
    """A source as a setting uses it."""

    plugin: PluginInfo
    params: Mapping[str, Any]
    teachers: int


@dataclass(frozen=True)
class Setting:
    """A method in a family, with everything chosen: what `bench.start` builds a run from."""

    family: Family
    task: PluginInfo
    student: Model
    teacher: Model
    method: PluginInfo
    params: Mapping[str, Any]
    wrap: tuple[tuple[PluginInfo, Mapping[str, Any]], ...]
    source: Asked | None
    needs: Needs
    transfer: bool
    registry: Registry

    def but(self, **changes: Any) -> Setting:
        return replace(self, **changes)


def settings(plugin: PluginInfo, family: Family, registry: Registry) -> tuple[list[Setting], list[str]]:
    """Every choice in which a plan would accept the plugin, the plainest first; without any, why the nearest one does not."""
    wrap: tuple[tuple[PluginInfo, Mapping[str, Any]], ...] = ((plugin, {}),) if plugin.kind == "wrapper" else ()
    around = [wrapper for wrapper, _ in wrap]
    method = registry.method(INNER) if wrap else plugin
    found: list[Setting] = []
    reasons: list[list[str]] = []
    choices = itertools.product(asked(method, around, registry), family.all_teachers(registry), list(told_taps(method, family)))
    for source, teacher, params in choices:
        setting = Setting(
            family,
            family.info(registry),
            family.student(registry),
            teacher,
            method,
            params,
            wrap,
            source,
            functools.reduce(operator.or_, [needs_of(method, params), *(needs_of(wrapper, {}) for wrapper in around)]),
            reads_transfer(method, around),
            registry,
        )
        wrong = misfits(setting)
        if wrong:
            reasons.append(wrong)
        else:
            found.append(setting)
    return found, ([] if found else min(reasons, key=len))


def misfits(setting: Setting) -> list[str]:
    """Why a plan would refuse: the same check, on the same facts."""
    registry, facts = setting.registry, setting.task.facts
    offer = Offer(
        axis=facts["axis"],
        fields=frozenset(facts["fields"]),
        grid=facts["grid"],
        student_taps=frozenset(registry.model(setting.student["model"]).facts["taps"]),
        teacher_taps=frozenset(registry.model(setting.teacher["model"]).facts["taps"]),
    )
    wrong: list[str] = []
    if setting.source is not None:
        source = setting.source
        gives = Gives.read(source.plugin.facts["gives"])
        offer, wrong = gives.adds({**source.plugin.defaults, **source.params}, offer, source.teachers)
    return wrong + check(setting.needs, offer)


def asked(method: PluginInfo, wrap: Sequence[PluginInfo], registry: Registry) -> Iterator[Asked | None]:
    """The sources that might serve: none for one that learns alone, else the plain ones, then every other at its defaults."""
    if learns_alone(method, wrap):
        yield None
        return
    for name, params, teachers in PLAIN_SOURCES:
        yield Asked(registry.source(name), params, teachers)
    for name in registry.names("source"):
        if name not in ("live", "ensemble", "stored"):  # a stored one gives less than a live one
            gives = Gives.read(registry.source(name).facts["gives"])
            yield from (Asked(registry.source(name), {}, gives.asked(teachers)) for teachers in (1, 2))


def told_taps(method: PluginInfo, family: Family) -> Iterator[dict[str, Any]]:
    """Params that name taps: the defaults first, then the family's taps, one or several for a list of them."""
    needs = method.facts["needs"]
    told = sorted({name[1:] for name in (*needs["student_taps"], *needs["teacher_taps"]) if name.startswith("$")})
    if all(name in method.defaults for name in told):
        yield {}
    if told:
        fields, accepts = method.schema["properties"], load_target(method.target).Config
        for number, tap in enumerate(family.taps):
            for more in range(1, len(family.taps) - number + 1):
                some = list(family.taps[number : number + more])
                params = {name: some if fields[name].get("type") == "array" else tap for name in told}
                with contextlib.suppress(ValueError):  # a method may ask for two taps at least
                    accepts(**params)
                    yield params
