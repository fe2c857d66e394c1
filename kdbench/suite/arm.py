"""What a suite expands to, as plain data: arms with everything resolved, and the claims made about them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from kdbench.suite.label import method_label

if TYPE_CHECKING:
    from kdbench.suite.tuning import Tuning


class Place(NamedTuple):
    """A cell of a suite: one arm of one pair, over its seeds."""

    task: str
    pair: str
    cell: str


@dataclass(frozen=True, slots=True)
class Arm:
    """One student to train: task, teachers, method, source, view, recipe and seed, all resolved. Params are without defaults.

    task     {name (label), plugin, version, params}
    teachers ({model, version, params, recipe, view, pool, weights}, ...). Weights are a file relative to the suite; with them,
             recipe and view are None, and those of other answers have `outputs`; one that is trained from a file on has its
             `init`. Teachers from elsewhere have
             cards [{name, weights, sha256, normalisation, origin}, ...]
             beside, one for each of their pool. An arm without a source has teachers too: its fidelity is read against them.
    student  {model, version, params}
    method   {name, version, params, wrap: [{name, version, params}, ...], the outermost first}
    source   {name (label), plugin, version, params, teachers: how many of the pool are asked}, or None where the method learns
             alone. Where students are asked as well: also [earlier | initial, ...]
    view     {name (label), labelled, transfer, augment, bank, seed}; transfer is None where the method cannot read it;
             a bank of 0 draws a new view in every epoch. Where there are stages: stages [{name, version, params}, ...];
             where labelled samples are not simply shuffled: sampler
    init     "fresh", {mix: share of the teacher's weights}, or {earlier: rounds before | file: path, part or fresh: [prefix]}
    preset   the name of the preset that all this comes from, if any
    before   the rounds before this one, in their order; what is above is the last
    written  the cell as the suite writes it, where a setting is chosen on validation data (`tune:`)
    trial    whether this arm is trained to choose by, and never reported
    """

    task: dict[str, Any]
    pair: str
    teachers: tuple[dict[str, Any], ...]
    student: dict[str, Any]
    method: dict[str, Any]
    alias: str | None
    source: dict[str, Any] | None
    view: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    cell: str
    init: Any = "fresh"
    preset: str | None = None
    before: tuple[Arm, ...] = ()
    written: str | None = None
    trial: bool = False

    @property
    def place(self) -> Place:
        return Place(self.task["name"], self.pair, self.cell)

    @property
    def called(self) -> str:
        """What a person calls the method: by its preset's name where there is one."""
        return self.preset or self.method["name"]

    def at(self, seed: int) -> Arm:
        """The same arm, and its rounds, at another seed."""
        return replace(self, seed=seed, before=tuple(replace(arm, seed=seed) for arm in self.before))

    def data(self) -> dict[str, Any]:
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What is computed, without the names that people gave to it. Teachers count only where they are asked."""
        teachers = [{**teacher, "view": _unnamed(teacher["view"])} for teacher in self.teachers]
        earlier = {"before": [arm.identity() for arm in self.before]} if self.before else {}
        return {
            **earlier,
            **({"trial": True} if self.trial else {}),
            "task": _unnamed(self.task),
            "teachers": teachers if self.source is not None and self.source["teachers"] else [],
            "student": self.student,
            "method": self.method,
            "source": _unnamed(self.source),
            "view": _unnamed(self.view),
            "recipe": self.recipe,
            "init": self.init,
            "seed": self.seed,
        }

    def names(self) -> dict[str, set[str]]:
        """Every name by which a filter may call this arm, by field."""
        return {
            "task": {self.task["name"]},
            "pair": {self.pair},
            "method": {
                self.called,
                *([self.alias] if self.alias else []),
                *(() if self.preset else (method_label(self.method),)),
            },
            "source": {self.source["name"]} if self.source else set(),
            "view": {self.view["name"]},
            "seed": {str(self.seed)},
            "cell": {self.cell, self.written or self.cell},
        }

    def __str__(self) -> str:
        pair = "" if self.pair == "default" else f"/{self.pair}"
        return f"{self.task['name']}{pair}: {self.cell}"


def _unnamed(part: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if part is None else {key: value for key, value in part.items() if key != "name"}


@dataclass(frozen=True)
class ArmClaim:
    """A claim: arm - over of the metric lies within the bounds; without `over`, the arm's own value does."""

    id: str
    task: str
    pair: str
    arm: str
    over: str | None
    metric: str
    at_least: float | None
    at_most: float | None
    source: str
    expect: str | None
    over_pair: str | None = None  # where `over` is of another pair of the task
    said: tuple[str, str] = ("", "")  # arm and over as the suite's author calls them

    def places(self) -> list[Place]:
        """Where the arm is, and what it is compared with if anything."""
        found = [Place(self.task, self.pair, self.arm)]
        return found if self.over is None else [*found, Place(self.task, self.over_pair or self.pair, self.over)]


@dataclass(frozen=True)
class Expansion:
    """Everything that a suite plans. `excluded` says what is left out, and why.

    `tunings` are the cells whose setting is chosen on validation data, by place; `waiting` are their arms as the suite writes
    them where nothing is chosen yet, while those of a choice are among `arms`.
    """

    arms: list[Arm]
    claims: list[ArmClaim]
    excluded: list[tuple[str, str]]
    tunings: dict[Place, Tuning] = field(default_factory=dict)
    waiting: list[Arm] = field(default_factory=list)
