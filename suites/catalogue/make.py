"""Writes the suites of the catalogue: every method, wrapper and preset on every built-in set that it serves.

    python suites/catalogue/make.py            # writes classification.yaml, segmentation.yaml, retrieval.yaml, tagging.yaml
    python suites/catalogue/make.py --check    # says whether they are what would be written

Weights come from weights.json, which calibrate.py makes on validation data; what is not in there has its method's default. Taps
and sources are the plainest with which a plan accepts the method.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.docs.methods import refused, usual
from kdbench.registry import PluginInfo, Registry
from kdbench.suite.presets import read_preset
from kdbench.testing.families import FAMILIES, Family
from kdbench.testing.setting import Asked

HERE = Path(__file__).parent
SEEDS, POOL = 5, 3
# Where a method wants what the task's own teacher lacks (a tap, equal widths), the teacher is a network of the student's form.
KIN = """
  - task: {task}
    name: {task}_kin
    pairs: [{{name: kin, teacher: {teacher}}}]
    methods:
"""
# What puts a price on words wants documents that are words.
SPARSE = """
  - task: {task}
    name: {task}_sparse
    pairs: [{{name: sparse, student: {{model: sparse_text}}}}]
    teachers: {{pool: {pool}}}
    methods:
"""
FOR_SPARSE = {"flops", "idf_flops"}
# What is made for another task of the family stands there, beside plain kd.
ALSO = """
  - task: {task}
    teachers: {{pool: {pool}}}
    methods:
"""
# Parts of a preset that say little by themselves: a round, or a loss that waits for pseudo-labels.
WITHIN_PRESETS = {
    "augmented_kd",
    "brier",
    "brier_kd",
    "partitioned_kd",
    "pseudo_labels",
    "trans_encoder_bi",
    "trans_encoder_cross",
}
HEAD = """\
# {family}: every method of the catalogue on `{task}`. Made by suites/catalogue/make.py; weights are calibrated on validation.
version: 1
name: catalogue_{family}
description: >
  Every method, wrapper and preset that serves {axis} on the built-in set {task}, {seeds} seeds. Weights as in
  weights.json: chosen on the validation split by suites/catalogue/calibrate.py, at two other seeds and never on test data;
  else the method's own default.
seeds: {seeds}

tasks:
  - task: {task}
    teachers: {{pool: {pool}}}
    methods:
"""
TAIL = """
profiles:
  smoke: {seeds: 1, recipe: {steps: 6}}
  small: {seeds: 3}
"""
AXES = {"class": "one class per decision", "tag": "independent tags", "candidate": "lists of candidates"}
# Without a teacher another recipe is better on topics, chosen on validation queries.
CONTROLS = {"retrieval": {"method": "none", "recipe": {"lr": 0.001, "batch": 16, "steps": 380}}}


@dataclass
class Catalogue:
    """The arms of a family with the task's own pair, with a teacher of the student's form, with a sparse student, on the family's
    further tasks, and the sources that they name."""

    own: list[dict[str, Any]] = field(default_factory=list)
    kin: list[dict[str, Any]] = field(default_factory=list)
    sparse: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, Any] = field(default_factory=dict)
    also: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


def catalogue(family: Family, registry: Registry, weights: Mapping[str, Any]) -> Catalogue:
    found = Catalogue()
    teacher = family.all_teachers(registry)[0]
    for plugin in (*plugins(registry, "method"), *plugins(registry, "wrapper")):
        setting, _ = usual(plugin, family, registry)
        if setting is None or plugin.name in WITHIN_PRESETS or plugin.name == "none":
            continue
        arm: dict[str, Any] = {"method": setting.method.name}
        if plugin.kind == "wrapper":
            arm["wrap"] = plugin.name
        params = {**setting.params, **weights.get(plugin.name, {})}
        if params:
            arm["params"] = params
        if setting.source is not None and (name := title(setting.source)) != "live":
            arm["source"] = name
            found.sources[name] = written(setting.source)
        (found.own if setting.teacher == teacher else found.kin).append(arm)
    for plugin in plugins(registry, "preset"):
        if refused(plugin.name, family.task, {}, registry):
            for task in (each for each in family.also if not refused(plugin.name, each, {}, registry)):
                found.also.setdefault(task, [{"method": "kd"}]).append({"method": plugin.name})
        else:
            found.own.append({"method": plugin.name, **({"params": weights[plugin.name]} if plugin.name in weights else {})})
    # A control that a preset brings along is planned by itself.
    brought = {name for arm in found.own for name in controls_of(arm["method"], registry)}
    found.sparse = [arm for arm in found.own if FOR_SPARSE.intersection((arm["method"], arm.get("wrap")))]
    found.own = [arm for arm in found.own if arm["method"] not in brought and arm not in found.sparse]
    plain = {"method": "kd", **({"params": weights["kd"]} if "kd" in weights else {})}
    control = [CONTROLS[family.name]] if family.name in CONTROLS else []
    found.own = [*control, *found.own]
    found.kin = [*control, plain, *found.kin] if found.kin else []
    found.sparse = [plain, *found.sparse] if found.sparse else []
    return found


def plugins(registry: Registry, kind: str) -> Iterator[PluginInfo]:
    yield from (registry.get(kind, name) for name in registry.names(kind))


def controls_of(name: str, registry: Registry) -> tuple[str, ...]:
    return read_preset(registry.preset(name), registry).controls if name in registry.names("preset") else ()


def title(source: Asked) -> str:
    """A name that says what a source is: live, two, two_logits, learning, labels."""
    number = {1: "", 2: "two", 3: "three"}.get(source.teachers, "")
    said = [str(value) if isinstance(value, str) else name for name, value in source.params.items()]
    words = [number, *said] if source.plugin.name in ("live", "ensemble") else [source.plugin.name, number, *said]
    return "_".join(word for word in words if word) or "live"


def written(source: Asked) -> dict[str, Any]:
    more = {"teachers": source.teachers} if source.teachers > 1 else {}
    return {"source": source.plugin.name, **more, **({"params": dict(source.params)} if source.params else {})}


def flow(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def suite(family: Family, registry: Registry, weights: Mapping[str, Any]) -> str:
    info, found = family.info(registry), catalogue(family, registry, weights)
    told = {"family": family.name, "task": family.task, "axis": AXES[info.facts["axis"]], "seeds": SEEDS, "pool": POOL}
    text = HEAD.format(**told) + lines(found.own)
    if found.kin:
        text += KIN.format(task=family.task, teacher=flow(kin_of(family, registry))) + lines(found.kin)
    if found.sparse:
        text += SPARSE.format(task=family.task, pool=POOL) + lines(found.sparse)
    for task, arms in found.also.items():
        text += ALSO.format(task=task, pool=POOL) + lines(arms)
    if found.sources:
        text += "\nsources:\n" + "".join(f"  {name}: {flow(source)}\n" for name, source in sorted(found.sources.items()))
    return text + TAIL


def kin_of(family: Family, registry: Registry) -> dict[str, Any]:
    """A teacher of the student's form."""
    student = family.student(registry)
    return {"model": student["model"], **({"params": student["params"]} if student["params"] else {}), "pool": POOL}


def lines(arms: Sequence[Mapping[str, Any]]) -> str:
    return "".join(f"      - {arm['method'] if len(arm) == 1 else flow(arm)}\n" for arm in arms)


def suites(registry: Registry | None = None) -> dict[Path, str]:
    registry = registry or Registry(packages=False)
    chosen = json.loads((HERE / "weights.json").read_text())
    return {HERE / f"{family.name}.yaml": suite(family, registry, chosen.get(family.task, {})) for family in FAMILIES}


def main() -> int:
    if "--check" in sys.argv:
        stale = [path.name for path, text in suites().items() if not path.exists() or path.read_text() != text]
        print(f"{', '.join(stale)}: not what make.py would write" if stale else "up to date")
        return bool(stale)
    for path, text in suites().items():
        path.write_text(text)
        print(f"{path.name}: {text.count('      - ')} arms")
    return 0


if __name__ == "__main__":
    sys.exit(main())
