"""What a source gives to a method, as plain data beside the method's needs: a plan folds it into the offer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from kdbench.contract.needs import AXIS_TITLE, Offer, listed


@dataclass(frozen=True)
class Gives:
    """What a source's signal holds, as data: always, with one teacher, with several, and where a parameter says so."""

    always: frozenset[str] = frozenset({"probs"})
    single: frozenset[str] = frozenset({"values"})
    several: frozenset[str] = frozenset()
    when: tuple[tuple[str, Any, frozenset[str]], ...] = ()  # (parameter, value, names)
    policies: tuple[tuple[str, str, str], ...] = ()  # (parameter, value, augmentation that the task must then have)
    taps: bool = False
    fewest: int = 1
    most: int | None = None
    own: str = ""  # how many of the student's own kin teach, instead of the pool: "1", or "$name" of a parameter that counts all
    maps: tuple[tuple[str, Any], ...] = ()  # (parameter, value) for which decisions must lie on a map
    classes: tuple[tuple[str, Any], ...] = ()  # (parameter, value) for which each sample must have one class
    learns: str = ""  # the parameter by which the teacher learns too
    asks: bool = True  # whether it answers about any input, not about the samples of its stream alone
    notes: dict[str, str] = field(default_factory=dict)  # name that is not given -> why

    def adds(self, params: Mapping[str, Any], offer: Offer, teachers: int) -> tuple[Offer, list[str]]:
        """The offer after the source, and why the number of teachers does not fit it (if so)."""
        wrong = []
        if self.own:
            teachers = self.kin(params)
            offer = offer.but(teacher_taps=offer.student_taps)
        elif teachers < self.fewest or (self.most is not None and teachers > self.most):
            wanted = f"exactly {self.fewest}" if self.most == self.fewest else f"{self.fewest} or more"
            wrong.append(f"the source asks {wanted} teacher(s), it is given {teachers}")
        signal = set(self.always) | (self.single if teachers == 1 else self.several)
        for parameter, value, names in self.when:
            if params.get(parameter) == value:
                signal |= names
        if "labels" in signal and offer.axis == "candidate":
            wrong.append("labels are made of classes or tags, the task decides on a list of candidates")
        for parameter, value in self.maps:
            if params.get(parameter) == value and not offer.grid:
                wrong.append(f"{parameter}: {value} needs decisions on a map, the task has none")
        for parameter, value in self.classes:
            if params.get(parameter) == value and (offer.axis != "class" or offer.grid):
                has = "decisions on a map" if offer.grid else AXIS_TITLE[offer.axis]
                wrong.append(f"{parameter}: {value} needs one class a sample, the task has {has}")
        learns = bool(params.get(self.learns))
        notes = {**offer.notes, **self.notes}
        if not self.taps:
            notes |= {tap: self.notes.get("taps", "the source gives no taps") for tap in offer.teacher_taps}
        taps = offer.teacher_taps if self.taps and teachers == 1 else frozenset()
        more = {"learns": learns, "asks": self.asks, "before": not self.own, "notes": notes}
        return offer.but(signal=frozenset(signal), teachers=teachers, teacher_taps=taps, **more), wrong

    def kin(self, params: Mapping[str, Any]) -> int:
        """How many of the student's own kind teach."""
        return params[self.own[1:]] - 1 if self.own.startswith("$") else int(self.own or 0)

    def asked(self, teachers: int) -> int:
        """How many teachers of the pool answer."""
        return 0 if self.own else teachers

    def lacks(self, params: Mapping[str, Any], augments: Collection[str]) -> list[str]:
        """Why the task's views do not serve the source as it is set."""
        return [
            f"{parameter}: {value} shows samples with the augmentation {policy!r}, the task has {listed(frozenset(augments))}"
            for parameter, value, policy in self.policies
            if params.get(parameter) == value and policy not in augments
        ]

    def data(self) -> dict[str, Any]:
        plain = {k: sorted(v) if isinstance(v, frozenset) else v for k, v in asdict(self).items()}
        plain["policies"] = [list(policy) for policy in self.policies]
        plain["when"] = [[parameter, value, sorted(names)] for parameter, value, names in self.when]
        for name in ("maps", "classes"):
            plain[name] = [list(pair) for pair in plain[name]]
        return plain

    @staticmethod
    def read(data: dict[str, Any]) -> Gives:
        pairs = ("when", "policies", "maps", "classes")
        plain: dict[str, Any] = {k: frozenset(v) if isinstance(v, list) and k not in pairs else v for k, v in data.items()}
        plain["policies"] = tuple(tuple(policy) for policy in data["policies"])
        plain["when"] = tuple((parameter, value, frozenset(names)) for parameter, value, names in data["when"])
        for name in ("maps", "classes"):
            plain[name] = tuple((parameter, value) for parameter, value in data.get(name, ()))
        return Gives(**plain)
