"""Chooses the weights of the catalogue on validation data: published ones were found for other sets and sizes of feature maps.

    python suites/catalogue/calibrate.py digits            # runs what is missing, then writes weights.json
    python suites/catalogue/calibrate.py digits kd dot     # only these methods, wrappers or presets
    python suites/catalogue/calibrate.py digits --dry      # says what would be run

For every method with a `weight` beside a supervised term (and for every wrapper around one), its default is multiplied by each
factor and trained at two seeds that the catalogue does not use. The one with the best mean of the task's first metric on the
validation split is taken; test metrics are never looked at. A choice at the end of the grid is told: a still smaller or larger
weight might be better. Then run make.py.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from make import HERE, KIN, POOL, SPARSE, Catalogue, catalogue, flow, kin_of, lines

from kdbench.jobs.graph import graph
from kdbench.metrics.catalogue import primary
from kdbench.registry import Registry
from kdbench.results.store import ResultStore
from kdbench.suite import expand, read_suite
from kdbench.suite.presets import read_preset
from kdbench.testing.families import FAMILIES, Family

FACTORS = (0.01, 0.1, 1.0, 10.0)
SEEDS = (1000, 1001)  # of students; their teachers are those of the catalogue
HOME = Path(".kdbench/calibration")
WEIGHTS = HERE / "weights.json"


def grid(arm: Mapping[str, Any], registry: Registry) -> list[float]:
    """The weights that are tried for an arm; none where it has none, is trained in rounds, or has nothing to weigh it against."""
    name, params = arm["method"], dict(arm.get("params", {}))
    if name in registry.names("preset"):
        preset = read_preset(registry.preset(name), registry)
        if preset.rounds is not None:
            return []
        name, params = preset.method, {**preset.params, **params}
    known = {**registry.method(name).defaults, **params}
    if not known.get("weight") or not known.get("task"):
        return []
    return [float(f"{known['weight'] * factor:.3g}") for factor in FACTORS]


def swept(found: Catalogue, registry: Registry, names: Collection[str]) -> Catalogue:
    """The arms of a family with their weights swept, each method, wrapper and preset once."""
    seen: set[str] = set()
    result = Catalogue(sources=found.sources)
    for group, into in ((found.own, result.own), (found.kin, result.kin), (found.sparse, result.sparse)):
        for arm in group:
            title = arm.get("wrap", arm["method"])
            weights = grid(arm, registry)
            if weights and title not in seen and (not names or title in names):
                seen.add(title)
                into.append({**arm, "params": {**arm.get("params", {}), "weight": weights}})
    return result


def suite(family: Family, registry: Registry, names: Collection[str] = ()) -> str:
    """The calibration suite of a family; arms that need a teacher or a student of another form have it as in the catalogue."""
    found = swept(catalogue(family, registry, {}), registry, names)
    text = f"# Weights of the catalogue on {family.task}, tried on validation data\nversion: 1\nname: calibrate_{family.name}\n"
    text += f"seeds: {flow(SEEDS)}\n\ntasks:\n"
    if found.own:
        text += f"  - task: {family.task}\n    teachers: {{pool: {POOL}}}\n    methods:\n" + lines(found.own)
    if found.kin:
        text += KIN.format(task=family.task, teacher=flow(kin_of(family, registry))) + lines(found.kin)
    if found.sparse:
        text += SPARSE.format(task=family.task, pool=POOL) + lines(found.sparse)
    if found.sources:
        text += "\nsources:\n" + "".join(f"  {name}: {flow(source)}\n" for name, source in sorted(found.sources.items()))
    return text


def choose(path: Path, family: Family, registry: Registry) -> dict[str, dict[str, float]]:
    """The best weight of each method by its mean on validation; what has no full set of results is left out."""
    jobs = graph(expand(read_suite(path, registry), registry).arms, registry)
    records = ResultStore(HOME / "results").scan().records
    metric = next(m.name for m in primary(family.name) if m.kind == "truth")
    tried: dict[str, dict[float, float]] = {}
    for keys in jobs.cells.values():
        done = [records[key] for key in keys if key in records]
        if len(done) < len(SEEDS) or done[0].labels["method"] == "none":
            continue
        wraps, params = (jobs.jobs[keys[0]].identity["method"][part] for part in ("wrap", "params"))
        name = wraps[0]["name"] if wraps else done[0].labels.get("preset") or done[0].labels["method"]
        weight = params.get("weight", registry.method(done[0].labels["method"]).defaults["weight"])
        values = [record.metrics.get("val", {}).get(metric, math.nan) for record in done]
        mean = sum(values) / len(values)
        tried.setdefault(name, {})[weight] = -math.inf if math.isnan(mean) else mean
    chosen = {}
    for name, means in sorted(tried.items()):
        best = max(means, key=means.__getitem__)
        edge = " (at the end of the grid)" if best in (min(means), max(means)) else ""
        print(
            f"{name:24} "
            + "  ".join(f"{weight:g}: {mean:.4f}" for weight, mean in sorted(means.items()))
            + f"  -> {best:g}{edge}"
        )
        chosen[name] = {"weight": best}
    return chosen


def main() -> int:
    registry = Registry(packages=False)
    tasks = {family.task: family for family in FAMILIES}
    if len(sys.argv) < 2 or sys.argv[1] not in tasks:
        print(f"usage: calibrate.py {'|'.join(tasks)} [NAME ...] [--dry]")
        return 2
    family = tasks[sys.argv[1]]
    HOME.mkdir(parents=True, exist_ok=True)
    path = HOME / f"{family.name}.yaml"
    path.write_text(suite(family, registry, [name for name in sys.argv[2:] if name != "--dry"]))
    verb = "plan" if "--dry" in sys.argv else "run"
    command = [sys.executable, "-m", "kdbench.cli.app", verb, str(path), "--results", str(HOME / "results")]
    code = subprocess.run(command + (["--no-track", "--reports", str(HOME / "reports")] if verb == "run" else [])).returncode
    if verb == "plan" or code not in (0, 3):
        return code
    weights = json.loads(WEIGHTS.read_text())
    weights[family.task] = dict(sorted({**weights.get(family.task, {}), **choose(path, family, registry)}.items()))
    WEIGHTS.write_text(json.dumps(weights, indent=1, sort_keys=True) + "\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
