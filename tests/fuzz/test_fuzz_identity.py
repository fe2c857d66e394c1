"""What a job is: the same however its suite is written, another with any field that decides a result, the same with any other."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest
from fuzz_target import HERE, ROOT
from fuzz_written import registry
from hypothesis import given, settings
from hypothesis import strategies as st

from kdbench.jobs.of_suite import jobs_of
from kdbench.suite.entry import View
from kdbench.suite.read import parse_suite
from kdbench.suite.recipe import Recipe
from kdbench.suite.schema import Profile, Resources, Suite
from kdbench.suite.yaml import loads

ONE: dict[str, Any] = {
    "version": 1,
    "name": "one",
    "seeds": [0, 3],
    "tasks": [{"task": "digits", "name": "small", "params": {"labelled": 100}, "teachers": {"pool": 2}, "recipe": {"steps": 30}}],
    "methods": [{"method": "kd", "params": {"T": 2.0}, "view": "mixed"}, {"method": "dkd", "recipe": {"lr": 0.01}}],
    "views": {"mixed": {"bank": 4}},
}
FULL = loads((HERE / "seeds" / "everything.yaml").read_text(), "").data
SUITES = [ONE, FULL, *(loads((ROOT / f"suites/{name}.yaml").read_text(), "").data for name in ("ci", "quickstart"))]


def keys(data: Any) -> set[str]:
    suite = parse_suite(loads(json.dumps(data), "s.yaml"), registry())
    return set(jobs_of(suite, registry(), ROOT, None, None, dict)[1].jobs)


def shuffled(data: Any, random: Random) -> Any:
    """The same with the keys of every mapping in another order."""
    if isinstance(data, dict):
        return {key: shuffled(value, random) for key, value in random.sample(list(data.items()), len(data))}
    return [shuffled(value, random) for value in data] if isinstance(data, list) else data


@settings(max_examples=12)
@given(st.sampled_from(SUITES), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_key_of_a_job(data, random):
    assert keys(shuffled(data, random)) == keys(data)


@settings(max_examples=12)
@given(st.randoms(use_true_random=False))
def test_defaults_that_are_written_out_change_no_job(random):
    told = copy.deepcopy(ONE)
    for method, arm in zip(("kd", "dkd"), told["methods"]):
        defaults = registry().method(method).defaults
        chosen = random.sample(sorted(defaults), random.randint(0, len(defaults)))
        arm["params"] = {**{name: defaults[name] for name in chosen}, **arm.get("params", {})}
        arm.update(random.choice(({}, {"source": "live"}, {"source": ["live"], "wrap": []}, {"init": "fresh"}, {"rounds": None})))
    task = told["tasks"][0]
    task["params"] = {**{k: v for k, v in registry().task("digits").defaults.items() if k in ("size",)}, **task["params"]}
    assert keys(told) == keys(ONE)


OTHER = {
    "steps": 31, "batch": 7, "optimiser": "sgd", "lr": 0.123, "weight_decay": 0.3, "momentum": 0.3, "nesterov": True,
    "schedule": "linear", "milestones": [0.3], "gamma": 0.3, "warmup": 0.3, "clip": 3.0, "precision": "bf16", "compile": True,
    "joint": True,
}  # fmt: skip
VIEW = {
    "labelled": "teacher", "transfer": "labelled", "augment": "", "bank": 3, "stages": ["mixup"], "sampler": "balanced",
    "seed": "per_seed",
}  # fmt: skip


def test_every_field_is_tried():
    """A field that is added to a recipe or a view is to be added above, so that it is known to make another job."""
    assert OTHER.keys() == Recipe.model_fields.keys() - {"like"} and VIEW.keys() == View.model_fields.keys()


@pytest.mark.parametrize("name", OTHER)
def test_every_field_of_a_recipe_makes_another_job(name):
    arm = {**ONE, "methods": [{"method": "kd", "recipe": {name: OTHER[name]}}]}
    plain = {**ONE, "methods": ["kd"]}
    new = keys(arm) - keys(plain)
    assert len(new) == 2 and len(keys(plain) - keys(arm)) == 2  # the two seeds, and neither control nor teachers


@pytest.mark.parametrize("name", VIEW)
def test_every_field_of_a_view_makes_another_job(name):
    value = list(registry().task("digits").facts["augments"])[-1] if name == "augment" else VIEW[name]
    told = {**ONE, "methods": [{"method": "kd", "view": "mixed"}], "views": {"mixed": {name: value}}}
    plain = {**ONE, "methods": ["kd"], "views": {}}
    assert keys(told) - keys(plain)


RUNTIME = {
    "name": "another", "description": "words", "resources": {"workers": 3, "gpu": 0.5, "timeout": 5.0, "device": "cuda:1"},
    "gate": {"alpha": 0.1, "tolerance": 0.1}, "profiles": {"smoke": {"seeds": 1}},
    "claims": [{"id": "c", "task": "small", "arm": "kd", "over": "none", "metric": "accuracy", "source": "x"}],
}  # fmt: skip


@pytest.mark.parametrize("name", RUNTIME)
def test_what_is_runtime_makes_no_other_job(name):
    plain = {**ONE, "methods": ["kd"], "views": {}}
    assert keys({**plain, name: RUNTIME[name]}) == keys(plain)
    assert (Suite.model_fields[name].json_schema_extra or {}).get("identity") is (name == "profiles")  # type: ignore[union-attr]


def test_names_of_tasks_pairs_and_arms_are_nobodys_identity():
    task = {**ONE["tasks"][0], "name": "other"}
    renamed = {**ONE, "tasks": [task], "methods": [{**arm, "name": f"arm{i}"} for i, arm in enumerate(ONE["methods"])]}
    assert keys(renamed) == keys(ONE)


def test_resources_are_runtime_and_profiles_say_which_they_change():
    assert all(not field.json_schema_extra["identity"] for field in Resources.model_fields.values())  # type: ignore[index,call-overload]
    assert Profile.model_fields["recipe"].json_schema_extra == {"identity": True}
