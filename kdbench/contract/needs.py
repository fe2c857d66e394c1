"""What a method asks for and what a pipeline offers, as plain data, so that a plan can refuse a pairing before anything runs.

No torch here: the plan reads needs of built-in plugins from the lock file.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

Axis = Literal["class", "tag", "candidate"]
AXES: frozenset[str] = frozenset(get_args(Axis))
AXIS_TITLE = {"class": "one class per decision", "tag": "independent tags", "candidate": "a list of candidates"}


def _names(*values: str) -> frozenset[str]:
    return frozenset(values)


@dataclass(frozen=True)
class Needs:
    """What a method must find to run. A tap written `$name` stands for the value of the method's parameter `name`."""

    axes: frozenset[str] = AXES
    streams: frozenset[str] = _names("labelled")
    signal: frozenset[str] = frozenset()  # of: probs, values, labels, members, member_taps
    signal_by: str = ""  # the parameter that weighs whatever reads the signal: at 0 there is no need of it
    student_taps: frozenset[str] = frozenset()
    teacher_taps: frozenset[str] = frozenset()
    teachers: Literal["none", "one", "many", "any"] = "any"
    fields: frozenset[str] = frozenset()
    grid: bool = False  # decisions must lie on a map
    flat: bool = False  # decisions must not lie on a map: one of each sample
    index: bool = False  # a batch's index must say which sample each input is: a blend of two is none
    learns: bool = False  # the teacher learns too, from terms of the owner "teacher"
    initial: bool = False  # the student as it was before its first step is kept beside it
    asks: bool = False  # the source is asked about other inputs than the distillation stream's
    before: bool = False  # the source answers before the first step, too
    foreign: bool = False  # teachers may decide among other answers than the task's

    def data(self) -> dict[str, Any]:
        return {k: sorted(v) if isinstance(v, frozenset) else v for k, v in asdict(self).items()}

    @staticmethod
    def read(data: dict[str, Any]) -> Needs:
        plain: dict[str, Any] = {k: frozenset(v) if isinstance(v, list) else v for k, v in data.items()}
        return Needs(**plain)

    def resolved(self, params: Mapping[str, Any]) -> Needs:
        """With every `$name` replaced by what the parameter says (a name or a list of names)."""

        def look_up(names: frozenset[str]) -> frozenset[str]:
            out: set[str] = set()
            for name in names:
                value = params[name[1:]] if name.startswith("$") else name
                out |= {value} if isinstance(value, str) else set(value)
            return frozenset(out)

        signal = frozenset() if self.signal_by and not params[self.signal_by] else self.signal
        ours, theirs = look_up(self.student_taps), look_up(self.teacher_taps)
        return replace(self, signal=signal, student_taps=ours, teacher_taps=theirs)

    def __or__(self, own: Needs) -> Needs:
        """The needs of a wrapper: axes intersect, everything else unites."""
        return Needs(
            axes=self.axes & own.axes,
            streams=self.streams | own.streams,
            signal=self.signal | own.signal,
            student_taps=self.student_taps | own.student_taps,
            teacher_taps=self.teacher_taps | own.teacher_taps,
            teachers=self.teachers if own.teachers == "any" else own.teachers,
            fields=self.fields | own.fields,
            grid=self.grid or own.grid,
            flat=self.flat or own.flat,
            index=self.index or own.index,
            learns=self.learns or own.learns,
            initial=self.initial or own.initial,
            asks=self.asks or own.asks,
            before=self.before or own.before,
            foreign=self.foreign and not own.signal,
        )


@dataclass(frozen=True)
class Offer:
    """What a task, its nets and the stages before a method put at its disposal."""

    axis: Axis
    streams: frozenset[str] = _names("labelled", "transfer")
    fields: frozenset[str] = frozenset()
    grid: bool = False
    signal: frozenset[str] = frozenset()
    teachers: int = 0
    student_taps: frozenset[str] = frozenset()
    teacher_taps: frozenset[str] = frozenset()
    mixes: frozenset[str] = frozenset()  # stages that make one input of several samples
    learns: bool = False
    asks: bool = True
    before: bool = True
    notes: dict[str, str] = field(default_factory=dict)  # what is missing -> why, in words

    def but(self, **changes: Any) -> Offer:
        return replace(self, **changes)


def listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def check(needs: Needs, offer: Offer) -> list[str]:
    """Every reason why the needs are not met; an empty list means that the pairing runs."""
    reasons = []
    if offer.axis not in needs.axes:
        wanted = " or ".join(AXIS_TITLE[a] for a in sorted(needs.axes))
        reasons.append(f"needs {wanted}, the task decides on {AXIS_TITLE[offer.axis]}")
    for name, wanted_set, have in (
        ("streams", needs.streams, offer.streams),
        ("batch fields", needs.fields, offer.fields),
        ("student taps", needs.student_taps, offer.student_taps),
        ("teacher taps", needs.teacher_taps, offer.teacher_taps),
        ("signal", needs.signal, offer.signal),
    ):
        missing = wanted_set - have
        if missing:
            why = "; ".join(offer.notes[m] for m in sorted(missing) if m in offer.notes)
            reasons.append(f"needs {name} {listed(missing)}, has {listed(have)}" + (f" ({why})" if why else ""))
    if needs.grid and not offer.grid:
        reasons.append("needs decisions on a map, the task has none")
    if needs.flat and offer.grid:
        reasons.append("needs one decision a sample, the task decides on a map")
    if needs.index and offer.mixes:
        reasons.append(f"needs samples as they are, the view mixes them ({listed(offer.mixes)})")
    if needs.learns and not offer.learns:
        reasons.append("needs a teacher that learns, the source's is frozen (source live, learns: true)")
    if needs.asks and not offer.asks:
        reasons.append("asks about more than the distillation stream, the source holds answers to that alone (source live)")
    if needs.before and not offer.before:
        reasons.append("asks the teacher before training, the source's teachers only come to be with the student")
    if offer.learns and not needs.learns:
        reasons.append("the source's teacher learns, but the method has no term that teaches it")
    if needs.teachers == "one" and offer.teachers != 1:
        reasons.append(f"needs exactly one teacher, the source has {offer.teachers}")
    if needs.teachers == "many" and offer.teachers < 2:
        reasons.append(f"needs several teachers, the source has {offer.teachers}")
    return reasons


def abroad(offer: Offer, needs: Needs, theirs: int) -> Offer:
    """The offer of a teacher that decides among other answers than the task's: its taps can be learned from, and its answers by a
    method that has heads for them."""
    if needs.foreign:
        return offer
    why = f"the teacher decides among {theirs} answers of its own"
    return offer.but(signal=frozenset(), notes={**offer.notes, **dict.fromkeys(offer.signal, why)})


def behind(stage: Mapping[str, Any], name: str, offer: Offer) -> tuple[Offer, list[str]]:
    """The offer after a stage that stands behind the source, and why the stage does not fit what comes before it.

    `stage` is what the registry knows of it: needs, leaves, mixes.
    """
    reasons = [f"stage {name} {reason}" for reason in check(Needs.read(stage["needs"]), offer.but(learns=False))]
    leaves = frozenset(stage["leaves"])
    notes = {signal: f"stage {name} carries {listed(leaves)} alone" for signal in offer.signal - leaves}
    notes |= dict.fromkeys(offer.teacher_taps, f"stage {name} changes what the student sees")
    mixes = offer.mixes | {name} if stage["mixes"] else offer.mixes
    signal = offer.signal & leaves
    return offer.but(signal=signal, teacher_taps=frozenset(), mixes=mixes, notes={**offer.notes, **notes}), reasons
