"""What a rule is, and what it says of a plugin: it holds, it fails with a sentence, or it does not apply for a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

Check = TypeVar("Check", bound=Callable[..., Any])
State = Literal["pass", "fail", "not applicable", "exempt"]


@dataclass(frozen=True)
class Verdict:
    """The end of one rule for one plugin in one family. `sentence` is the failure, the reason, or a note on what was seen."""

    state: State
    sentence: str = ""
    mend: str = ""  # what mends this failure, where the rule's own advice would not


def holds(note: str = "") -> Verdict:
    return Verdict("pass", note)


def fails(sentence: str, mend: str = "") -> Verdict:
    return Verdict("fail", sentence, mend)


def skips(reason: str) -> Verdict:
    return Verdict("not applicable", reason)


@dataclass(frozen=True)
class Rule:
    """A named check of a method in one family, or of a task: what it demands, and how a failure is mended."""

    name: str
    demand: str
    mend: str
    check: Callable[[Any], Verdict]


RULES: dict[str, Rule] = {}  # of methods and wrappers, asked about a Case
TASK_RULES: dict[str, Rule] = {}  # asked about a TaskCase


def rule(name: str, mend: str, of: dict[str, Rule] = RULES) -> Callable[[Check], Check]:
    """Register a check under its name; its docstring is what it demands."""

    def register(check: Check) -> Check:
        of[name] = Rule(name, " ".join((check.__doc__ or "").split()), mend, check)
        return check

    return register


@dataclass(frozen=True)
class Finding:
    """A verdict with its place: what the table, the JSON and pytest show."""

    rule: str
    family: str
    verdict: Verdict
    advice: str = ""  # the rule's own
    demand: str = ""

    @property
    def mend(self) -> str:
        return self.verdict.mend or self.advice

    def data(self) -> dict[str, Any]:
        told = {"rule": self.rule, "family": self.family, "state": self.verdict.state, "sentence": self.verdict.sentence}
        return told | ({"demand": self.demand, "mend": self.mend} if self.verdict.state == "fail" else {})
