"""The page of the suite file: every key of every part, from the models that read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kdbench.docs.markdown import made, table
from kdbench.suite.card import Card, Claimed, Measured, Normalisation, Score, Weights
from kdbench.suite.entry import Arm, Init, Round, Rounds, Source, Stage, View, Wrap
from kdbench.suite.gate import Gate
from kdbench.suite.marks import Shorthand
from kdbench.suite.presets import Preset, Requires
from kdbench.suite.recipe import Batch, Recipe
from kdbench.suite.recipes import NamedRecipe
from kdbench.suite.schema import Claim, Exclude, OwnTeacher, Pair, Profile, Resources, Student, Suite, Task, Teacher
from kdbench.suite.shape import branches, describe
from kdbench.suite.tune import Tune

INTRODUCTION = """\
A suite is one YAML file. `kdbench check SUITE` tells every mistake with `file:line:column`, `kdbench schema` prints the JSON
schema that editors complete by, `kdbench init` writes a commented suite to start from. Files that a suite names are relative
to it. YAML is read strictly: `yes` is text, a key that is written twice is an error, and so is a key that is not below.

A value marked **✓** is part of what a result *is*: another value is another experiment with results of its own. The others say
how something is run, chosen or told; changing them runs nothing anew. Values that nobody wrote come from the task's own
recipe, the method's own defaults, and so on; a recipe is merged field by field, from the task's own to the arm's."""


class Part(NamedTuple):
    model: type[BaseModel]
    title: str
    place: str  # where in a suite it stands
    example: str  # a fragment that is checked as a part of a suite; empty where the part above shows it


PARTS = (
    Part(
        Suite,
        "Suite",
        "the whole file",
        "version: 1\nname: mine\nseeds: 3\ntasks: [digits]\nmethods: [kd, at]\n"
        "show: [top5_accuracy, nll]      # in the report's tables, beside accuracy and agreement",
    ),
    Part(
        Task,
        "Task",
        "`tasks[]`",
        "tasks:\n  - digits                      # a name alone is enough\n"
        "  - {task: digits, name: few, params: {labelled: 50}, recipe: {steps: 200}}",
    ),
    Part(
        Pair,
        "Pair",
        "`tasks[].pairs[]`",
        "tasks:\n  - task: digits\n    pairs:\n      - name: small\n        teacher: {model: digit_net, params: {depth: 3}}\n"
        "        student: {model: digit_net, params: {depth: 1}}",
    ),
    Part(
        Teacher,
        "Teacher",
        "`tasks[].pairs[].teacher`",
        "tasks:\n  - task: digits\n    pairs:\n      - {name: three, teacher: {model: digit_net, pool: 3, recipe: {steps: 800}}}",
    ),
    Part(Student, "Student", "`tasks[].pairs[].student`", ""),
    Part(
        OwnTeacher,
        "Own teacher",
        "`tasks[].teachers`",
        "tasks:\n  - {task: digits, teachers: {pool: 3, recipe: {steps: 600}}}",
    ),
    Part(
        Recipe,
        "Recipe",
        "`recipe`, of the suite, a task, a student, a teacher, an arm, a round or a profile",
        "recipe: {steps: 800, lr: 0.05, optimiser: sgd, batch: {labelled: 32, transfer: 64}}",
    ),
    Part(Batch, "Batch", "`recipe.batch`", ""),
    Part(
        Arm,
        "Arm",
        "`methods[]` and `tasks[].methods[]`",
        "methods:\n  - at\n  - {method: kd, name: soft, params: {T: [2, 8]}, recipe: {lr: 0.003}}   # a list is a sweep\n"
        "  - {method: dist, tasks: digits, seeds: [0, 1]}",
    ),
    Part(Wrap, "Wrapper", "`methods[].wrap[]`", "methods:\n  - {method: kd, wrap: {wrapper: top_k, params: {k: 3}}}"),
    Part(
        Init,
        "Start",
        "`methods[].init`: `fresh`, `earlier`, or a mapping",
        "tasks:\n  - task: digits\n    pairs: [{name: kin, teacher: {model: digit_net}, student: {model: digit_net}}]\n"
        "methods:\n  - {method: kd, init: {mix: 0.5}}",
    ),
    Part(
        Rounds,
        "Rounds",
        "`methods[].rounds`",
        "methods:\n  - {method: kd, rounds: {first: {method: none}, each: {source: earlier}, count: 2}}",
    ),
    Part(Round, "Round", "`methods[].rounds.first[]` and `.each[]`", ""),
    Part(
        Source,
        "Source",
        "`sources.NAME`",
        "tasks: [{task: digits, teachers: {pool: 3}}]\nmethods:\n  - {method: kd, source: [live, three]}\n"
        "sources:\n  three: {source: ensemble, teachers: 3}",
    ),
    Part(
        View,
        "View",
        "`views.NAME`",
        "methods:\n  - {method: kd, view: [default, mixed]}\nviews:\n  mixed: {stages: mixup, seed: per_seed}",
    ),
    Part(
        Stage,
        "Stage",
        "`views.NAME.stages[]`",
        "views:\n  strong: {stages: [{stage: mixup, params: {part: 0.5}}]}\nmethods: [kd]",
    ),
    Part(
        Tune,
        "Tune",
        "`tune[]`",
        "methods: [kd, at]\ntune:\n  - {methods: [none, kd], recipe: {lr: [0.003, 0.01]}}\n"
        "  - {methods: at, times: {weight: [0.1, 1, 10]}, seeds: 2}",
    ),
    Part(
        Exclude,
        "Exclude",
        "`exclude[]`",
        "tasks: [digits, sounds]\nmethods: [kd, at]\nexclude:\n  - {task: sounds, method: at, reason: its taps are not aligned}",
    ),
    Part(
        Claim,
        "Claim",
        "`claims[]`",
        "methods: [kd]\nclaims:\n"
        "  - {id: kd-helps, task: digits, arm: kd, over: none, metric: accuracy, at_least: 0.02, source: my hypothesis}",
    ),
    Part(
        Profile,
        "Profile",
        "`profiles.NAME`, chosen by `--profile NAME`",
        "profiles:\n  smoke: {seeds: 1, recipe: {steps: 10}, params: {digits: {labelled: 20}}}",
    ),
    Part(Gate, "Gate", "`gate`", "gate: {tolerance: 0.01, looks: [3, 6], margins: {digits/log_kl: 0.1}}"),
    Part(Resources, "Resources", "`resources`", "resources: {workers: 2, timeout: 600, device: cpu}"),
)
FILES = (
    Part(
        NamedRecipe,
        "Recipe file",
        "a named recipe: `NAME.yaml`, as those in `kdbench/recipes/`; `kdbench describe recipe NAME` shows one",
        "",
    ),
    Part(
        Preset,
        "Preset file",
        "a named combination: `NAME.yaml`, of `plugins:`, `--plugin` or a package; `kdbench describe preset NAME` shows one",
        "",
    ),
    Part(Requires, "Requires", "`requires` of a preset file", ""),
    Part(Card, "Teacher's card", "`teachers/NAME.yaml`, written by `kdbench teacher add`", ""),
    Part(Normalisation, "Normalisation", "`normalisation` of a card", ""),
    Part(Weights, "Weights", "`weights` of a card", ""),
    Part(Claimed, "Claimed", "`claimed[]` of a card", ""),
    Part(Measured, "Measured", "`measured` of a card", ""),
    Part(Score, "Score", "`measured.scores.METRIC` of a card", ""),
)
KNOWN = {part.model.__name__: part for part in (*PARTS, *FILES)}
SHORT = {
    "text matching ^[A-Za-z0-9_-]+$": "a name",
    "text matching ^[a-z0-9][a-z0-9_-]*$": "a name in lower case",
    "text at least 1 character": "text",
    "whatever fits": "any value",
    r"text matching ^(auto|cpu|cuda(:\d+)?)$": "one of auto, cpu, cuda, cuda:N",
}


def page() -> str:
    listed = "\n".join(f"- [{part.title}](#{anchor(part)}): {part.place}" for part in PARTS)
    more = "## Files beside a suite\n\nThey are written in the same words and read as strictly."
    parts = [made("The suite file", INTRODUCTION), listed, *map(told, PARTS), more, *map(told, FILES)]
    return "\n\n".join(parts) + "\n"


def told(part: Part) -> str:
    doc = (part.model.__doc__ or "").strip()
    short = f" May be written as a name alone: its `{part.model.short}`." if issubclass(part.model, Shorthand) else ""
    schema = part.model.model_json_schema()
    heads = ("key", "value", "default", "meaning", "identity")
    lines = [f"## {part.title}", f"*{part.place}*", f"{doc}{short}", table(heads, rows(part.model, schema))]
    if part.example:
        lines.append(f"```yaml\n{part.example}\n```")
    return "\n\n".join(lines)


def rows(model: type[BaseModel], schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    own = next(option for option in branches(schema, schema) if "properties" in option)
    for name, field in model.model_fields.items():
        extra = field.json_schema_extra
        marked = isinstance(extra, dict) and extra.get("identity")
        yield (
            f"`{name}`",
            words(own["properties"][name], schema),
            default(field),
            field.description or "",
            "✓" if marked else "",
        )


def words(schema: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    """What may stand at a key; another part is led to by its name."""
    name = schema["$ref"].rpartition("/")[2] if "$ref" in schema else schema.get("title", "") if "properties" in schema else ""
    if name in KNOWN:
        return f"[{KNOWN[name].title.lower()}](#{anchor(KNOWN[name])})"
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        said = list(dict.fromkeys(words(option, root) for option in options if option.get("type") != "array"))
        for listed in (option["items"] for option in options if option.get("type") == "array"):
            inner = words(listed, root)
            said = [f"{inner}, or several in a list" if each == inner else each for each in said]
            said += [] if any(each.startswith(inner) for each in said) else [f"a list of: {inner}"]
        return " or ".join(said)
    if schema.get("type") == "array" and "items" in schema:
        return f"a list of: {words(schema['items'], root)}"
    if schema.get("type") == "object":
        of = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        return f"a mapping of: {words(of, root)}" if isinstance(of, dict) and of else "a mapping"
    told = describe(schema, root)
    return SHORT.get(told, told)


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "–"
    plain = json.loads(json.dumps(value, default=_plain))
    return "–" if plain in (None, [], {}, "", [{}]) else f"`{json.dumps(plain, ensure_ascii=False)}`"


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, BaseModel) else list(value)


def anchor(part: Part) -> str:
    return part.title.lower().replace(" ", "-").replace("'", "")
