"""A suite with mistakes is told all of them at once, each at its place; the schema for editors describes every field."""

from __future__ import annotations

import re

import pytest
from fake_catalogue import CATALOGUE, suite_of
from pydantic import BaseModel

from kdbench.suite import (
    RECIPE_DEFAULTS,
    SuiteError,
    entry,
    json_schema,
    marks,
    parse_suite,
    presets,
    read_suite,
    recipe,
    recipes,
    schema,
    tune,
)
from kdbench.suite.yaml import loads

FIVE = """\
version: 1
name: quickstart
sedes: 2
seeds: two
tasks: [digits]
methods:
  - kdd
  - method: kd
    params: {temperature: 4}
tasks: [sounds]
"""


def problems_of(text: str) -> list[tuple[int | None, int | None, str]]:
    with pytest.raises(SuiteError) as caught:
        suite_of(text)
    return [(p.line, p.column, p.message) for p in caught.value.problems]


def test_five_mistakes_are_five_problems():
    with pytest.raises(SuiteError) as caught:
        parse_suite(loads(FIVE, "suites/five.yaml"), CATALOGUE)
    assert [(p.line, p.column, p.message, p.suggestion) for p in caught.value.problems] == [
        (3, 1, "unknown key 'sedes'", "seeds"),
        (4, 8, "'seeds' is \"two\"", None),
        (7, 5, "unknown method 'kdd'", "kd"),
        (9, 14, "kd: unknown param 'temperature'", None),
        (10, 1, "duplicate key 'tasks', first written in line 5", None),
    ]
    lines = str(caught.value).split("\n")
    assert lines[:3] == ["suites/five.yaml:3:1: unknown key 'sedes'", "     3 | sedes: 2", "       | ^"]
    assert "did you mean 'seeds'?" in lines[4]
    for problem in caught.value.problems:
        line = FIVE.split("\n")[problem.line - 1]
        shown = next(i for i, text in enumerate(lines) if text.startswith(f"suites/five.yaml:{problem.line}:"))
        assert lines[shown + 1].endswith(line) and lines[shown + 2].index("^") - 9 == problem.column - 1


def test_a_caret_keeps_its_place_behind_a_tab():
    with pytest.raises(SuiteError) as caught:
        suite_of("tasks: [\tdigitz]\n")
    assert str(caught.value).split("\n")[1:3] == ["     3 | tasks: [\tdigitz]", "       |         \t^"]


@pytest.mark.parametrize("text, line", [("", 1), ("# nothing\n", 1), ("---\n", 2)])
def test_empty_file(text: str, line: int):
    with pytest.raises(SuiteError, match=rf"s\.yaml:{line}:1: the file is empty"):
        parse_suite(loads(text, "s.yaml"))


def test_a_list_is_no_suite():
    with pytest.raises(SuiteError, match="holds no mapping"):
        parse_suite(loads("- 1\n", "s.yaml"))


def test_a_refused_value_is_one_problem():
    assert problems_of("tasks: [digits]\ndescription: !!python/object:os.system x\n") == [
        (4, 14, "tag !!python/object:os.system is not allowed")
    ]


@pytest.mark.parametrize(
    "text, place, words",
    [
        ("tasks: []\n", (3, 8), "at least 1 entry"),
        ("seeds: 0\ntasks: [digits]\n", (3, 8), "at least one seed"),
        ("seeds: [1, 1]\ntasks: [digits]\n", (3, 8), "1 is listed twice"),
        ("seeds: [1, -1]\ntasks: [digits]\n", (3, 12), "a whole number at least 0"),
        ("seeds: true\ntasks: [digits]\n", (3, 8), "a list of"),
        ("seeds:\ntasks: [digits]\n", (3, 1), "'seeds' is empty"),
        ("tasks: [{name: a b, task: digits}]\n", (3, 16), "matching"),
        ("tasks: [{params: {}}]\n", (3, 9), "'task' is missing"),
        ("tasks: [digits]\ngates: {}\n", (4, 1), "unknown key 'gates'"),
        ("tasks: [digits]\nviews: {'a b': {}}\n", (4, 9), "no good name"),
        ("tasks: [digits]\nviews: {a: {bank: -1}}\n", (4, 19), "at least 0"),
        ("tasks: [digits]\nviews: {a: {bnak: 1}}\n", (4, 13), "did you mean 'bank'"),
        ("tasks: [digits]\nviews: {default: {}}\n", (4, 9), "always there"),
        ("tasks: [digits]\nviews: {a: {stages: [mixpu]}}\n", (4, 22), "did you mean 'mixup'"),
        ("tasks: [digits]\nviews: {a: {stages: {stage: mixup, params: {a: 1}}}}\n", (4, 45), "unknown param 'a'"),
        ("tasks: [digits]\nmethods: [{method: kd, init: frehs}]\n", (4, 30), "'methods.init' is"),
        ("tasks: [digits]\nmethods: [{method: kd, init: {mix: 2}}]\n", (4, 36), "at most 1"),
        ("tasks: [digits]\nsources: {a: {source: live}}\nviews: {a: {}}\n", (5, 9), "also the name of a source"),
        ("tasks: [digits]\nsources: {a: {source: live, params: {reduce: mean}}}\n", (4, 46), 'one of "prob", "logit"'),
        ("tasks: [digits, digits]\n", (3, 17), "given twice, first in line 3"),
        ("tasks: [digits]\nmethods: [{method: kd, view: no}]\n", (4, 30), "unknown view 'no'"),
        ("tasks: [digits]\nmethods: [{method: kd, source: [live, no]}]\n", (4, 39), "unknown source 'no'"),
        ("tasks: [digits]\nmethods: [{method: kd, tasks: digit}]\n", (4, 31), "did you mean 'digits'"),
        ("tasks: [digits]\nmethods: [{method: kd, name: dkd}]\n", (4, 30), "another method's name"),
        ("tasks: [digits]\nmethods: [{method: kd, name: a}, {method: dkd, name: a}]\n", (4, 54), "given twice"),
        ("tasks: [digits]\nmethods: [{method: kd, wrap: [nb]}]\n", (4, 31), "unknown wrapper 'nb'"),
        ("tasks: [digits]\nmethods: [{method: kd, wrap: [{wrapper: nd, params: {weight: x}}]}]\n", (4, 62), "a number"),
        ("tasks: [digits]\nmethods: [{method: kd, params: {T: [1, 0]}}]\n", (4, 40), "a number above 0"),
        ("tasks: [digits]\nmethods: [{method: kd, params: {T: [1, 1.0]}}]\n", (4, 40), "swept twice"),
        ("tasks: [digits]\nmethods: [{method: kd, params: {T: []}}]\n", (4, 36), "at least one value"),
        ("tasks: [digits]\nmethods: [{method: kd, params: {T: .inf}}]\n", (4, 36), "no finite number"),
        ("tasks: [digits]\nmethods: [{method: kd, params: {squared: 1}}]\n", (4, 42), "true or false"),
        ("tasks: [digits]\nmethods: [{method: fitnets, params: {hint: {tip: x}}}]\n", (4, 45), "did you mean 'tap'"),
        ("tasks: [digits]\nmethods: [{method: fitnets, params: {taps: [a, 2]}}]\n", (4, 48), "text"),
        ("tasks: [digits]\nmethods: [{method: kd, recipe: {milestones: [0.5, 0.5]}}]\n", (4, 45), "must rise"),
        ("tasks: [digits]\nmethods: [{method: kd, recipe: {batch: {labelled: 0}}}]\n", (4, 51), "above 0"),
        ("tasks: [digits]\nmethods: [{method: kd, recipe: {lr: '0.1'}}]\n", (4, 37), "a number above 0"),
        ("tasks: [digits]\nmethods: [{method: kd, recipe: {lr: .nan}}]\n", (4, 37), "no finite number"),
        ("tasks: [{task: digits, params: {size: smal}}]\n", (3, 39), "did you mean 'small'"),
        ("tasks: [{task: digits, pairs: [{name: a, teacher: {model: nett}}]}]\n", (3, 59), "did you mean 'net'"),
        ("tasks: [{task: digits, pairs: [{name: a, teacher: [net]}]}]\n", (3, 52), "a mapping"),
        ("tasks: [{task: digits, pairs: [{name: a, teacher: {model: net, pool: 0}}]}]\n", (3, 70), "at least 1"),
        ("tasks: [{task: digits, pairs: [{name: a, teacher: {model: net, view: mod}}]}]\n", (3, 70), "did you mean 'mid'"),
        ("tasks: [{task: digits, pairs: [{name: a, student: {model: timm}}]}]\n", (3, 59), "param 'name' is missing"),
        ("tasks: [{task: digits, pairs: [{name: a}, {name: a}]}]\n", (3, 50), "pair name 'a' is given twice"),
        (
            "tasks: [{task: digits, pairs: [{name: a, teacher: {model: net}}], teachers: {pool: 2}}]\n",
            (3, 67),
            "every pair here has its own",
        ),
        (
            "tasks: [{task: digits, pairs: [{name: a, teacher: {model: net, weights: w, pool: 2}}]}]\n",
            (3, 51),
            "takes no pool",
        ),
        ("tasks: [digits]\nexclude: [{task: digits}]\n", (4, 11), "'reason' is missing"),
        ("tasks: [digits]\nexclude: [{reason: why}]\n", (4, 11), "says nothing of what is excluded"),
        ("tasks: [digits]\nexclude: [{method: kd, reason: why}]\n", (4, 20), "unknown method of this suite 'kd'"),
        ("tasks: [digits]\nprofiles: {p: {tasks: [digit]}}\n", (4, 24), "did you mean 'digits'"),
        ("tasks: [digits]\nprofiles: {p: {params: {digit: {}}}}\n", (4, 25), "did you mean 'digits'"),
        ("tasks: [digits]\nprofiles: {p: {params: {digits: {labelled: 1}}}}\n", (4, 44), "at least 10"),
        ("tasks: [digits]\nresources: {device: gpu}\n", (4, 21), "matching"),
    ],
)
def test_each_mistake_is_one_problem_at_its_place(text: str, place: tuple[int, int], words: str):
    with pytest.raises(SuiteError) as caught:
        suite_of(text)
    assert [(p.line, p.column) for p in caught.value.problems] == [place]
    assert words in str(caught.value)


def test_a_wrong_anchor_is_one_problem():
    text = "tasks: [digits]\nmethods:\n  - {method: kd, recipe: &r {step: 3}}\n  - {method: dkd, recipe: *r}\n"
    assert problems_of(text) == [(5, 30, "unknown key 'step'")]


def test_merge_keys_serve_a_suite():
    suite = suite_of("tasks: [digits]\nmethods:\n  - &a {method: kd, recipe: {lr: 0.1}}\n  - {<<: *a, method: dkd}\n")
    assert suite.methods[1].method == "dkd" and suite.methods[1].recipe.given() == {"lr": 0.1}


def test_short_forms():
    suite = suite_of(
        "seeds: 3\ntasks: [digits]\nmethods: [kd, {method: dkd, source: live, wrap: nd, tasks: digits, recipe: {batch: 8}}]\n"
    )
    assert suite.seeds == (0, 1, 2) and suite.tasks[0].label == "digits"
    arm = suite.methods[1]
    assert (arm.source, arm.view, arm.tasks, arm.wrap[0].wrapper) == (("live",), ("default",), ("digits",), "nd")
    assert arm.recipe.given() == {"batch": {"labelled": 8, "transfer": 8}}


def test_files_must_be_there(tmp_path):
    (tmp_path / "mine.py").touch()
    (tmp_path / "s.yaml").write_text(
        "version: 1\nname: s\nplugins: [./mine.py, ./gone.py]\n"
        "tasks: [{task: digits, pairs: [{name: a, teacher: {model: net, weights: gone.safetensors}}]}]\n"
    )
    with pytest.raises(SuiteError) as caught:
        read_suite(tmp_path / "s.yaml", CATALOGUE)
    assert [(p.line, p.column) for p in caught.value.problems] == [(3, 22), (4, 73)]


def test_read_without_a_catalogue_checks_the_structure_only(tmp_path):
    (tmp_path / "s.yaml").write_text("version: 1\nname: s\ntasks: [nobody]\nmethods: [knows]\n")
    suite = read_suite(tmp_path / "s.yaml")
    assert suite.tasks[0].task == "nobody" and suite.document.place(("methods", 0)) == (4, 11)
    with pytest.raises(SuiteError, match="unknown task"):
        read_suite(tmp_path / "s.yaml", CATALOGUE)


MODELS = [
    found
    for module in (schema, entry, presets, recipe, recipes, tune)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, BaseModel) and found.__module__ == module.__name__
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_field_is_marked_and_described(model: type[BaseModel]):
    assert model.model_config["extra"] == "forbid" and model.model_config["frozen"]
    for name, info in model.model_fields.items():
        extra = info.json_schema_extra
        assert isinstance(extra, dict) and isinstance(extra.get("identity"), bool), f"{model.__name__}.{name} is not marked"
        assert info.description, f"{model.__name__}.{name} is not described"
    assert len(MODELS) > 16 and marks.Strict not in MODELS


def test_schema_for_editors():
    made = json_schema()
    assert made["$schema"].startswith("https://json-schema.org/") and made["additionalProperties"] is False
    assert {"type": "string"} in made["$defs"]["Arm"]["anyOf"]  # the short form
    source = made["$defs"]["Arm"]["anyOf"][1]["properties"]["source"]
    assert {"type": "string"} in source["anyOf"]  # one or many
    references = set(re.findall(r"#/\$defs/(\w+)", str(made)))
    assert references == set(made["$defs"])


def test_recipe_defaults():
    assert RECIPE_DEFAULTS == {
        "steps": 400,
        "batch": {"labelled": 64, "transfer": 64},
        "optimiser": "adamw",
        "lr": 0.001,
        "weight_decay": 0.01,
        "momentum": 0.9,
        "nesterov": False,
        "schedule": "cosine",
        "milestones": [],
        "gamma": 0.1,
        "warmup": 0.05,
        "clip": None,
        "precision": "fp32",
        "compile": "no",
        "joint": False,
    }
