"""`pytest --pyargs kdbench.testing`: one test for each plugin, rule and family that the plugin's needs accept.

Plugin files come from the variable KDBENCH_PLUGINS (separated as in PATH), or from --plugin FILE, which pytest knows with
`-p kdbench.testing.options`. Where a file is given, its plugins alone are looked at; otherwise everything that is registered.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from kdbench.registry import PluginInfo, Registry
from kdbench.testing.chosen import plugins_of
from kdbench.testing.conform import exemptions, ruled, serve
from kdbench.testing.families import FAMILIES
from kdbench.testing.setting import settings
from kdbench.testing.task_case import TaskCase
from kdbench.testing.verdict import RULES, TASK_RULES, Rule, Verdict

SMALL = {family.task: family.params for family in FAMILIES}


@functools.cache
def registry(files: tuple[str, ...]) -> Registry:
    return Registry([Path(file) for file in files])


@functools.lru_cache(maxsize=1)  # tests come by plugin and family
def served(files: tuple[str, ...], kind: str, name: str, family: str):
    known = registry(files)
    return serve(known.get(kind, name), next(f for f in FAMILIES if f.name == family), known)


@functools.lru_cache(maxsize=1)
def task_case(files: tuple[str, ...], name: str) -> TaskCase:
    known = registry(files)
    return TaskCase(known.task(name), SMALL.get(name, {}), known)


def given(config: pytest.Config) -> tuple[str, ...]:
    named = os.environ.get("KDBENCH_PLUGINS", "").split(os.pathsep)
    return tuple(file for file in (*named, *config.getoption("--plugin", [])) if file)


def asked(files: tuple[str, ...], *kinds: str) -> list[PluginInfo]:
    """The plugins of the given files, or all of them."""
    found = plugins_of(registry(files), kinds)
    return [plugin for plugin in found if plugin.origin in files] if files else found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    files = given(metafunc.config)
    known, names, rows, ids = registry(files), metafunc.fixturenames, [], []
    if "family" in names:
        for plugin in asked(files, "method", "wrapper"):
            for family in FAMILIES:
                if settings(plugin, family, known)[0]:
                    rows += [(files, plugin, each, family.name) for each in RULES.values()]
                    ids += [f"{plugin.name}-{rule}-{family.name}" for rule in RULES]
        metafunc.parametrize("files, plugin, rule, family", rows, ids=ids)
    elif "task" in names:
        ready = [p for p in asked(files, "task") if set(p.schema.get("properties", {})) <= p.defaults.keys()]
        checks = [(files, plugin, each) for plugin in ready for each in TASK_RULES.values()]
        metafunc.parametrize("files, task, rule", checks, ids=[f"{task.name}-{rule}" for task in ready for rule in TASK_RULES])
    elif "plugin" in names:
        found = asked(files, "method", "wrapper")
        metafunc.parametrize("plugin", found, ids=[plugin.name for plugin in found])


def test_method(files: tuple[str, ...], plugin: PluginInfo, rule: Rule, family: str) -> None:
    found = served(files, plugin.kind, plugin.name, family)
    if found.case is None:
        pytest.skip(f"not for {family}: {found.reason}")
    judged(ruled(rule, plugin, found.case), rule)


def test_task(files: tuple[str, ...], task: PluginInfo, rule: Rule) -> None:
    judged(ruled(rule, task, task_case(files, task.name)), rule)


def test_exemptions(plugin: PluginInfo) -> None:
    assert not [finding.verdict.sentence for finding in exemptions(plugin)]


def test_given_files_are_not_broken(request: pytest.FixtureRequest) -> None:
    files = given(request.config)
    assert not {b.origin: b.error for b in registry(files).broken if b.origin in files}


def judged(verdict: Verdict, rule: Rule) -> None:
    if verdict.state == "fail":
        pytest.fail(f"{verdict.sentence}\nasks: {rule.demand}\nmend: {verdict.mend or rule.mend}", pytrace=False)
    if verdict.state != "pass":
        pytest.skip(f"{verdict.state}: {verdict.sentence}")
