"""What may be said of an arm: its method, source, view, start, recipe and rounds. Suites and presets say it in the same words."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PrivateAttr, StringConstraints, model_serializer, model_validator

from kdbench.suite.marks import OneOrMany, Shorthand, Strict, identity, runtime
from kdbench.suite.recipe import Recipe
from kdbench.suite.seeds import Seeds

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Params = dict[str, Any]
Earlier = Annotated[int, Field(ge=1)]
MOST_ROUNDS = 1000
FRESH = "fresh"  # weights drawn at random
EARLIER = "earlier"  # the student of the round before
INITIAL = "initial"  # the student as it was before this round


class Wrap(Shorthand):
    """A wrapper around a method."""

    short = "wrapper"
    wrapper: str = identity("name of a wrapper plugin")
    params: Params = identity("params of the wrapper", dict)


class Init(Strict):
    """Where a student's weights start: `fresh`, `earlier` (the student of the round before), a file, a mix with the teacher."""

    mix: float = identity("share of the teacher's weights in the start, the same network; the rest is random", 0.0, ge=0, le=1)
    earlier: Earlier | None = identity("start as the student of so many rounds before, 1 for the last one", None)
    file: Text | None = identity("file of weights, relative to the suite", None)
    part: OneOrMany[Text] = identity("only the weights whose names start so, of an earlier student or a file", ())
    fresh: OneOrMany[Text] = identity("all weights of a file but those whose names start so: a new head, e.g. fc", ())

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {EARLIER: 1} if value == EARLIER else {} if value == FRESH else value

    @model_validator(mode="after")
    def _one(self) -> Init:
        given = [name for name in ("mix", "earlier", "file") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"weights start at one place, not at {' and '.join(given)}")
        if self.part and given not in (["earlier"], ["file"]):
            raise ValueError("part says which weights of an earlier student or a file are taken, and there is neither")
        if self.fresh and (given != ["file"] or self.part):
            raise ValueError("fresh says which weights are not taken from a file: it stands beside `file`, without `part`")
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"enum": [FRESH, EARLIER]}, handler(core_schema)]}

    @model_serializer
    def plain(self) -> Any:
        """`fresh`, or only what differs from it: no share of the teacher is a fresh start."""
        found = {name: list(value) if isinstance(value, tuple) else value for name, value in self}
        return {name: value for name, value in found.items() if value} or FRESH


class Round(Strict):
    """One round of training as far as it differs from its arm; another method starts from its own params."""

    method: str | None = identity("name of a method plugin", None)
    params: Params | None = identity("params of the method, merged over the arm's where the method is the arm's", None)
    wrap: OneOrMany[Wrap] | None = identity("wrappers, the outermost first", None)
    source: str | None = identity("a name under sources; `earlier` is the student of the round before", None)
    view: str | None = identity("a name under views", None)
    init: Init | None = identity("where the weights of the round's student start", None)
    student: Literal["student", "teacher"] = identity(
        "the network that learns: the pair's student, or one like its teacher", "student"
    )
    recipe: Recipe = identity("merged over the arm's recipe", Recipe)


class Rounds(Strict):
    """Training in rounds, each a job of its own whose student the next one may learn from or start as. The last is the arm's."""

    first: OneOrMany[Round] = identity("rounds that are done once", ())
    each: OneOrMany[Round] = identity("rounds that are done `count` times, in turn", (Round(),), min_length=1)
    count: OneOrMany[Annotated[int, Field(ge=1, le=MOST_ROUNDS)]] = identity(
        "how often; a list spans arms, which share their rounds", (1,), min_length=1
    )


def rounds(spec: Rounds, count: int) -> list[Round]:
    """Every round in its order. More rounds begin with the same ones, so that a longer chain goes on from a shorter one."""
    return [*spec.first, *spec.each * count]


class Entry(Strict):
    """A method with its settings. Lists of params, sources, views and starts span a matrix of arms."""

    method: str = identity("name of a method plugin, or of a preset")
    params: Params = identity("params of the method; a list where the param takes no list is swept", dict)
    wrap: OneOrMany[Wrap] = identity("wrappers, the outermost first", ())
    source: OneOrMany[str] = identity("where the teacher's signal comes from: names under sources", ("live",), min_length=1)
    view: OneOrMany[str] = identity("what is trained on: names under views", ("default",), min_length=1)
    init: OneOrMany[Init] = identity("where the student's weights start: fresh, earlier, {file: ...} or {mix: ...}", (Init(),))
    recipe: Recipe = identity("merged over the student's recipe", Recipe)
    rounds: Rounds | None = identity("train in rounds: generations, alternating networks, a start from an earlier student", None)


class Arm(Entry, Shorthand):
    """An arm of a suite."""

    short: ClassVar[str] = "method"
    name: Name | None = runtime("another name for claims, excludes and --only; unique in its task", None)
    tasks: OneOrMany[str] | None = runtime("only these tasks, by name", None, min_length=1)
    seeds: Seeds | None = identity("seeds of this arm instead of the suite's", None)

    _preset: Any = PrivateAttr(default=None)  # (name, suite.presets.Preset) that the rest was filled in from
    _control_of: str | None = PrivateAttr(default=None)  # the preset that this arm accompanies


class Source(Strict):
    """Where the teacher's signal comes from."""

    source: str = identity("name of a source plugin")
    teachers: int | None = identity(
        "how many teachers of the pool answer; 1, or 0 where there are others, if left out", None, ge=0
    )
    also: OneOrMany[Literal["earlier", "initial"]] = identity(
        "students that answer after them: of the round before, or as this one began", ()
    )
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
    sampler: Literal["shuffled", "balanced", "grouped"] = identity(
        "order of the labelled stream: drawn freely, all classes alike in every batch, or several of a class beside each other",
        "shuffled",
    )
    seed: Literal["fixed", "per_seed"] = identity("one stream of views for all seeds, or one for each", "fixed")
