"""Runs every rule on a plugin, in every family that its needs accept, and says what was found."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from kdbench.contract.needs import Needs
from kdbench.registry import PluginInfo, Registry
from kdbench.suite.errors import nearest
from kdbench.testing import rules as _rules  # noqa: F401  (registers them)
from kdbench.testing import task_rules as _task_rules  # noqa: F401  (and those of tasks)
from kdbench.testing.case import Case, refusal, several, told
from kdbench.testing.families import FAMILIES, Family
from kdbench.testing.setting import settings
from kdbench.testing.task_case import TaskCase
from kdbench.testing.verdict import RULES, TASK_RULES, Finding, Rule, Verdict, fails, skips

FIRST = "trains"
EXEMPTIONS = "exemptions"
TAPS = "taps"
ALWAYS = (FIRST, "in-place")  # looked at even where it does not train


@dataclass
class Served:
    """A family that a plugin serves, or why it does not."""

    family: Family
    case: Case | None
    reason: str = ""


@dataclass
class Conformance:
    """What was found of one plugin."""

    plugin: PluginInfo
    findings: list[Finding] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    tried: dict[str, dict[str, Any]] = field(default_factory=dict)  # family -> params that stood in for defaults
    seconds: float = 0.0

    @property
    def failed(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict.state == "fail"]

    def data(self) -> dict[str, Any]:
        return {
            "kind": self.plugin.kind,
            "name": self.plugin.name,
            "version": self.plugin.version,
            "origin": self.plugin.origin,
            "passed": not self.failed,
            "seconds": round(self.seconds, 2),
            "not served": self.refused,
            "tried with": self.tried,
            "findings": [finding.data() for finding in self.findings],
        }


def serve(plugin: PluginInfo, family: Family, registry: Registry) -> Served:
    """The first setting of a family in which the plugin can be built."""
    found, reasons = settings(plugin, family, registry)
    if not found:
        return Served(family, None, "; ".join(reasons))
    for setting in found:
        case = Case(setting)
        try:
            case.start()
        except Exception as error:
            reasons.append(refusal(error) or "")
            if reasons[-1]:
                continue  # refused in words: another tap or teacher may do
        return Served(family, case)
    return Served(family, None, reasons[0])


def conform(plugin: PluginInfo, registry: Registry, families: Iterable[Family] = FAMILIES) -> Conformance:
    """Every rule in every family that the plugin serves."""
    began, found = time.perf_counter(), Conformance(plugin)
    found.findings += exemptions(plugin)
    for family in families:
        served = serve(plugin, family, registry)
        if served.case is None:
            found.refused[family.name] = served.reason
            continue
        if plugin.kind == "method" and served.case.setting.params:
            found.tried[family.name] = dict(served.case.setting.params)
        found.findings += judge(plugin, served.case)
    found.findings += taps(plugin, found.tried, registry)
    if len(found.refused) == len(list(families)):
        verdict = fails("it serves no family: " + "; ".join(f"{name}: {why}" for name, why in found.refused.items()))
        found.findings.append(Finding(FIRST, "all", verdict, "say in `needs` what it can serve, with defaults that do"))
    found.seconds = time.perf_counter() - began
    return found


def taps(plugin: PluginInfo, tried: Mapping[str, Mapping[str, Any]], registry: Registry) -> list[Finding]:
    """Every tap that the defaults name is a tap of some network; what was tried instead is no excuse."""
    if plugin.kind != "method":
        return []
    needs = Needs.read(plugin.facts["needs"])
    names = {name for name in needs.student_taps | needs.teacher_taps if name.lstrip("$") in plugin.defaults or name[0] != "$"}
    named = replace(needs, student_taps=frozenset(names), teacher_taps=frozenset()).resolved(plugin.defaults).student_taps
    known = {tap for name in registry.names("model") for tap in registry.model(name).facts["taps"]}
    unknown = sorted(named - known)
    if not unknown:
        return []
    sentence = f"no network has a tap {several(map(repr, unknown))}; it was tried with {instead(tried) or 'nothing else'}"
    advice = f"name one of {', '.join(sorted(known))}; kdbench describe model NAME tells those of a network"
    return [Finding(TAPS, "all", fails(sentence), advice)]


def instead(tried: Mapping[str, Mapping[str, Any]]) -> str:
    """Which params stood in for defaults, and in which families."""
    families: dict[str, list[str]] = {}
    for family, params in tried.items():
        said = ", ".join(f"{name}={'+'.join(value) if isinstance(value, list) else value}" for name, value in params.items())
        families.setdefault(said, []).append(family)
    return "; ".join(f"{said} in {', '.join(where)}" for said, where in families.items())


def judge(plugin: PluginInfo, case: Case) -> Iterator[Finding]:
    """Every rule on a plugin in one family."""
    stopped = ""
    for each in RULES.values():
        waits = stopped and each.name not in ALWAYS
        verdict = skips(f"it does not train here: {stopped}") if waits else ruled(each, plugin, case)
        if each.name == FIRST and verdict.state == "fail":
            stopped = verdict.sentence
        yield Finding(each.name, case.setting.family.name, verdict, each.mend, each.demand)


def ruled(each: Rule, plugin: PluginInfo, case: Any) -> Verdict:
    """One rule's verdict. Whatever breaks while it looks is a failure in words."""
    exempt = plugin.facts.get("exempt", {})
    if each.name in exempt:
        return Verdict("exempt", exempt[each.name])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # bit for bit is a promise for one thread
    try:
        return each.check(case)
    except Exception as error:
        if os.environ.get("KDBENCH_DEBUG"):
            traceback.print_exception(error)
        return fails(told(error, plugin), "mend the line that is named; --debug shows how it was reached")
    finally:
        torch.set_num_threads(threads)


def conform_task(plugin: PluginInfo, params: Mapping[str, Any], registry: Registry) -> Conformance:
    """Every rule of tasks on one of them, at given params."""
    began, case = time.perf_counter(), TaskCase(plugin, params, registry)
    family, found = plugin.facts["family"], []
    for each in TASK_RULES.values():
        found.append(Finding(each.name, family, ruled(each, plugin, case), each.mend, each.demand))
    return Conformance(plugin, found, seconds=time.perf_counter() - began)


def exemptions(plugin: PluginInfo) -> list[Finding]:
    """An exemption names a rule that exists and gives its reason, and cannot set aside that it trains."""
    found = []
    for name, reason in plugin.facts["exempt"].items():
        said = ""
        if name not in RULES or name == FIRST:
            near = nearest(name, RULES)
            said = f"`exempt` names {name!r}, which is no rule that may be exempted" + (
                f"; did you mean {near!r}?" if near else ""
            )
        elif len(reason.split()) < 3:
            said = f"`exempt` gives no reason why {name!r} cannot hold"
        if said:
            found.append(Finding(EXEMPTIONS, "all", fails(said), f"the rules are {', '.join(r for r in RULES if r != FIRST)}"))
    return found
