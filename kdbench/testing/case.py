"""A plugin in one family, with what several rules look at computed once: a whole short run, and its states on the way."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from kdbench.contract.errors import KdbenchError
from kdbench.registry import PluginInfo, home_of
from kdbench.registry.blame import placed
from kdbench.testing.bench import start
from kdbench.testing.run import Flat, Run
from kdbench.testing.setting import Setting

LONG = 300  # characters of a message
REFUSALS = (ValueError, NotImplementedError, KdbenchError)


def refusal(error: Exception) -> str | None:
    """The sentence of a refusal: an error raised by a plugin or by kdbench, in words; None where something merely broke."""
    if not isinstance(error, REFUSALS) or not str(error).strip():
        return None
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    where = last.tb_frame.f_globals.get("__name__", "") if last is not None else ""
    return None if where.partition(".")[0] in ("torch", "numpy") else str(error)


def told(error: Exception, *plugins: PluginInfo) -> str:
    """An exception in one line of bearable length, with the line of the plugin's own code that it came from."""
    words = placed(error, *map(home_of, plugins))
    return words if len(words) <= LONG else words[:LONG] + "…"


@dataclass
class Whole:
    """A run from beginning to end: the states at its stations, and which parameters ever had a gradient."""

    run: Run
    states: dict[int, Flat] = field(default_factory=dict)
    reached: set[str] = field(default_factory=set)
    owned: set[str] = field(default_factory=set)
    terms: set[str] = field(default_factory=set)
    lost: tuple[int, list[str]] | None = None  # the first step at which terms were no numbers, and which
    means: Mapping[str, float] = field(default_factory=dict)


class Case:
    """What a rule is asked about."""

    def __init__(self, setting: Setting):
        self.setting = setting

    def told(self, error: Exception) -> str:
        """What an exception says, with the line of the plugin that it came from."""
        plugins = [self.setting.method, *(wrapper for wrapper, _ in self.setting.wrap)]
        return told(error, *plugins)

    def start(self, **changes: Any) -> Run:
        return start(self.setting, **changes)

    @functools.cached_property
    def whole(self) -> Whole:
        run = self.start()
        whole, names = Whole(run), {id(p): name for name, p in run.names().items()}
        marks = {at for _, at in run.stations} | {begin for _, begin, _ in run.learner.phases if begin}

        def note() -> None:
            for owner in run.learner.owners.values():
                for p in owner.params:
                    name = names.get(id(p), "a parameter of neither student nor method")
                    whole.owned.add(name)
                    if p.grad is not None and bool(p.grad.count_nonzero()):
                        whole.reached.add(name)
            sums = run.learner.sums
            whole.terms |= sums.keys()
            lost = [name for name, total in sums.items() if not bool(total.isfinite())] if whole.lost is None else []
            if lost:
                whole.lost = run.learner.at - 1, lost
            if run.learner.at in marks:
                whole.states[run.learner.at] = run.state()

        run.train(after=note)
        whole.means = {name: float(total) / run.learner.counts[name] for name, total in run.learner.sums.items()}
        return whole

    def at(self, station: int) -> Run:
        """A run that goes on from a station of the whole one."""
        run = self.start()
        return run.resume(self.whole.states[station]) if station in self.whole.states else run

    @property
    def stations(self) -> list[tuple[str, int]]:
        return self.whole.run.stations

    def place(self, phase: str) -> str:
        """How a sentence names a phase: not at all where there is only one."""
        return f" in phase {phase!r}" if len(self.stations) > 1 else ""


def difference(a: Flat, b: Flat) -> str | None:
    """The first tensor in which two states differ; None where they are equal bit for bit."""
    missing = sorted(a.keys() ^ b.keys())
    if missing:
        return f"{shown(missing[0])} (only in one of them)"
    return next((shown(name) for name in a if not torch.equal(a[name], b[name])), None)


def shown(name: str) -> str:
    """A flattened name as one writes it."""
    return name.replace("\x1f", ".")


def several(names: Any, most: int = 3) -> str:
    """Some names of many, for a sentence."""
    found = sorted(names)
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
