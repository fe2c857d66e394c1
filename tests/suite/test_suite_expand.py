"""Expansion: the matrix, the control, labels and identities, excludes, claims, profiles and the filter."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from typing import Any

import pytest
from fake_catalogue import CATALOGUE, suite_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kdbench.suite import Arm, Suite, SuiteError, expand, parse_suite
from kdbench.suite.only import keep
from kdbench.suite.yaml import loads


def plan(text: str, **options: Any) -> list[Arm]:
    return expand(suite_of(text), CATALOGUE, **options).arms


def cells(text: str, **options: Any) -> list[str]:
    return list(dict.fromkeys(arm.cell for arm in plan(text, **options)))


def mistakes(text: str, **options: Any) -> list[tuple[int | None, int | None, str]]:
    with pytest.raises(SuiteError) as caught:
        plan(text, **options)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def test_the_simplest_suite():
    arms = plan("tasks: [digits]\nmethods: [kd]\nseeds: 2\n")
    assert [(arm.cell, arm.seed) for arm in arms] == [("none", 0), ("none", 1), ("kd", 0), ("kd", 1)]
    kd = arms[-1]
    assert kd.task == {"name": "digits", "plugin": "digits", "version": 3, "params": {}}
    assert kd.method == {"name": "kd", "version": 1, "params": {}, "wrap": []}
    assert kd.source == {"name": "live", "plugin": "live", "version": 1, "params": {}, "teachers": 1}
    assert kd.view == {
        "name": "default", "labelled": "train", "transfer": "pool", "augment": "mid", "bank": 0, "seed": "fixed"
    }  # fmt: skip
    assert kd.student == {"model": "net", "version": 1, "params": {}}
    assert (kd.recipe["steps"], kd.recipe["lr"], kd.recipe["weight_decay"]) == (200, 0.03, 0.01)
    [teacher] = kd.teachers
    assert (teacher["model"], teacher["params"], teacher["pool"], teacher["weights"]) == ("net", {"width": 16}, 1, None)
    assert (teacher["recipe"]["steps"], teacher["recipe"]["lr"]) == (300, 0.001)
    assert teacher["view"]["labelled"] == "pool" and teacher["view"]["transfer"] is None
    none = arms[0]
    assert none.source is None and none.view["transfer"] is None and none.teachers == kd.teachers
    assert none.identity()["teachers"] == [] and none.recipe == kd.recipe
    assert json.loads(json.dumps(asdict(kd)))["cell"] == "kd"  # plain data


def test_labels():
    text = """
tasks: [digits]
sources: {clean: {source: stored}, three: {source: live, teachers: 1, params: {reduce: logit}}}
views: {labels_only: {transfer: labelled}}
methods:
  - {method: kd, params: {T: [1, 4, 1.0e-5], weight: 0.9}}
  - {method: kd, source: [clean, three], view: labels_only}
  - {method: kd, wrap: [{wrapper: nd, params: {weight: 2}}, logit_std], params: {squared: false}}
  - {method: dkd, recipe: {lr: 0.01, batch: {labelled: 32}}}
  - {method: dkd, recipe: {lr: 0.03}, params: {beta: 8, steps: 3}}
  - {method: fitnets, params: {hint: {tap: stage4, scale: 2}, taps: [stage1, stage 2], share: 0.5, shares: {b: 1, a: 2}}}
"""
    assert cells(text) == [
        "none",
        "kd[T=1]",
        "kd",
        "kd[T=1e-05]",
        "kd·clean·labels_only",
        "kd·three·labels_only",
        "nd[weight=2](logit_std(kd[squared=false]))",
        "dkd{batch.labelled=32,lr=0.01}",
        "dkd",
        'fitnets[hint={scale:2},share=0.5,shares={a:2,b:1},taps=[stage1,"stage 2"]]',
    ]


def test_sweeps_and_lists():
    text = "tasks: [digits]\nmethods: [{method: fitnets, params: {taps: %s}}]\n"
    assert cells(text % "[a, b]")[1:] == ["fitnets[taps=[a,b]]"]  # the param takes a list, so this is its value
    assert cells(text % "[[a], [b]]")[1:] == ["fitnets[taps=[a]]", "fitnets[taps=[b]]"]
    swept = cells("tasks: [digits]\nmethods: [{method: kd, params: {weight: [0.5, 0.1], T: [1, 2]}}]\n")
    assert swept[1:] == ["kd[T=1,weight=0.5]", "kd[T=2,weight=0.5]", "kd[T=1,weight=0.1]", "kd[T=2,weight=0.1]"]


def test_recipes_lie_over_each_other():
    text = """
tasks:
  - task: digits
    recipe: {lr: 0.1, batch: {transfer: 8}}
    pairs:
      - {name: own}
      - {name: given, student: {model: vit, recipe: {lr: 0.2, steps: 50}}, teacher: {model: vit, recipe: {steps: 60}}}
methods: [kd, {method: dkd, recipe: {lr: 0.4, batch: {labelled: 16}}}]
profiles: {short: {recipe: {steps: 5, optimiser: sgd}}}
"""
    found = {(arm.pair, arm.cell): arm for arm in plan(text)}
    shown = {key: (arm.recipe["lr"], arm.recipe["steps"], arm.recipe["batch"]) for key, arm in found.items()}
    dkd = "dkd{batch.labelled=16,lr=0.4}"
    assert shown["own", "kd"] == (0.1, 200, {"labelled": 64, "transfer": 8})
    assert shown["given", "kd"] == (0.1, 50, {"labelled": 64, "transfer": 8})
    assert shown["given", dkd] == (0.4, 50, {"labelled": 16, "transfer": 8})
    assert found["given", "kd"].teachers[0]["recipe"]["steps"] == 60
    assert found["own", "kd"].teachers[0]["recipe"]["steps"] == 300
    for arm in plan(text, profile="short"):
        assert (arm.recipe["steps"], arm.recipe["optimiser"]) == (5, "sgd")
        assert (arm.teachers[0]["recipe"]["steps"], arm.teachers[0]["recipe"]["optimiser"]) == (5, "sgd")
    assert {arm.cell for arm in plan(text, profile="short")} == {"none", "kd", dkd}


def test_teachers_of_a_pair():
    text = """
tasks:
  - {task: digits, name: shared, teachers: {pool: 3, recipe: {lr: 0.5}}}
  - task: sounds
    pairs:
      - {name: own}
      - {name: two, teacher: [{model: net, pool: 2, view: strong}, {model: vit, weights: w.safetensors}]}
views: {strong: {augment: none, labelled: noise, bank: 4}}
sources: {three: {source: live, teachers: 3}}
methods: [kd, {method: kd, source: three, tasks: shared}]
"""
    found = {(arm.task["name"], arm.pair): arm for arm in plan(text)}
    [shared] = found["shared", "default"].teachers
    assert (shared["pool"], shared["recipe"]["lr"], shared["recipe"]["steps"]) == (3, 0.5, 300)
    first, second = found["sounds", "own"].teachers
    assert (first["model"], first["view"]["augment"], first["view"]["bank"]) == ("net", "mid", 32)
    assert (second["model"], second["view"]["augment"]) == ("vit", "none")
    trained, given_ = found["sounds", "two"].teachers
    assert (trained["pool"], trained["recipe"]["steps"]) == (2, 300)
    view = {"name": "strong", "labelled": "noise", "transfer": None, "augment": "none", "bank": 4, "seed": "fixed"}
    assert trained["view"] == view
    assert (given_["model"], given_["weights"], given_["pool"]) == ("vit", "w.safetensors", 1)
    assert given_["recipe"] is None and given_["view"] is None
    assert mistakes("tasks: [digits]\nsources: {two: {source: live, teachers: 2}}\nmethods: [{method: kd, source: two}]\n") == [
        (5, 32, "source 'two' asks 2 teachers, pair 'default' has 1")
    ]


def test_the_control_stands_once_for_every_labelled_stream():
    text = """
tasks: [digits]
views: {a_copy: {}, noise: {transfer: noise}, few: {labelled: noise}, also_few: {labelled: noise, transfer: train}}
methods: [{method: kd, view: [few, noise, also_few]}, {method: smoothing, view: [default, noise, few]}]
"""
    assert cells(text) == ["none", "none·also_few", "kd·few", "kd·noise", "kd·also_few", "smoothing", "smoothing·also_few"]
    few = next(arm for arm in plan(text) if arm.cell == "none·also_few")
    assert (few.view["labelled"], few.view["transfer"]) == ("noise", None)


def test_who_needs_no_teacher_has_no_source_and_reads_transfer_only_where_it_says_so():
    text = "tasks: [digits]\nmethods: [consistency, smoothing, {method: smoothing, wrap: logit_std}, {method: none, wrap: nd}]\n"
    found = {arm.cell: (arm.source is None, arm.view["transfer"]) for arm in plan(text)}
    assert found == {
        "none": (True, None),  # nd(none) is no control, so the control is planned
        "consistency": (True, "pool"),
        "smoothing": (True, None),
        "logit_std(smoothing)": (True, None),
        "nd(none)": (False, "pool"),
    }


def test_the_control_has_the_seeds_of_the_arms():
    arms = plan("tasks: [digits]\nseeds: 1\nmethods: [{method: kd, seeds: [3, 2]}, dkd]\n")
    assert [arm.seed for arm in arms if arm.cell == "none"] == [0, 2, 3]
    assert [arm.seed for arm in plan("tasks: [digits]\nseeds: 2\n")] == [0, 1]  # a suite of nothing but the control


def test_a_listed_control_is_not_planned_again():
    text = "tasks: [digits, sounds]\nmethods: [kd, {method: source_only, recipe: {lr: 0.5}, tasks: [digits]}]\n"
    found = [(arm.task["name"], arm.cell) for arm in plan(text)]
    assert found == [("digits", "kd"), ("digits", "none{lr=0.5}"), ("sounds", "none"), ("sounds", "kd")]
    assert mistakes("tasks: [digits]\nmethods: [{method: none, source: live}]\n") == [
        (4, 34, "'none' learns without a teacher, so it takes no source")
    ]


def test_sets_and_augmentations_must_be_the_tasks_own():
    text = "tasks: [digits, sounds]\nviews: {{a: {{transfer: {}, augment: {}}}, unused: {{labelled: {}}}}}\n"
    text += "methods: [{{method: kd, view: a}}]\n"
    assert mistakes(text.format("poll", "mild", "x")) == [
        (4, 23, "no task here has the set 'poll'"),
        (4, 38, "no task here has the augmentation 'mild'"),
        (4, 64, "no task here has the set 'x'"),
    ]
    assert mistakes(text.format("clips", "slow", "clips")) == [
        (4, 23, "task 'digits' has no set 'clips'"),
        (4, 39, "task 'digits' has no augmentation 'slow'"),
    ]


def test_a_bank_of_nothing_draws_new_views():
    text = "tasks: [sounds]\nviews: {fresh: {bank: 0}, eight: {bank: 8}}\n"
    text += "methods: [{method: kd, view: [default, fresh, eight]}]\n"
    assert [arm.view["bank"] for arm in plan(text) if arm.method["name"] == "kd"] == [32, 0, 8]


def test_equal_arms_of_suite_and_task_are_one_and_others_are_told():
    assert cells("tasks: [{task: digits, methods: [kd]}]\nmethods: [kd]\n") == ["none", "kd"]
    two = mistakes("tasks: [digits]\nmethods:\n  - kd\n  - {method: kd, params: {T: 4}}\n")
    assert two == [(6, 5, "plans the same arm as line 5: 'kd'")]
    named = mistakes("tasks: [{task: digits, methods: [{method: kd, name: soft}]}]\nmethods: [kd]\n")
    assert named == [(3, 34, "plans the same arm as line 4: 'kd'")]
    views = mistakes("tasks: [digits]\nviews: {same: {}}\nmethods: [{method: kd, view: [default, same]}]\n")
    assert views == [(5, 11, "plans the same arm as line 5: 'kd·same', there called 'kd'")]
    text = "tasks: [digits]\nmethods: [kd, {method: kd, recipe: {steps: 9}}]\nprofiles: {p: {recipe: {steps: 5}}}\n"
    assert mistakes(text, profile="p") == [(4, 15, "plans the same arm as line 4 under profile 'p': 'kd'")]
    assert cells(text) == ["none", "kd", "kd{steps=9}"]


def test_recipes_that_cannot_be():
    text = "tasks: [digits]\nmethods: [{method: kd, recipe: {schedule: steps}}, {method: dkd, recipe: %s}]\n"
    assert mistakes(text % "{schedule: steps, milestones: [0.5]}") == [(4, 11, "schedule 'steps' needs milestones")]


def test_exclude():
    text = """
tasks: [digits, sounds]
seeds: 2
methods: [{method: kd, params: {T: [1, 2]}, name: soft}, dkd]
exclude:
  - {task: sounds, method: dkd, reason: one class}
  - {method: soft, seed: 1, reason: too slow}
"""
    made = expand(suite_of(text), CATALOGUE)
    left = {(arm.task["name"], arm.cell, arm.seed) for arm in made.arms}
    assert ("digits", "dkd", 1) in left and ("sounds", "dkd", 0) not in left
    assert {cell for _, cell, seed in left if seed == 1} == {"none", "dkd"}
    assert made.excluded == [
        ("digits: kd[T=1] (seed 1)", "too slow"),
        ("digits: kd[T=2] (seed 1)", "too slow"),
        ("sounds: kd[T=1] (seed 1)", "too slow"),
        ("sounds: kd[T=2] (seed 1)", "too slow"),
        ("sounds: dkd (seed 0, 1)", "one class"),
    ]
    nothing = "tasks: [digits]\nmethods: [kd, {method: dkd, seeds: [1]}]\nexclude: [{method: dkd, seed: 0, reason: why}]\n"
    assert mistakes(nothing) == [(5, 11, "excludes nothing: no arm has all of this")]


CLAIMS = """
tasks: [digits]
methods: [{method: kd, params: {T: [1, 2]}}, {method: dkd, name: mine}, {method: fitnets, params: {share: 1}}]
claims:
"""


@pytest.mark.parametrize(
    "arm, over, cells_",
    [
        ("kd[T=1]", "none", ("kd[T=1]", "none")),
        ("mine", "source_only", ("dkd", "none")),
        ("fitnets", "dkd", ("fitnets[share=1]", "dkd")),
    ],
)
def test_claims_name_cells(arm: str, over: str, cells_: tuple[str, str]):
    text = CLAIMS + f"  - {{id: a, task: digits, arm: '{arm}', over: {over}, metric: accuracy, source: a paper}}\n"
    [claim] = expand(suite_of(text), CATALOGUE).claims
    assert (claim.arm, claim.over, claim.pair) == (*cells_, "default")
    assert (claim.at_least, claim.at_most) == (0.0, None)


@pytest.mark.parametrize(
    "arm, place, words",
    [
        ("kd", 27, "'kd' means several arms of digits"),
        ("kdd", 27, "'kdd' means no arm of digits"),
        ("none", 3 + 2, "compares 'none' with itself"),
    ],
)
def test_claims_that_name_no_single_cell(arm: str, place: int, words: str):
    text = CLAIMS + f"  - {{id: a, task: digits, arm: {arm}, over: none, metric: accuracy, at_most: 1, source: a paper}}\n"
    [(line, column, message)] = mistakes(text)
    assert line == 7 and message == words and column == text.split("\n")[4].index(arm if place > 5 else "{") + 1


PAIRS = """
tasks: [{task: digits, pairs: [{name: one}, {name: two, student: {model: vit}}]}]
methods: [kd]
claims:
"""


def test_a_claim_about_a_value_a_pair_or_two_pairs():
    text = PAIRS + "  - {id: a, task: digits, arm: kd, metric: accuracy, at_least: 0.9, source: s}\n"
    text += "  - {id: b, task: digits, pair: two, arm: kd, over: kd, over_pair: one, metric: accuracy, source: s}\n"
    claims = expand(suite_of(text), CATALOGUE).claims
    assert [(claim.id, claim.places(), claim.over_pair) for claim in claims] == [
        ("a", [("digits", "one", "kd")], None),
        ("a", [("digits", "two", "kd")], None),
        ("b", [("digits", "two", "kd"), ("digits", "one", "kd")], "one"),
    ]


@pytest.mark.parametrize(
    "claim, words",
    [
        ("pair: tow, over: none", "unknown pair 'tow'"),
        ("pair: default, over: none", "'default' is no pair of digits"),
        ("pair: one, over: kd, over_pair: one", "compares 'kd' with itself"),
        ("pair: one", "without `over` it is the arm's own value that is judged, so give at_least or at_most"),
        ("at_most: 1, over_pair: one", "over_pair says where `over` is, and there is none"),
    ],
)
def test_claims_that_cannot_be(claim: str, words: str):
    text = PAIRS + f"  - {{id: a, task: digits, arm: kd, metric: accuracy, source: s, {claim}}}\n"
    with pytest.raises(SuiteError) as caught:
        expand(suite_of(text), CATALOGUE)
    assert [p.message for p in caught.value.problems] == [words]


def test_stages_and_starts():
    text = "tasks: [digits]\nviews: {mixed: {stages: [mixup, {stage: blur, params: {weight: 1}}]}}\n"
    text += "methods: [{method: kd, view: [default, mixed], init: [fresh, {mix: 0.5}]}]\n"
    found = {arm.cell: arm for arm in plan(text)}
    assert list(found) == ["none", "kd", "kd{init.mix=0.5}", "kd·mixed", "kd·mixed{init.mix=0.5}"]
    stages = [{"name": "mixup", "version": 1, "params": {}}, {"name": "blur", "version": 1, "params": {}}]
    assert found["kd·mixed"].view["stages"] == stages and "stages" not in found["kd"].view
    assert [found[cell].init for cell in ("none", "kd", "kd{init.mix=0.5}")] == ["fresh", "fresh", {"mix": 0.5}]
    assert "stages" not in found["none"].view, "the control never sees the distillation stream"
    assert len({json.dumps(arm.identity(), sort_keys=True) for arm in found.values()}) == len(found)


def test_claims_without_their_arms_are_named():
    text = CLAIMS + "  - {id: a, task: digits, arm: mine, over: none, metric: accuracy, source: s}\n"
    text += "exclude: [{method: mine, reason: slow}]\nprofiles: {few: {methods: fitnets}}\n"
    made = expand(suite_of(text), CATALOGUE)
    assert made.claims == [] and ("claim a", "dkd of digits not among the arms") in made.excluded
    assert ("claim a", "dkd of digits not among the arms") in expand(suite_of(text), CATALOGUE, "few").excluded


PROFILE = """
tasks: [digits, {task: sounds, name: noisy}]
seeds: 3
views: {few: {labelled: noise}}
methods: [{method: kd, name: soft}, {method: dkd, seeds: [0, 1, 2, 3]}, {method: fitnets, view: few}]
profiles:
  smoke: {seeds: 1, tasks: [digits], methods: [soft, dkd], recipe: {steps: 2}, params: {digits: {labelled: 20}}}
"""


def test_profile():
    arms = plan(PROFILE, profile="smoke")
    assert [(arm.task["name"], arm.cell, arm.seed) for arm in arms] == [("digits", cell, 0) for cell in ("none", "kd", "dkd")]
    assert all(arm.task["params"] == {"labelled": 20} and arm.recipe["steps"] == 2 for arm in arms)
    with pytest.raises(SuiteError, match=r"--profile: unknown profile 'smok'[\s\S]*did you mean 'smoke'"):
        plan(PROFILE, profile="smok")


@pytest.mark.parametrize(
    "only, expected",
    [
        ("method=soft,task=digits,seed=0", ["digits: kd 0"]),
        ("method=kd|dkd,seed=3", ["digits: dkd 3", "noisy: dkd 3"]),
        ("view=few, seed=0,task=nois?", ["noisy: none·few 0", "noisy: fitnets·few 0"]),
        ("cell=*·few,seed=1,task=dig*", ["digits: none·few 1", "digits: fitnets·few 1"]),
        ("source=live,method=kd,seed=2", ["digits: kd 2", "noisy: kd 2"]),
    ],
)
def test_only(only: str, expected: list[str]):
    assert [f"{arm} {arm.seed}" for arm in plan(PROFILE, only=only)] == expected


def test_only_takes_whole_labels():
    text = "tasks: [digits]\nmethods: [{method: kd, params: {T: [1, 2], weight: [0.5, 0.9]}}]\n"
    assert cells(text, only="cell=kd[T=1,weight=0.5]|kd[T=2]") == ["kd[T=1,weight=0.5]", "kd[T=2]"]
    assert cells(text, only="cell=kd[T=1*") == ["kd[T=1,weight=0.5]", "kd[T=1]"]


@pytest.mark.parametrize(
    "only, column, words",
    [
        ("tsk=digits", 1, "did you mean 'task'"),
        ("seed=0, methods=kd", 9, "did you mean 'method'"),
        ("task=digits,method=dkdd", 13, "did you mean 'dkd'"),
        ("kd", 1, "'kd' is no condition"),
        ("task=", 1, "has no value"),
        ("seed=9", 1, "one of '0', '1', '2', '3'"),
        ("method=kd,view=few", 1, "no arm fulfils all"),
    ],
)
def test_only_that_matches_nothing(only: str, column: int, words: str):
    with pytest.raises(SuiteError) as caught:
        plan(PROFILE, only=only)
    assert [(p.path, p.column) for p in caught.value.problems] == [("--only", column)]
    assert words in str(caught.value)


# Any suite of these entries: labels and identities must agree whatever is put together, in whatever order.
numbers = st.sampled_from([0.5, 1, 1.0, 2, 4, 4.0, 1e-5])
kd_params = st.fixed_dictionaries(
    {}, optional={"T": numbers | st.lists(numbers, min_size=1, max_size=3), "squared": st.booleans()}
)
fit_params = st.fixed_dictionaries(
    {},
    optional={
        "taps": st.lists(st.sampled_from(["a", "a,b", "1", "null", 'q"', "é·"]), max_size=2),
        "share": st.none() | numbers,
        "shares": st.dictionaries(st.sampled_from(["x", "y:1", "="]), numbers, max_size=2),
        "hint": st.fixed_dictionaries({}, optional={"tap": st.sampled_from(["stage4", "4"]), "scale": numbers}),
    },
)
recipes = st.fixed_dictionaries({}, optional={"lr": st.sampled_from([0.03, 1, 1.0, 0.1]), "batch": st.sampled_from([64, 8])})
wraps = st.lists(st.sampled_from(["logit_std", {"wrapper": "nd", "params": {"weight": 2}}, {"wrapper": "nd"}]), max_size=2)
entries = st.one_of(
    st.fixed_dictionaries({"method": st.just("kd"), "params": kd_params}),
    st.fixed_dictionaries({"method": st.just("fitnets"), "params": fit_params}),
    st.fixed_dictionaries({"method": st.sampled_from(["none", "smoothing"])}),
).flatmap(
    lambda entry: st.fixed_dictionaries(
        {"wrap": wraps, "recipe": recipes, "view": st.sampled_from(["default", "few", "same", "noise", ["few", "noise"]])},
        optional={} if entry["method"] in ("none", "smoothing") else {"source": st.sampled_from(["live", "clean", "alike"])},
    ).map(lambda more: {**entry, **more})
)
MIXED = {
    "version": 1,
    "name": "mixed",
    "seeds": [0, 5],
    "tasks": ["digits"],
    "sources": {"clean": {"source": "stored"}, "alike": {"source": "live"}},
    "views": {"few": {"labelled": "noise"}, "same": {}, "noise": {"transfer": "noise"}},
}


def made(methods: list[dict[str, Any]], **more: Any) -> Suite:
    return parse_suite(loads(json.dumps({**MIXED, "methods": methods, **more}), "mixed.yaml"), CATALOGUE)


@settings(max_examples=80)
@given(st.lists(entries, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_equal_label_is_equal_identity_in_any_order(methods, random):
    try:
        arms = expand(made(methods), CATALOGUE).arms
    except SuiteError as error:
        # Only the mistakes that these entries can hold: a value swept twice, or the same arm in two entries.
        assert all("swept twice" in p.message or "the same arm" in p.message for p in error.problems)
        return
    identity = {(arm.cell, arm.seed): json.dumps(arm.identity(), sort_keys=True) for arm in arms}
    assert len(identity) == len(arms) == len(set(identity.values()))
    for arm in arms:
        assert arm.cell == arm.cell.strip() and "\n" not in arm.cell
    shuffled = random.sample(methods, len(methods))
    again = expand(made(shuffled), CATALOGUE).arms
    assert {(arm.cell, arm.seed): json.dumps(arm.identity(), sort_keys=True) for arm in again} == identity
    for arm in arms:  # and each is found by its label
        assert keep(arms, f"cell={arm.cell},seed={arm.seed}") == [arm]


distinct = st.lists(st.sampled_from([0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=4, unique=True)


@settings(max_examples=30)
@given(distinct, distinct, st.lists(st.booleans(), min_size=1, max_size=2, unique=True), st.integers(1, 3), st.booleans())
def test_count_is_the_product_of_the_sweeps(temperatures, weights, squared, seeds, both):
    views = ["few", "noise"] if both else ["few"]
    entry = {"method": "kd", "params": {"T": temperatures, "weight": weights, "squared": squared}, "view": views}
    suite = made([entry, {"method": "none", "view": "few"}])
    arms = [arm for arm in expand(suite, CATALOGUE).arms if arm.method["name"] == "kd"]
    points = list(itertools.product(temperatures, weights, squared, views, [0, 5]))
    assert len(arms) == len(points)
    full = [{"T": 4.0, "weight": 0.9, "squared": True, **arm.method["params"]} for arm in arms]
    assert {(p["T"], p["weight"], p["squared"], a.view["name"], a.seed) for p, a in zip(full, arms)} == set(points)


@settings(max_examples=25)
@given(st.lists(entries, min_size=1, max_size=3), st.data())
def test_exclude_removes_exactly_what_it_says(methods, data):
    try:
        arms = expand(made(methods), CATALOGUE).arms
    except SuiteError:
        assume(False)
    chosen = data.draw(st.sampled_from(arms))
    rule = {"method": chosen.method["name"], "view": chosen.view["name"], "seed": chosen.seed}
    rule = {key: value for key, value in rule.items() if data.draw(st.booleans())} or {"seed": chosen.seed}
    left = expand(made(methods, exclude=[{**rule, "reason": "why"}]), CATALOGUE)
    goes = [arm for arm in arms if all(str(v) in arm.names()[k] for k, v in rule.items())]
    assert chosen in goes and left.arms == [arm for arm in arms if arm not in goes]
    assert {name.split(" (seed")[0] for name, _ in left.excluded} == {str(arm) for arm in goes}


@settings(max_examples=25)
@given(st.lists(entries, min_size=1, max_size=3), st.integers(1, 3), st.sampled_from([7, 9]))
def test_a_profile_changes_seeds_and_steps_and_nothing_else(methods, seeds, steps):
    try:
        arms = expand(made(methods), CATALOGUE).arms
    except SuiteError:
        assume(False)
    suite = made(methods, profiles={"p": {"seeds": seeds, "recipe": {"steps": steps}}})
    under = expand(suite, CATALOGUE, "p").arms
    assert [arm.cell for arm in under if arm.seed == 0] == [arm.cell for arm in arms if arm.seed == 0]
    before = {arm.cell: arm.identity() for arm in arms}
    for arm in under:
        then = before[arm.cell]
        assert arm.seed in range(seeds)
        assert {**arm.recipe, "steps": 0} == {**then["recipe"], "steps": 0} and arm.recipe["steps"] == steps
        assert {k: v for k, v in arm.identity().items() if k in ("method", "source", "view", "student", "task")} == {
            k: v for k, v in then.items() if k in ("method", "source", "view", "student", "task")
        }


def test_networks_of_a_pair_start_from_their_files_in_every_arm_that_says_nothing_else():
    text = "tasks: [{task: digits, pairs: [{name: p, teacher: {model: net, init: {file: t.pth, fresh: fc}}, "
    text += "student: {model: net, init: {file: s.pth, fresh: [head, fc]}}}]}]\n"
    text += "methods: [kd, {method: kd, init: fresh}]\n"
    arms = {arm.cell: arm for arm in plan(text)}
    student = {"file": "s.pth", "fresh": ["head", "fc"]}
    assert {cell: arm.init for cell, arm in arms.items()} == {"none": student, "kd": student, "kd{init=fresh}": "fresh"}
    assert arms["kd"].teachers[0]["init"] == {"file": "t.pth", "fresh": ["fc"]}
    told = "a pair's networks start fresh or from a file"
    assert told in mistakes(text.replace("{file: t.pth, fresh: fc}", "{mix: 0.5}"))[0][2]
    assert "it stands beside `file`" in mistakes(text.replace("{file: t.pth, fresh: fc}", "{fresh: fc}"))[0][2]
