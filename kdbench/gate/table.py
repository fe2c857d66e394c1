"""The gate's verdicts as tables of text, one a task and pair, for the terminal and for Markdown alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kdbench.gate.notes import sensitivities
from kdbench.gate.verdicts import CellVerdict, ClaimVerdict, Endpoint, GateReport, Verdict
from kdbench.gate.words import HEADS, amount, bare, count, listed, span
from kdbench.jobs.job import where
from kdbench.metrics.catalogue import by_name, primary

MARKS = {
    Verdict.regressed: "worse",
    Verdict.drifted: "drifted",
    Verdict.improved: "better",
    Verdict.inconclusive: "?",
    Verdict.identical: "=",
    Verdict.missing: "missing",
    Verdict.passed: "",
}
QUIET = (Verdict.passed, Verdict.identical)
DETECTS = "detects (tolerates)"


@dataclass
class Table:
    """A head, and rows of text; the last says what the seeds can show at all, where anything was judged."""

    place: str
    head: list[str]
    rows: list[list[str]] = field(default_factory=list)


def tables(report: GateReport) -> list[Table]:
    """Verdict, cell, seeds on both sides, and for each endpoint the difference with its half width."""
    found: dict[str, Table] = {}
    for cell in report.cells:
        place = cell.place
        infos = primary(cell.family) if cell.family else ()
        table = found.setdefault(place, Table(place, []))
        if infos and not table.head:
            units = [HEADS.get(info.unit, "") for info in infos]
            table.head = ["verdict", "cell", "seeds", *(f"{i.name} {u}".rstrip() for i, u in zip(infos, units))]
        parts = {part.metric.name: part for part in cell.endpoints}
        seeds = f"{len(cell.seeds)}/{len(cell.base_seeds)}" if cell.seeds or cell.base_seeds else ""
        table.rows.append([str(cell.verdict), cell.label, seeds, *(entry(parts.get(info.name)) for info in infos)])
    for table in found.values():
        table.head = table.head or ["verdict", "cell", "seeds"]
        if not any(any(row[3:]) for row in table.rows):  # nothing was compared
            table.head, table.rows = table.head[:3], [row[:3] for row in table.rows]
        table.rows += detection_row(report, table)
    return list(found.values())


def entry(part: Endpoint | None) -> str:
    """`−1.23 ±0.52 worse`"""
    if part is None:
        return ""
    unit = part.metric.unit
    if part.verdict in (Verdict.identical, Verdict.missing):
        return MARKS[part.verdict]
    return f"{bare(part.difference, unit, True)} ±{bare((part.high - part.low) / 2, unit)} {MARKS[part.verdict]}".rstrip()


def detection_row(report: GateReport, table: Table) -> list[list[str]]:
    """A row of `1.18 (0.50)` for each metric: the smallest loss that is found four times of five, in the least certain cell, and
    the one that may pass."""
    parts = {}
    for one in sensitivities(report.cells):
        if one.place == table.place:
            unit = one.metric.unit
            never = math.isinf(one.detectable) or (unit == "share" and one.detectable > 1)
            parts[one.metric.name] = f"{'none' if never else bare(one.detectable, unit)} ({bare(one.tolerance, unit)})"
    names = [head.partition(" ")[0] for head in table.head[3:]]
    return [["", DETECTS, "", *(parts.get(name, "") for name in names)]] if parts else []


def headline(report: GateReport) -> str:
    """`gate core: 12 cells against baselines/core: 1 regressed, 11 passed`"""
    said = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items()) or "nothing to judge"
    claims = Counter(claim.outcome for claim in report.claims)
    told = ", ".join(f"{claims[outcome]} {outcome}" for outcome in ("fails", "undecided", "not run", "holds") if claims[outcome])
    more = f"; {count(len(report.claims), 'claim')}: {told}" if told else ""
    return f"gate {report.suite}: {count(len(report.cells), 'cell')} against {report.baseline}: {said}{more}"


def promise(report: GateReport) -> str:
    """What the intervals stand for; nothing where there are none."""
    if not report.tests:
        return ""
    looks = listed([str(look) for look in report.looks])
    share = f"{100 * report.alpha:.0f} %" if report.alpha >= 0.01 else f"{100 * report.alpha:.1f} %"
    rate = f"{count(report.tests, 'endpoint')} share a false-alarm rate of {share} over looks at {looks} seeds; ± is that sure."
    return f"{rate} Seeds: new/baseline. Detects: the true loss that would be found four times of five; tolerates: what may pass."


def details(cell: CellVerdict) -> list[str]:
    """What there is to say of a cell, a line an endpoint; nothing of endpoints that are as they should be."""
    told = [part for part in cell.endpoints if part.verdict not in QUIET]
    if not told:
        return [cell.why] if cell.verdict not in QUIET else []
    return [f"{part.metric.name} {part.why} ({basis(part)})" for part in told]


def basis(part: Endpoint) -> str:
    return f"{len(part.new.seeds)} against {count(len(part.base.seeds), 'seed')}, noise {amount(part.noise, part.metric.unit)}"


def claimed(found: ClaimVerdict) -> str:
    """`kd − none in accuracy at least +2 pp: +2.31 [+1.9, +2.7] pp over 5 seeds, [+1.7, +2.9] pp over test examples, too: …`"""
    claim, judged = found.claim, found.judged
    unit = by_name(claim.metric.rpartition(".")[2]).unit
    sign = claim.over is not None
    over = f" − {claim.over}{f' ({claim.over_pair})' if claim.over_pair else ''}" if sign else ""
    bounds = [("at least", claim.at_least), ("at most", claim.at_most)]
    said = " and ".join(f"{word} {amount(value, unit, sign)}" for word, value in bounds if value is not None)
    text = f"{where(claim.task, claim.pair)} {claim.arm}{over} in {claim.metric} {said}"
    if judged.n:
        by_seeds, by_both = (
            f"{span(one.low, one.high, unit, sign)} " if one is not None else "" for one in (judged.interval, judged.crossed)
        )
        text += f": {bare(judged.difference, unit, sign)} {by_seeds}over {count(judged.n, 'seed')}"
        text += f", {by_both}over test examples, too" if by_both else ""
    return f"{text}: {judged.why}"


def loud(cells: Sequence[CellVerdict]) -> list[CellVerdict]:
    """The cells of which there is something to say, worst first."""
    order = list(Verdict)
    return sorted((cell for cell in cells if cell.verdict not in QUIET), key=lambda cell: order.index(cell.verdict))
