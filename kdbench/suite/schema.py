"""The keys of a suite file: what may be written, with its meaning. The JSON schema for editors is made from it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import PrivateAttr, field_validator, model_validator

from kdbench.suite.document import Document
from kdbench.suite.entry import Arm, Init, Name, Params, Source, Text, View
from kdbench.suite.gate import Gate
from kdbench.suite.marks import Many, OneOrMany, Shorthand, Strict, identity, runtime
from kdbench.suite.recipe import Recipe
from kdbench.suite.seeds import MOST, Seeds
from kdbench.suite.tune import Tune


def of_a_file(init: Init) -> Init:
    """A network of a pair starts before any round and any teacher."""
    if init.mix or init.earlier:
        raise ValueError("a pair's networks start fresh or from a file; what is earlier, or mixed, stands at an arm")
    return init


class Student(Strict):
    """The network that learns."""

    model: str = identity("name of a model plugin")
    params: Params = identity("params of the model", dict)
    recipe: Recipe = identity("merged over the task's own student recipe", Recipe)
    init: Init = identity("where its weights start in every arm that says nothing else: fresh, or {file: ...}", Init())

    @field_validator("init")
    @classmethod
    def _of_a_file(cls, init: Init) -> Init:
        return of_a_file(init)


class Teacher(Strict):
    """A network that is learned from: trained by kdbench, given as weights, or from elsewhere with a card."""

    model: str = identity("name of a model plugin; a card brings its own", "")
    card: OneOrMany[Name] | None = identity(
        "names of teachers' cards (kdbench teacher list); several are a pool", None, min_length=1
    )
    params: Params = identity("params of the model", dict)
    recipe: Recipe = identity("merged over the task's own teacher recipe", Recipe)
    view: str | None = identity("view of the suite, or augmentation of the task, that the teacher is trained with", None)
    pool: int = identity(
        "teachers trained from different seeds; a student of seed s learns from teacher s mod pool", 1, ge=1, le=MOST
    )
    init: Init = identity("where its weights start, before it is trained: fresh, or {file: ...}", Init())
    weights: Text | None = identity("file of weights, relative to the suite, to use instead of training", None)
    outputs: int | None = identity(
        "how many answers given weights decide among, where they are others than the task's: such a teacher is learned from, and "
        "never scored",
        None,
        ge=2,
    )

    @field_validator("init")
    @classmethod
    def _of_a_file(cls, init: Init) -> Init:
        return of_a_file(init)

    @model_validator(mode="after")
    def _given(self) -> Teacher:
        if self.outputs is not None and self.weights is None:
            raise ValueError("a teacher that decides among other answers is given as weights: this task cannot train it")
        extra = sorted({"recipe", "view", "pool", "init"} & self.model_fields_set)
        if self.weights is not None and extra:
            raise ValueError(f"a teacher given as weights is not trained, so it takes no {' and no '.join(extra)}")
        beside = sorted(self.model_fields_set - {"card"})
        if self.card is not None and beside:
            raise ValueError(f"a card says all of a teacher, so beside it there is no {' and no '.join(beside)}")
        if self.card is not None and len(set(self.card)) < len(self.card):
            raise ValueError("a card is named twice")
        if self.card is None and not self.model:
            raise ValueError("a teacher has a model, or a card")
        return self


class Pair(Strict):
    """Teacher and student; a side that is left out is the task's own."""

    name: Name = runtime("name in labels and filters; unique in its task")
    teacher: OneOrMany[Teacher] | None = identity("a teacher, or a list of different kinds of teachers", None, min_length=1)
    student: Student | None = identity("the student", None)


class OwnTeacher(Strict):
    """Changes to the task's own teacher."""

    pool: int | None = identity("teachers trained from different seeds", None, ge=1, le=MOST)
    recipe: Recipe = identity("merged over the recipe of the task's own teacher", Recipe)


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
    gpus: int = runtime("whole GPUs that a job takes: its batches are divided among them", 1, ge=1)
    timeout: float | None = runtime("seconds after which a job is ended; null for no limit", None, gt=0)
    device: str = runtime("auto, cpu, cuda or cuda:N", "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")

    @model_validator(mode="after")
    def _whole(self) -> Resources:
        if self.gpus > 1 and self.gpu < 1:
            raise ValueError(f"gpus: {self.gpus} takes whole GPUs, gpu: {self.gpu} a share of one; leave one of them out")
        return self


class Suite(Strict):
    """A benchmark: tasks, pairs of teacher and student, methods and seeds."""

    version: Literal[1] = runtime("version of this file format")
    name: str = runtime("name of the suite", pattern=r"^[a-z0-9][a-z0-9_-]*$")
    description: str = runtime("what the suite is for", "")
    plugins: OneOrMany[Text] = runtime("Python files with plugins, relative to the suite", ())
    seeds: Seeds = identity("how many seeds (0, 1, ...), or a list of seeds", (0,))
    tasks: Many[Task] = identity("what is learned", min_length=1)
    recipe: Recipe = identity(
        "merged over the tasks' own recipes, of students and of teachers: so it trains teachers anew; for the students alone it "
        "stands below a task",
        Recipe,
    )
    methods: Many[Arm] = identity("arms of every task; the control 'none' is planned by itself", ())
    sources: dict[Name, Source] = identity("named sources; 'live', one teacher, is always there", dict)
    views: dict[Name, View] = identity("named views; 'default', the task's own, is always there", dict)
    tune: OneOrMany[Tune] = identity("settings that are chosen on validation data; the suite's seeds are then run on test", ())
    exclude: Many[Exclude] = runtime("arms to leave out, each with its reason", ())
    claims: Many[Claim] = runtime("statements that the report judges", ())
    profiles: dict[Name, Profile] = identity("named variants for --profile", dict)
    show: OneOrMany[Text] = runtime("further metrics for the report's tables, where a task's family has them", ())
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
