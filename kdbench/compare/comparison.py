"""A whole comparison: a candidate against baselines within one set of results, or one set of results against another."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from kdbench.compare.cells import Group, named
from kdbench.compare.likeness import brief, identical, unlike, unlike_teachers
from kdbench.compare.lines import Line, endpoints, judged, lines, values
from kdbench.contract.errors import KdbenchError
from kdbench.metrics.catalogue import FAMILIES, names
from kdbench.results.timing import left_out, marks, number, side_by_side
from kdbench.stats import mean
from kdbench.stats.crossed_store import CrossedStore
from kdbench.suite.metric_names import hint

DATA = ("task", "identity_version")  # what must be alike for numbers to be subtracted
RECIPE = ("recipe", "student", "init")  # what should be alike for the difference to be the method's


@dataclass(frozen=True)
class Cost:
    """What a student of a cell costs: means over its runs; NaN where it is not known. `teacher_share` is of training time."""

    task: str
    pair: str
    cell: str
    name: str
    parameters: float
    macs: float
    seconds: float
    teacher_share: float


@dataclass
class Comparison:
    """`left_out` are the places and cells that could not even be begun with, each with its reason; `remarks` hold for lines."""

    lines: list[Line] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # what must be read before any number

    @property
    def compared(self) -> bool:
        return any(line.verdict != "not comparable" for line in self.lines)

    def add_costs(self, groups: Sequence[Group]) -> None:
        """What cells cost, and which of their results say nothing of seconds."""
        records = [record for group in groups for record in group.records]
        alone = not side_by_side(records)
        self.costs += [cost if alone else replace(cost, seconds=math.nan) for cost in costs(groups)]
        if said := left_out(records):
            self.remarks.append(said)
        if not alone:
            self.remarks.append("Jobs ran side by side: their seconds are no measure, and are not shown.")


def within(groups: Sequence[Group], names: Sequence[str], metrics: Sequence[str], store: CrossedStore) -> Comparison:
    """The first name against each other, on every task that has them. Seeds are paired: in one suite equal seeds share
    initialisation, order, views and teacher; runs made elsewhere share nothing."""
    found = Comparison()
    all_lines: list[Line] = []
    timed: list[Group] = []
    for place in dict.fromkeys((group.task, group.pair) for group in groups):
        here = [group for group in groups if (group.task, group.pair) == place]
        chosen, why = choose(names, here)
        if why:
            found.left_out.append((here[0].place, why))
        if len(chosen) < 2:
            continue
        candidate, *baselines = chosen
        for baseline in baselines:
            if candidate.imported or baseline.imported:
                all_lines += unpaired(candidate, baseline, metrics, store)
                found.remarks.append(unverified(candidate, baseline))
                continue
            refused = candidate.lacking or baseline.lacking or differing_data(candidate, baseline)
            all_lines += lines(candidate, baseline, metrics or endpoints(candidate.family), store, True, refused)
            if other := differing_recipe(candidate, baseline):
                found.remarks.append(f"{candidate.place}: {candidate.name} and {baseline.name} also differ in {other}")
        timed += [group for group in (candidate, *baselines) if not group.imported]
    found.lines = judged(all_lines)
    found.add_costs(timed)
    return found


def unpaired(candidate: Group, baseline: Group, metrics: Sequence[str], store: CrossedStore) -> list[Line]:
    """Where one side was made elsewhere: of the metrics that are compared by default, those that are known of both."""
    known = [name for name in endpoints(candidate.family) if values(candidate, name) and values(baseline, name)]
    return lines(candidate, baseline, metrics or known, store, False, candidate.lacking or baseline.lacking)


def choose(names: Sequence[str], here: Sequence[Group]) -> tuple[list[Group], str]:
    """The cells that names mean in one place, the candidate first (without it none), and why some are not among them."""
    chosen: list[Group] = []
    reasons = []
    for name in names:
        meant = named(name, here)
        if len(meant) == 1:
            chosen += meant
            continue
        reasons.append(f"'{name}' means {', '.join(group.cell for group in meant)}" if meant else f"there is no '{name}'")
        if name == names[0]:
            return [], reasons[0]
    return list(dict.fromkeys(chosen)), "; ".join(reasons)


def against(
    ours: Sequence[Group], theirs: Sequence[Group], metrics: Sequence[str], store: CrossedStore, whole: bool = True
) -> Comparison:
    """Every cell of one set of results against the same cell of another; seeds are not paired. `whole`: also name the cells
    that only the other set has."""
    found = Comparison()
    all_lines: list[Line] = []
    timed: list[Group] = []
    taken: set[int] = set()
    for group in ours:
        same = [other for other in theirs if (other.task, other.pair, other.cell) == (group.task, group.pair, group.cell)]
        taken |= {id(other) for other in same}
        alike = [other for other in same if not differing_data(group, other) and not differences(group, other)]
        if not same:
            found.left_out.append((f"{group.place} {group.cell}", "only in the results, not in what they are compared with"))
            continue
        other = alike[0] if alike else same[0]
        refused = group.lacking or other.lacking or (brief(differences(group, other)) if not alike else "")
        all_lines += lines(group, other, metrics or endpoints(group.family), store, False, refused, identical(group, other))
        timed.append(group)
    if whole:
        for other in theirs:
            if id(other) not in taken:
                found.left_out.append((f"{other.place} {other.cell}", "only in what the results are compared with"))
    found.lines = judged(all_lines)
    found.add_costs(timed)
    return found


def unverified(candidate: Group, baseline: Group) -> str:
    names = " and ".join(group.name for group in (candidate, baseline) if group.imported)
    return (
        f"{candidate.place}: {names}: made elsewhere, only numbers are known. Whether data, recipe and teacher are the same "
        "cannot be checked here; seeds are not paired"
    )


def differences(group: Group, other: Group) -> list[str]:
    if not group.records or not other.records:
        return []
    return unlike(group.records[0], other.records[0]) + unlike_teachers(group, other)


def differing_data(first: Group, second: Group) -> str:
    """Why the test sets or their reading are not the same; empty where they are."""
    return brief(unlike(first.records[0], second.records[0], DATA)) if first.records and second.records else ""


def differing_recipe(first: Group, second: Group) -> str:
    """What two cells of a suite differ in beside method, source and view, whose difference is the question."""
    return brief(unlike(first.records[0], second.records[0], RECIPE)) if first.records and second.records else ""


def costs(groups: Iterable[Group]) -> list[Cost]:
    found = []
    for group in groups:
        done = [reading for reading in group.readings if reading.status == "done"]
        counted = {name: [float(r.cost[name]) for r in done if r.cost.get(name) is not None] for name in ("parameters", "macs")}
        seconds = [r.seconds for r in done if not math.isnan(r.seconds)]
        timings = [group.reader.records[r.key].timing for r in done]
        shares = [number(timing, "teacher_share") for timing in timings if not marks(timing)]
        values = (*map(mean, counted.values()), mean(seconds), mean([share for share in shares if not math.isnan(share)]))
        found.append(Cost(group.task, group.pair, group.cell, group.name, *values))
    return found


def check_metrics(metrics: Sequence[str], families: Iterable[str]) -> None:
    """A KdbenchError for a name, with or without its group, that no family at hand has; where nothing is at hand, none at all."""
    known = names(list(families) or FAMILIES)
    for name in metrics:
        if name.rpartition(".")[2] not in known:
            raise KdbenchError(f"no metric '{name}' in these results; {hint(name, known)}")
