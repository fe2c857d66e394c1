"""A preset is what it stands for: the same jobs as when written by hand, a shorter name, and mistakes at their own place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.suite import Expansion, SuiteError, expand, parse_suite
from kdbench.suite.presets import read_preset
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
BLENDED = {"stages": {"stage": "mixup", "params": {"part": 0.1}}}
MIXED = {"views": {"mine": BLENDED}}


def expanded(methods: list[Any], registry: Registry = REGISTRY, only: str | None = None, profile=None, **more: Any) -> Expansion:
    suite = {"version": 1, "name": "s", "tasks": [{"task": "digits", "teachers": {"pool": 3}}], "methods": methods, **more}
    return expand(parse_suite(loads(json.dumps(suite), "s.yaml"), registry), registry, profile, only)


def keys(methods: list[Any], **more: Any) -> set[str]:
    return set(graph(expanded(methods, **more).arms, REGISTRY).jobs)


def cells(methods: list[Any], **more: Any) -> list[str]:
    return [arm.cell for arm in expanded(methods, **more).arms]


def problems(methods: list[Any], registry: Registry = REGISTRY, **more: Any) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        expanded(methods, registry, **more)
    return [f"{p}" + (f" [{p.suggestion}]" if p.suggestion else "") for p in caught.value.problems]


def test_a_preset_shares_its_jobs_with_the_same_by_hand():
    assert keys(["ssld"]) == keys([{"method": "kd", "params": {"divergence": "js", "T": 1, "weight": 1, "task": 0}}])
    by_hand = {"method": "kd", "params": {"T": 1, "weight": 0.9, "task": 0.1}, "wrap": "logit_std", "view": "mine"}
    assert keys(["mixup_kd"]) == keys([by_hand], **MIXED)
    three = {"three": {"source": "stored", "teachers": 3}}
    assert keys(["ced"]) == keys([{"method": "kd", "params": {"T": 1, "weight": 1, "task": 0}, "source": "three"}], sources=three)


def test_in_one_suite_the_two_are_one_arm_and_that_is_told():
    told = problems(["ssld", {"method": "kd", "params": {"divergence": "js", "T": 1, "weight": 1, "task": 0}}])
    assert len(told) == 1 and "plans the same arm" in told[0] and "there called 'ssld'" in told[0]


def test_labels_say_how_an_arm_differs_from_the_preset():
    assert cells(["ssld", {"method": "ssld", "params": {"T": [1, 2], "weight": 0.9}}]) == [
        "none",
        "ssld",
        "ssld[weight=0.9]",
        "ssld[T=2,weight=0.9]",
    ]
    more = {"sources": {"clean": {"source": "stored", "params": {"targets": "clean"}}}}
    changed = [{"method": "mixup_kd", "view": "default"}, {"method": "mixup_kd", "source": "clean", "recipe": {"lr": 0.5}}]
    assert cells(changed, **more) == ["none", "mixup_kd·default", "mixup_kd·clean{lr=0.5}"]
    wrapped = [{"method": "ssld", "wrap": "logit_std", "init": {"mix": 0.5}}]
    assert cells(wrapped) == ["none", "logit_std(ssld){init.mix=0.5}"]


def test_a_preset_goes_by_its_name_and_not_by_its_methods():
    assert [arm.cell for arm in expanded(["kd", "ssld"], only="method=ssld").arms] == ["ssld"]
    assert [arm.cell for arm in expanded(["kd", "ssld"], only="method=kd").arms] == ["kd"]
    left = expanded(["kd", "ssld"], exclude=[{"method": "kd", "reason": "x"}])
    assert [arm.cell for arm in left.arms] == ["none", "ssld"]
    claim = {"id": "a", "task": "digits", "arm": "ssld", "over": "kd", "metric": "accuracy", "source": "x"}
    [claimed] = expanded(["kd", "ssld"], claims=[claim]).claims
    assert (claimed.arm, claimed.over) == ("ssld", "kd")
    small = {"profiles": {"p": {"methods": ["ssld"]}}}
    assert [arm.cell for arm in expanded(["kd", "ssld", "mixup_kd"], profile="p", **small).arms] == ["none", "ssld"]


def test_labels_of_jobs_carry_the_arms_names():
    jobs = graph(expanded([{"method": "ssld", "name": "mine"}, "kd"]).arms, REGISTRY).jobs.values()
    told = {job.labels["cell"]: (job.labels.get("alias"), job.labels.get("preset"), job.labels["method"]) for job in jobs}
    assert told["ssld"] == ("mine", "ssld", "kd") and told["kd"] == (None, None, "kd")


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ("ssldd", "unknown method 'ssldd' [ssld]"),
        ({"method": "ssld", "params": {"TT": 1}}, "kd: unknown param 'TT' [T]"),
        ({"method": "ssld", "params": {"T": 0}}, "kd.T: 0 does not fit"),
        ({"method": "kd", "name": "ssld"}, "'ssld' is another method's name"),
        ({"method": "kd", "source": "hetero"}, "unknown source 'hetero'"),
    ],
)
def test_mistakes(arm: Any, words: str):
    assert [words in told for told in problems([arm])] == [True]


def test_names_that_a_preset_brings_must_be_free():
    told = problems(["mixup_kd"], views={"mixed": {"augment": "none"}})
    assert "preset 'mixup_kd' brings a view 'mixed'" in told[0]
    assert cells(["mixup_kd"], views={"mixed": BLENDED}) == ["none", "mixup_kd"]


def test_a_task_that_a_preset_is_not_for_is_refused():
    jobs = graph(expanded(["hetero_ensemble"]).arms, REGISTRY)
    assert "needs a list of candidates" in jobs.refusals[0].reasons[0]


BROKEN = """\
# A broken one
paper: mine
method: kdd
params: {T: 1}
source: ons
sorces: {one: {source: stored}}
"""


def test_a_presets_own_mistakes_have_their_places(tmp_path: Path):
    (tmp_path / "broken.yaml").write_text(BROKEN)
    (tmp_path / "wrong.yaml").write_text("# W\npaper: mine\nmethod: kdd\n")
    registry = Registry([tmp_path / "broken.yaml", tmp_path / "wrong.yaml"], packages=False)
    assert registry.preset("broken").doc == "A broken one"
    places = [told.removeprefix(str(tmp_path)) for told in problems(["broken"], registry)]
    assert [place.split(": ")[0] for place in places] == ["/broken.yaml:5:9", "/broken.yaml:6:1"]
    assert problems(["wrong"], registry)[0].endswith("wrong.yaml:3:9: unknown method 'kdd' [kd]")
    assert [arm.cell for arm in expanded(["kd"], registry).arms] == ["none", "kd"]  # harms nobody who does not use it


def test_controls_come_along(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text("# M\npaper: mine\nmethod: kd\nparams: {T: 2}\ncontrols: dkd\n")
    registry = Registry([tmp_path / "mine.yaml"], packages=False)
    assert [arm.cell for arm in expanded(["mine"], registry).arms] == ["none", "mine", "dkd"]
    assert [arm.cell for arm in expanded(["mine", "dkd"], registry).arms] == ["none", "mine", "dkd"]
    small = {"profiles": {"p": {"methods": ["mine"]}}}
    assert [arm.cell for arm in expanded(["mine", "at"], registry, profile="p", **small).arms] == ["none", "mine", "dkd"]


def test_names_of_methods_are_not_taken(tmp_path: Path):
    (tmp_path / "dkd.yaml").write_text("# M\npaper: mine\nmethod: kd\n")
    [broken] = Registry([tmp_path / "dkd.yaml"], packages=False).broken
    assert broken.error == "preset 'dkd' is already the name of a method"


@pytest.mark.parametrize("name", REGISTRY.names("preset"))
def test_every_built_in_preset_is_right(name: str):
    plugin = REGISTRY.preset(name)
    preset = read_preset(plugin, REGISTRY)
    assert plugin.doc.endswith(".") and len(preset.paper) > 20
    for task in REGISTRY.names("task"):
        info = REGISTRY.task(task)
        if info.facts["axis"] not in preset.requires.axes or any(
            n not in info.defaults for n in info.schema.get("properties", {})
        ):
            continue
        document = {"version": 1, "name": "s", "tasks": [{"task": task, "teachers": {"pool": 4}}], "methods": [name]}
        arms = expand(parse_suite(loads(json.dumps(document), "s.yaml"), REGISTRY), REGISTRY).arms
        assert any(arm.preset == name and arm.cell == name for arm in arms)


def test_presets_agree_on_the_names_that_they_bring():
    brought: dict[tuple[str, str], Any] = {}
    for name in REGISTRY.names("preset"):
        preset = read_preset(REGISTRY.preset(name), REGISTRY)
        for kind, parts in (("source", preset.sources), ("view", preset.views)):
            for title, part in parts.items():
                assert brought.setdefault((kind, title), part) == part, f"two presets mean different things by {kind} {title}"
