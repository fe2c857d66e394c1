"""Loss traces: each term of each method over a few steps on fixed inputs, one line a plugin, family and term.

They are made by the conformance suite's own runs: tiny untrained nets, and teachers drawn from a seed. On the machine type that
the file names they are equal bit for bit; elsewhere kernels round otherwise, and a few steps make that a little larger.
"""

from __future__ import annotations

import csv
import io
import math
import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Owner, Term
from kdbench.registry import PluginInfo, Registry
from kdbench.testing.bench import start
from kdbench.testing.chosen import plugins_of
from kdbench.testing.conform import serve
from kdbench.testing.families import FAMILIES, Family
from kdbench.testing.lenses import decided
from kdbench.testing.run import Run
from kdbench.testing.setting import settings

FILE = Path(__file__).with_name("traces.csv")
STEPS, BATCH = 4, 4
BUDGET = 40  # the steps that are looked at lie in the middle of each phase, where whatever is warmed up is warm
SHARPER = 8.0  # untrained teachers' logits are multiplied by this
TOLERANCE = 2e-3  # of a value, on another machine type
SMALL = 1e-5  # values below are compared as they are
HEAD = ("plugin", "version", "family", "source", "term", *(f"step{n}" for n in range(1, STEPS + 1)))
COMMAND = "python -m tests.exact.accept"
Row = tuple[str, str, str]  # plugin, family, term
Trace = tuple[str, ...]  # version, source, then the values


def machine() -> str:
    """What decides how float32 is rounded: the processor, and the library's kernels for it."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{platform.machine()}; {model}; {torch.backends.cpu.get_cpu_capability()}; torch {torch.__version__}"


def registered() -> tuple[Registry, list[PluginInfo]]:
    registry = Registry(packages=False)
    return registry, plugins_of(registry)


def pairs() -> list[tuple[PluginInfo, Family, Registry]]:
    """Every built-in plugin with the families that its needs accept."""
    registry, plugins = registered()
    return [(plugin, family, registry) for plugin in plugins for family in FAMILIES if settings(plugin, family, registry)[0]]


def trace(plugin: PluginInfo, family: Family, registry: Registry) -> dict[Row, Trace]:
    """The values of every term; empty where the plugin refuses the family when it is built."""
    case = serve(plugin, family, registry).case
    if case is None:
        return {}
    torch.set_num_threads(1)
    source = case.setting.source
    asked = " ".join((source.plugin.name, *(f"{k}={v}" for k, v in source.params.items()))) if source else "none"
    run = decided(start(case.setting, steps=BUDGET, batch=BATCH), sharper, student=False)
    columns = recorded(run)
    terms = sorted({term for column in columns for term in column})
    return {
        (plugin.name, family.name, term): (str(plugin.version), asked, *(shown(column.get(term)) for column in columns))
        for term in terms
    }


def sharper(decisions: Decisions) -> Decisions:
    """Teachers with opinions: near-uniform answers would hide, for one, which way round a divergence is."""
    return decisions.but(values=SHARPER * decisions.values)


def recorded(run: Run) -> list[dict[str, float]]:
    """What each step's backward says of its terms, by the first student."""
    columns: list[dict[str, float]] = []
    method = run.learner.method
    inner = method.backward

    def backward(terms: Mapping[str, Term], owners: Mapping[str, Owner]) -> dict[str, float | torch.Tensor]:
        values = inner(terms, owners)
        columns.append({name: float(value) for name, value in values.items()})
        return values

    method.backward = backward  # type: ignore[method-assign, assignment]
    share = STEPS // len(run.stations)
    for number, (_, middle) in enumerate(run.stations):
        run.jump(middle).train(middle + (STEPS - number * share if number == len(run.stations) - 1 else share))
    return columns


def shown(value: float | None) -> str:
    """Nine digits say which float32 it is; nothing where a step has no such term."""
    return "" if value is None else f"{value:.9g}"


def stored() -> tuple[str, dict[Row, Trace]]:
    """The machine type of the file, and its lines."""
    if not FILE.exists():
        return "", {}
    first, _, rest = FILE.read_text(encoding="utf-8").partition("\n")
    rows = csv.DictReader(io.StringIO(rest))
    steps = HEAD[5:]
    return first.removeprefix("# "), {
        (r["plugin"], r["family"], r["term"]): (r["version"], r["source"], *(r[step] for step in steps)) for r in rows
    }


def written(traces: Mapping[Row, Trace]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(HEAD)
    for (plugin, family, term), (version, source, *values) in sorted(traces.items()):
        lines.writerow((plugin, version, family, source, term, *values))
    return f"# {machine()}\n{text.getvalue()}"


def same(a: str, b: str, exact: bool) -> bool:
    """Whether two values as written are equal, or near enough on another machine."""
    if not a or not b:
        return a == b
    if exact:
        return np.float32(a) == np.float32(b)
    return math.isclose(float(a), float(b), rel_tol=TOLERANCE, abs_tol=SMALL)


def differences(old: Mapping[Row, Trace], new: Mapping[Row, Trace], exact: bool) -> list[str]:
    """In words, how traces differ from the stored ones."""
    found = []
    for row in sorted(old.keys() | new.keys()):
        name = " ".join(row)
        if row not in old:
            found.append(f"{name}: no trace is stored")
        elif row not in new:
            found.append(f"{name}: stored, and not there any more")
        else:
            steps = [n for n, (a, b) in enumerate(zip(old[row][2:], new[row][2:]), 1) if not same(a, b, exact)]
            if steps:
                at = steps[0]
                found.append(f"{name}: step {at} is {new[row][1 + at] or 'absent'}, stored {old[row][1 + at] or 'absent'}")
    return found
