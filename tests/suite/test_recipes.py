"""Named recipes: a name is its fields and nothing else, wherever a recipe may stand; the built-in ones say what they are not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fake_catalogue import CATALOGUE
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.jobs.graph import graph
from kdbench.metrics.catalogue import FAMILIES
from kdbench.registry import Registry
from kdbench.suite import RECIPE_DEFAULTS, SuiteError, expand, parse_suite
from kdbench.suite.recipe import FIELDS, merged
from kdbench.suite.recipes import described, read_recipe
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
BUILT_IN = REGISTRY.names("recipe")
SHORT = {"steps": 50, "batch": 16, "lr": 0.5, "optimiser": "sgd"}  # as the catalogue's file has it


def arms(suite: dict[str, Any], profile: str | None = None, catalogue: Any = CATALOGUE) -> list[dict[str, Any]]:
    whole = {"version": 1, "name": "s", **suite}
    return [arm.data() for arm in expand(parse_suite(loads(json.dumps(whole), "s.yaml"), catalogue), catalogue, profile).arms]


def at(level: str, recipe: Any) -> dict[str, Any]:
    """A suite with a recipe at one of the places where one may stand."""
    net = {"model": "net"}
    pair = {"name": "p", "teacher": {**net, **({"recipe": recipe} if level == "teacher" else {})}, "student": net}
    task: dict[str, Any] = {"task": "digits", "pairs": [pair]}
    arm: dict[str, Any] = {"method": "kd"}
    suite: dict[str, Any] = {"tasks": [task, {"task": "sounds"}], "methods": [arm]}
    if level == "student":
        pair["student"] = {**net, "recipe": recipe}
    places = {"suite": suite, "task": task, "arm": arm}
    if level in places:
        places[level]["recipe"] = recipe
    if level == "own teacher":
        suite["tasks"][1]["teachers"] = {"recipe": recipe}
    if level == "round":
        arm["rounds"] = {"first": {"recipe": recipe}, "each": [{"source": "earlier"}]}
    if level == "profile":
        suite["profiles"] = {"p": {"recipe": recipe}}
    return suite


LEVELS = ("suite", "task", "student", "teacher", "own teacher", "arm", "round", "profile")
overrides = st.fixed_dictionaries(
    {},
    optional={
        "steps": st.integers(1, 9),
        "lr": st.sampled_from([0.1, 0.25]),
        "batch": st.sampled_from([8, {"labelled": 4}]),
        "schedule": st.sampled_from(["cosine", "linear"]),
    },
)


@settings(max_examples=30)
@given(st.sampled_from(LEVELS), overrides)
def test_a_name_is_its_fields_wherever_it_stands(level, over):
    both = {"labelled": 16, "transfer": 16}
    batch = over.get("batch", {})
    batch = {"labelled": batch, "transfer": batch} if isinstance(batch, int) else batch
    written = merged({**SHORT, "batch": both}, {**over, **({"batch": batch} if batch else {})})
    profile = "p" if level == "profile" else None
    named = arms(at(level, {"like": "short", **over}), profile)
    assert named == arms(at(level, written), profile)
    assert named != arms(at(level, {"steps": 77}), profile)
    if not over:
        assert named == arms(at(level, "short"), profile)


def test_a_suite_s_recipe_is_for_teachers_too_and_under_all_that_is_said_closer():
    kd = next(arm for arm in arms({"recipe": "short", "tasks": [{"task": "digits", "recipe": {"lr": 0.125}}], "methods": ["kd"]}))
    assert (kd["recipe"]["steps"], kd["recipe"]["lr"], kd["teachers"][0]["recipe"]["lr"]) == (50, 0.125, 0.5)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("form", ["lomg", {"like": "lomg", "steps": 3}])
def test_an_unknown_name_is_told_at_its_place(level, form):
    with pytest.raises(SuiteError) as caught:
        arms(at(level, form))
    [problem] = caught.value.problems
    assert problem.message == "unknown recipe 'lomg'" and problem.suggestion == "long" and problem.value == "lomg"


def test_the_recipe_of_the_crd_comparison_is_the_one_that_cifar_has():
    """A golden key: the named recipe, the task's own, and the fields written out are one job."""

    def keys(task: dict[str, Any]) -> set[str]:
        suite = {"version": 1, "name": "s", "tasks": [task], "methods": ["kd"]}
        return set(graph(expand(parse_suite(loads(json.dumps(suite), "s.yaml"), REGISTRY), REGISTRY).arms, REGISTRY).jobs)

    own = keys({"task": "cifar100"})
    assert keys({"task": "cifar100", "recipe": "crd240", "teachers": {"recipe": "crd240"}}) == own
    written = read_recipe(REGISTRY.recipe("crd240")).recipe.given()
    assert keys({"task": "cifar100", "recipe": written}) == own and set(written) == set(FIELDS)
    assert not own & keys({"task": "cifar100", "recipe": {"like": "crd240", "lr": 0.01}, "teachers": {"recipe": {"lr": 0.01}}})


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_recipe_says_what_it_leaves_open(name):
    """Nothing is taken from below in silence: each field that matters is written, or named among what is lacking."""
    found = described(REGISTRY.recipe(name))
    recipe = found.recipe
    assert recipe.family in FAMILIES and recipe.source and found.comment
    lacking = " ".join(recipe.lacks)
    assert [field for field in recipe.leaves() if field not in lacking] == []
    full = merged(RECIPE_DEFAULTS, recipe.recipe.given())
    assert all(0 < milestone < 1 for milestone in full["milestones"])


def test_the_steps_are_the_epochs_of_the_papers():
    recipes = {name: read_recipe(REGISTRY.recipe(name)).recipe.given() for name in BUILT_IN}
    imagenet = 1_281_167
    epochs = {"crd240": (240, 50_000), "imagenet100": (100, imagenet), "timm_a3": (100, imagenet)}
    epochs["function_matching"] = (1200, 0.98 * imagenet)
    for name, (count, images) in epochs.items():
        assert abs(recipes[name]["steps"] - count * images / recipes[name]["batch"]["labelled"]) < 1, name
    warm = {"function_matching": 5000, "daformer": 1500, "splade": 6000}
    for name, steps in warm.items():
        assert int(recipes[name]["warmup"] * recipes[name]["steps"]) == steps, name
    reduced, full = recipes["daformer_reduced"], recipes["daformer"]
    assert {**reduced, "steps": 0} == {**full, "steps": 0} and reduced["steps"] * 10 == full["steps"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("- a", "holds no mapping"),
        ("source: s\nfamily: vision\ndata: d\nrecipe: {}", "'family' is \"vision\""),
        ("source: s\nfamily: tagging\ndata: d\nrecipe: {stps: 3}", "unknown key 'stps'"),
        ("source: s\nfamily: tagging\ndata: d\nrecipe: crd240", "a named recipe stands for itself"),
        ("source: a: b", "is not YAML"),
    ],
)
def test_a_recipe_file_that_is_wrong_is_told_with_its_place(text, said):
    info = CATALOGUE.recipe("short")
    broken = type(info)("broken", facts={"path": "broken.yaml", "text": text})
    with pytest.raises(SuiteError, match=r"broken\.yaml:\d") as caught:
        read_recipe(broken)
    assert said in str(caught.value)
