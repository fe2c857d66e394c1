"""What `tune:` expands to: trials that differ from their arm by one setting, and arms that wait for it or have it."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from fake_catalogue import CATALOGUE
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kdbench.registry import Registry
from kdbench.suite import Expansion, Suite, SuiteError, expand, parse_suite
from kdbench.suite.arm import Arm
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
BASE: dict[str, Any] = {"version": 1, "name": "s", "tasks": ["digits"], "methods": ["kd", "dkd"]}


def suite_of(catalogue: Any = CATALOGUE, **more: Any) -> Suite:
    return parse_suite(loads(json.dumps({**BASE, **more}), "s.yaml"), catalogue)


def made(chosen: Any = None, only: str | None = None, profile: str | None = None, **more: Any) -> Expansion:
    return expand(suite_of(**more), CATALOGUE, profile, only, chosen)


def mistakes(catalogue: Any = CATALOGUE, **more: Any) -> list[tuple[str, str | None]]:
    with pytest.raises(SuiteError) as caught:
        expand(suite_of(catalogue, **more), catalogue)
    return [(p.message, p.suggestion or p.expected) for p in caught.value.problems]


def names(arms: list[Arm]) -> list[str]:
    return [f"{arm.cell} {arm.seed}" for arm in arms]


KD = ("digits", "default", "kd")
GRID = {"methods": "kd", "params": {"T": [1, 2]}, "recipe": {"lr": [0.1, 0.2]}}
weights, rates = (st.lists(st.sampled_from(pool), min_size=1, max_size=3, unique=True) for pool in ([0.1, 0.5, 1.0], [0.1, 0.25]))


@settings(max_examples=25)
@given(weights, rates, st.sampled_from([1, 2, [7, 9]]), st.sampled_from(["kd", "mine", "none"]), st.data())
def test_a_choice_is_the_suite_that_one_would_have_written(tried, lrs, seeds, method, data):
    """Every variant of a grid, chosen, is the arm of a suite that has this setting by hand; its trials are that arm, marked."""
    params = {"weight": tried} if method != "none" else {}
    assume(len(lrs) > 1 or (params and len(tried) > 1))
    entries: list[Any] = [{"method": "kd", "name": "mine"}, "dkd"] if method != "none" else ["none", "dkd"]
    tune = {"methods": method, "params": params, "recipe": {"lr": lrs}, "seeds": seeds}
    first = made(methods=entries, tune=tune)
    [(place, tuning)] = first.tunings.items()
    points = list(itertools.product(*([tried] if params else []), lrs))
    assert [tuple(variant.setting.values().values()) for variant in tuning.variants] == points
    own = list(range(1000, 1000 + seeds)) if isinstance(seeds, int) else seeds
    assert [arm.seed for arm in tuning.trials()] == own * len(points)
    assert {arm.cell for arm in first.waiting} == {place[2]} and place[2] not in {arm.cell for arm in first.arms}

    index = data.draw(st.integers(0, len(points) - 1))
    value = dict(zip((["weight"] if params else []) + ["lr"], points[index]))
    entries[0] = {**(entries[0] if method != "none" else {"method": "none"}), "recipe": {"lr": value.pop("lr")}, "params": value}
    by_hand = made(methods=entries)
    final = made(
        {place: index}, methods=[*([{"method": "kd", "name": "mine"}] if method != "none" else ["none"]), "dkd"], tune=tune
    )
    assert names(final.arms) == names(by_hand.arms) and not final.waiting
    assert [arm.identity() for arm in final.arms] == [arm.identity() for arm in by_hand.arms]
    chosen = next(arm for arm in final.arms if arm.written == place[2])
    for trial, seed in zip(tuning.trials()[index * len(own) :], own):
        assert trial.trial and trial.written == place[2]
        assert replace(trial, trial=False).identity() == replace(chosen, seed=seed).identity() != trial.identity()


def test_an_arm_that_no_grid_means_is_as_it_was():
    plain, tuned = made(), made(tune=GRID)
    assert tuned.arms == [arm for arm in plain.arms if arm.cell != "kd"] and not plain.tunings and not plain.waiting
    assert names(tuned.waiting) == ["kd 0"]


def test_the_metric_is_the_task_s_first_truth_or_the_one_that_is_named():
    assert made(tune=GRID).tunings[KD].metric.name == "accuracy"
    named = made(tune={**GRID, "metric": "nll"}).tunings[KD].metric
    assert (named.name, named.direction) == ("nll", "down")


def test_times_multiplies_what_the_arm_has():
    tune = {"methods": ["kd", "strong"], "times": {"weight": [0.1, 1]}}
    tunings = made(tune=tune, methods=["kd", {"method": "kd", "name": "strong", "params": {"T": 2, "weight": 0.5}}]).tunings
    tried = {place[2]: [variant.setting.params["weight"] for variant in one.variants] for place, one in tunings.items()}
    assert tried == {"kd": [0.09, 0.9], "kd[T=2,weight=0.5]": [0.05, 0.5]}


def test_claims_excludes_and_filters_speak_of_what_the_suite_writes():
    claims = [{"id": "c", "task": "digits", "arm": "kd", "over": "dkd", "metric": "accuracy", "source": "s"}]
    exclude = [{"method": "kd", "seed": 1, "reason": "why"}]
    more: dict[str, Any] = {"claims": claims, "exclude": exclude, "seeds": 3, "tune": GRID}
    before, after = made(**more), made({KD: 3}, **more)
    assert before.claims == [] and ("claim c", "waits for a setting to be chosen") in before.excluded
    assert [(claim.arm, claim.over) for claim in after.claims] == [("kd[T=2]{lr=0.2}", "dkd")]
    assert names(before.waiting) == ["kd 0", "kd 2"] and "kd[T=2]{lr=0.2} 1" not in names(after.arms)
    for cell in ("kd", "kd[T=2]{lr=0.2}"):
        assert names(made({KD: 3}, f"cell={cell}", **more).arms) == ["kd[T=2]{lr=0.2} 0", "kd[T=2]{lr=0.2} 2"]
    assert not made(None, "method=dkd", **more).tunings and made(None, "method=kd", **more).tunings


def test_a_choice_that_is_already_there_is_planned_once():
    methods = [{"method": "kd", "name": "one"}, {"method": "kd", "name": "two", "params": {"T": 2}}]
    found = made({KD: 1}, methods=methods, tune={"methods": "one", "params": {"T": [1, 2]}})
    assert [arm.alias for arm in found.arms if arm.cell == "kd[T=2]"] == ["two"]
    assert ("digits: kd", "its tuning chose what 'kd[T=2]' is already") in found.excluded


def test_rounds_and_wrappers_are_tuned_with_their_arm():
    methods = [
        {"method": "kd", "wrap": "logit_std", "name": "w", "rounds": {"count": 2, "each": {"source": "earlier"}, "first": {}}}
    ]
    tuning = next(iter(made(methods=methods, tune={"methods": "w", "params": {"T": [1, 2]}}).tunings.values()))
    for trial in tuning.trials():
        assert len(trial.before) == 2 and all(part.trial and part.seed == trial.seed for part in trial.before)
        assert len({arm.method["params"].get("T", 4.0) for arm in (trial, *trial.before)}) == 1


@pytest.mark.parametrize(
    ("tune", "message", "hint"),
    [
        ({"methods": "kd"}, "a grid of one setting", None),
        ({"methods": "kd", "params": {"T": [1]}}, "a grid of one setting", None),
        ({"methods": "kdd", "params": {"T": [1, 2]}}, "unknown method of this suite 'kdd'", "kd"),
        ({"methods": "kd", "tasks": "digit", "params": {"T": [1, 2]}}, "unknown task 'digit'", "digits"),
        ({"methods": "kd", "params": {"TT": [1, 2]}}, "kd.TT: unknown param 'TT'", None),
        ({"methods": "kd", "params": {"T": [1, -2]}}, "kd.T: -2 does not fit", "a number above 0"),
        ({"methods": "kd", "recipe": {"rate": [1, 2]}}, "a recipe has no field 'rate'", None),
        ({"methods": "kd", "recipe": {"lr": [1, -2]}}, "lr: -2 does not fit", None),
        ({"methods": "kd", "recipe": {"like": ["short", "long"]}}, "a recipe has no field 'like'", None),
        ({"methods": "kd", "params": {"T": [1, 2]}, "seeds": [0, 5]}, "seed 0 is reported too", None),
        ({"methods": "kd", "params": {"T": [1, 2]}, "metric": "acuracy"}, "'acuracy' does not rank", "accuracy"),
        ({"methods": "kd", "params": {"T": [1, 2]}, "metric": "kl"}, "'kl' does not rank", None),
        ({"methods": "kd", "params": {"T": [4, 4.0]}}, "T=4 and T=4 make the same arm", None),
        ({"methods": "kd", "times": {"squared": [1, 2]}}, "kd has no squared above 0", None),
        ({"methods": "kd", "times": {"T": [1, 2]}, "params": {"T": [1, 2]}}, "'T' stands under params and under times", None),
        ({"methods": "kd", "params": {"T": [1, 2]}, "hold_out": {"val": 5}}, "digits: unknown param 'val'", None),
        ([GRID, {"methods": "kd", "recipe": {"lr": [1, 2]}}], "tunes 'kd' of digits a second time", None),
        ({**GRID, "tasks": "sounds"}, "tunes nothing", None),
        ({"methods": "none", "params": {"T": [1, 2]}}, "none.T: unknown param 'T'", None),
    ],
)
def test_what_cannot_be_tuned_is_said_at_its_place(tune, message, hint):
    only = {"method": "kd", "tasks": "digits"}
    found = mistakes(tune=tune, tasks=["digits", "sounds"], methods=[only, {**only, "method": "dkd"}])
    [(said, meant)] = found
    assert said.startswith(message) and (hint is None or meant == hint)


def test_a_param_is_swept_or_tuned():
    methods = [{"method": "kd", "params": {"T": [1, 2]}}]
    assert any(
        "swept by the arm" in said for said, _ in mistakes(methods=methods, tune={"methods": "kd", "params": {"T": [3, 4]}})
    )


def test_what_a_profile_fixes_cannot_be_tuned_under_it():
    more = {
        "tune": {"methods": "kd", "recipe": {"lr": [0.1, 0.2]}},
        "profiles": {"p": {"recipe": {"lr": 0.5}}, "q": {"seeds": 3}},
    }
    with pytest.raises(SuiteError, match="make the same arm"):
        made(profile="p", **more)
    assert names(made(profile="q", **more).waiting) == ["kd 0", "kd 1", "kd 2"]


def test_a_task_that_holds_nothing_out_says_the_way_out():
    tune = {"methods": "kd", "recipe": {"lr": [0.1, 0.2]}}
    [(said, way)] = mistakes(REGISTRY, tasks=["cifar100"], methods=["kd"], tune=tune)
    assert "cifar100 trains on all that it has (val is 0)" in said and "hold_out: {val: ...}" in (way or "")
    found = expand(suite_of(REGISTRY, tasks=["cifar100"], methods=["kd"], tune={**tune, "hold_out": {"val": 500}}), REGISTRY)
    [tuning] = found.tunings.values()
    assert {arm.task["params"]["val"] for arm in tuning.trials()} == {500}
    assert all("val" not in arm.task["params"] for arm in found.waiting)
    own = {"task": "cifar100", "params": {"val": 500}}
    assert expand(suite_of(REGISTRY, tasks=[own], methods=["kd"], tune=tune), REGISTRY).tunings
