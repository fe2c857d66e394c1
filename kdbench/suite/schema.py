"""The keys of a suite file: what may be written, with its meaning. The JSON schema for editors is made from it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, StringConstraints, WithJsonSchema, model_validator

from kdbench.suite.gate import Gate
from kdbench.suite.marks import Many, OneOrMany, Strict, identity, runtime
from kdbench.suite.recipe import RECIPE_DEFAULTS, Batch, Recipe
from kdbench.suite.yaml import Document

__all__ = ["RECIPE_DEFAULTS", "Batch", "Recipe", "Suite", "json_schema"]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Params = dict[str, Any]
FRESH = "fresh"  # weights drawn at random


def _count_up(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if value < 1:
        raise ValueError("at least one seed is needed")
    return list(range(value))


def _distinct(value: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [entry for i, entry in enumerate(value) if entry in value[:i]]
    if twice:
        raise ValueError(f"{twice[0]} is listed twice")
    return value


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[
    tuple[Seed, ...],
    Field(strict=False, min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(_count_up),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]


class Shorthand(Strict):
    """A part that may be written as a bare string: the plugin's name."""

    short: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {cls.short: value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}


class Wrap(Shorthand):
    """A wrapper around a method."""

    short = "wrapper"
    wrapper: str = identity("name of a wrapper plugin")
    params: Params = identity("params of the wrapper", dict)


class Student(Strict):
    """The network that learns."""

    model: str = identity("name of a model plugin")
    params: Params = identity("params of the model", dict)
    recipe: Recipe = identity("merged over the task's own student recipe", Recipe)


class Teacher(Strict):
    """A network that is learned from: trained by kdbench, or given as weights."""

    model: str = identity("name of a model plugin")
    params: Params = identity("params of the model", dict)
    recipe: Recipe = identity("merged over the task's own teacher recipe", Recipe)
    view: str | None = identity("view of the suite, or augmentation of the task, that the teacher is trained with", None)
    pool: int = identity("teachers trained from different seeds; a student of seed s learns from teacher s mod pool", 1, ge=1)
    weights: Text | None = identity("safetensors file, relative to the suite, to use instead of training", None)

    @model_validator(mode="after")
    def _given(self) -> Teacher:
        extra = sorted({"recipe", "view", "pool"} & self.model_fields_set)
        if self.weights is not None and extra:
            raise ValueError(f"a teacher given as weights is not trained, so it takes no {' and no '.join(extra)}")
        return self


class Pair(Strict):
    """Teacher and student; a side that is left out is the task's own."""

    name: Name = runtime("name in labels and filters; unique in its task")
    teacher: OneOrMany[Teacher] | None = identity("a teacher, or a list of different kinds of teachers", None, min_length=1)
    student: Student | None = identity("the student", None)


class OwnTeacher(Strict):
    """Changes to the task's own teacher."""

    pool: int | None = identity("teachers trained from different seeds", None, ge=1)
    recipe: Recipe = identity("merged over the recipe of the task's own teacher", Recipe)


class Init(Strict):
    """Where a student's weights start: `fresh`, or on the way from there to its teacher, which must be the same network."""

    mix: float = identity("share of the teacher's weights in the start; the rest is random", 0.0, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _fresh(cls, value: Any) -> Any:
        return {} if value == FRESH else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"const": FRESH}, handler(core_schema)]}

    def plain(self) -> Any:
        """`fresh`, or what is mixed: no share of the teacher is a fresh start."""
        return {"mix": self.mix} if self.mix else FRESH


class Arm(Shorthand):
    """A method with its settings. Lists of params, sources, views and starts span a matrix of arms."""

    short = "method"
    method: str = identity("name of a method plugin")
    name: Name | None = runtime("another name for claims, excludes and --only; unique in its task", None)
    params: Params = identity("params of the method; a list where the param takes no list is swept", dict)
    wrap: OneOrMany[Wrap] = identity("wrappers, the outermost first", ())
    source: OneOrMany[str] = identity("where the teacher's signal comes from: names under sources", ("live",), min_length=1)
    view: OneOrMany[str] = identity("what is trained on: names under views", ("default",), min_length=1)
    init: OneOrMany[Init] = identity("where the student's weights start: fresh, or {mix: share of the teacher's}", (Init(),))
    recipe: Recipe = identity("merged over the student's recipe", Recipe)
    tasks: OneOrMany[str] | None = runtime("only these tasks, by name", None, min_length=1)
    seeds: Seeds | None = identity("seeds of this arm instead of the suite's", None)


class Task(Shorthand):
    """Data and metrics, with the pairs to compare on them."""

    short = "task"
    task: str = identity("name of a task plugin")
    name: Name | None = runtime("name in labels and filters; unique in the suite; the plugin's name if left out", None)
    params: Params = identity("params of the task", dict)
    pairs: Many[Pair] = identity("pairs of teacher and student; the task's own, named 'default', if left out", (), min_length=1)
    recipe: Recipe = identity("merged over every pair's student recipe", Recipe)
    teachers: OwnTeacher | None = identity("changes to the task's own teacher", None)
    methods: Many[Arm] = identity("arms of this task only, beside the suite's", ())

    @property
    def label(self) -> str:
        return self.name or self.task


class Source(Strict):
    """Where the teacher's signal comes from."""

    source: str = identity("name of a source plugin")
    teachers: int = identity("how many teachers of the pool answer together", 1, ge=1)
    params: Params = identity("params of the source", dict)


class Stage(Shorthand):
    """A change to the samples of the distillation stream, after the augmentation, that student and teacher both see."""

    short = "stage"
    stage: str = identity("name of a stage plugin")
    params: Params = identity("params of the stage", dict)


class View(Strict):
    """What is trained on. A value that is null or left out is the task's own."""

    labelled: str | None = identity("set of the labelled stream: a set of the task, or the name of a role", None)
    transfer: str | None = identity("set of the stream on which the teacher is asked", None)
    augment: str | None = identity("augmentation policy of the task", None)
    bank: int | None = identity("frozen views of each sample; 0 draws a new view in every epoch", None, ge=0)
    stages: OneOrMany[Stage] = identity("changes to the distillation stream, in order, e.g. mixup", ())
    seed: Literal["fixed", "per_seed"] = identity("one stream of views for all seeds, or one for each", "fixed")


class Exclude(Strict):
    """Arms that are left out: those of which every given key holds."""

    task: str | None = runtime("name of a task", None)
    pair: str | None = runtime("name of a pair", None)
    method: str | None = runtime("a method, or the name of an arm", None)
    source: str | None = runtime("name of a source", None)
    view: str | None = runtime("name of a view", None)
    seed: int | None = runtime("a seed", None)
    reason: Text = runtime("why; shown in the plan and the report")

    @model_validator(mode="after")
    def _says_what(self) -> Exclude:
        if not self.model_fields_set - {"reason"}:
            raise ValueError("says nothing of what is excluded; give task, pair, method, source, view or seed")
        return self


class Claim(Strict):
    """A statement that the report judges with its interval: holds, fails or undecided."""

    id: Name = runtime("short unique name")
    task: str = runtime("name of a task")
    arm: str = runtime("name of an arm, a method, or a full cell label")
    over: str | None = runtime("what the arm is compared with, named likewise; the arm's own value is judged if left out", None)
    pair: str | None = runtime("only this pair of the task; every pair if left out", None)
    over_pair: str | None = runtime("pair of `over`, where it is another one", None)
    metric: str = runtime("name of a metric")
    at_least: float | None = runtime("smallest difference arm - over (or value); 0 if neither bound is given", None)
    at_most: float | None = runtime("largest difference arm - over (or value)", None)
    source: Text = runtime("where the claim comes from")
    expect: str | None = runtime("what is expected, in prose", None)

    @model_validator(mode="after")
    def _ordered(self) -> Claim:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("at_least is above at_most")
        if self.over is None and self.at_least is None and self.at_most is None:
            raise ValueError("without `over` it is the arm's own value that is judged, so give at_least or at_most")
        if self.over is None and self.over_pair is not None:
            raise ValueError("over_pair says where `over` is, and there is none")
        return self


class Profile(Strict):
    """A smaller or larger form of the same suite, chosen with --profile."""

    seeds: Seeds | None = identity("seeds of every arm", None)
    tasks: OneOrMany[str] | None = runtime("only these tasks, by name", None, min_length=1)
    methods: OneOrMany[str] | None = runtime("only these arms, by name or method; the control 'none' stays", None, min_length=1)
    recipe: Recipe = identity("merged over every recipe, of students and teachers", Recipe)
    params: dict[str, Params] = identity("task name -> params merged over the task's", dict)


class Resources(Strict):
    """How jobs are run. Nothing here changes a result."""

    workers: int | None = runtime("jobs at a time; null for as many as fit", None, ge=1)
    gpu: float = runtime("share of a GPU that a job takes", 1.0, gt=0, le=1)
    timeout: float = runtime("seconds after which a job is ended", 3600.0, gt=0)
    device: str = runtime("auto, cpu, cuda or cuda:N", "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")


class Suite(Strict):
    """A benchmark: tasks, pairs of teacher and student, methods and seeds."""

    version: Literal[1] = runtime("version of this file format")
    name: str = runtime("name of the suite", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = runtime("what the suite is for", "")
    plugins: OneOrMany[Text] = runtime("Python files with plugins, relative to the suite", ())
    seeds: Seeds = identity("how many seeds (0, 1, ...), or a list of seeds", (0,))
    tasks: Many[Task] = identity("what is learned", min_length=1)
    methods: Many[Arm] = identity("arms of every task; the control 'none' is planned by itself", ())
    sources: dict[Name, Source] = identity("named sources; 'live', one teacher, is always there", dict)
    views: dict[Name, View] = identity("named views; 'default', the task's own, is always there", dict)
    exclude: Many[Exclude] = runtime("arms to leave out, each with its reason", ())
    claims: Many[Claim] = runtime("statements that the report judges", ())
    profiles: dict[Name, Profile] = identity("named variants for --profile", dict)
    gate: Gate = runtime("how kdbench gate judges regressions", Gate)
    resources: Resources = runtime("how jobs are run", Resources)

    _document: Document = PrivateAttr(default_factory=lambda: Document("suite", ""))

    @property
    def document(self) -> Document:
        """The file that the suite was read from, with the places of its keys and values."""
        return self._document


def json_schema() -> dict[str, Any]:
    """The schema of a suite file for editors that complete and check YAML."""
    schema = Suite.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "kdbench suite"}
