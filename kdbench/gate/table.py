"""The gate's verdicts as tables of text, one a task and pair, for the terminal and for Markdown alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from kdbench.gate.notes import least_certain
from kdbench.gate.verdicts import CellVerdict, ClaimVerdict, Endpoint, GateReport, Verdict
from kdbench.gate.words import HEADS, amount, bare, count, span
from kdbench.jobs.job import where
from kdbench.metrics.catalogue import MetricInfo, by_name, primary

MARKS = {
    Verdict.regressed: "worse",
    Verdict.drifted: "drifted",
    Verdict.improved: "better",
    Verdict.unjudged: "not judged",
    Verdict.identical: "=",
    Verdict.missing: "missing",
    Verdict.passed: "ok",
}
QUIET = (Verdict.passed, Verdict.identical)
FIXED = 3  # columns that every table begins with: verdict, cell, seeds
LESS = "↓"  # less is better
SEEN, PASSES = "smallest loss seen", "loss that may pass"  # the last rows of a table


@dataclass
class Table:
    """A head, and rows of text; the last two say what the seeds show at all and what may pass, where anything was judged."""

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
            table.head = ["verdict", "cell", "seeds", *map(column, infos)]
        parts = {part.metric.name: part for part in cell.endpoints}
        seeds = f"{len(cell.seeds)}/{len(cell.base_seeds)}" if cell.seeds or cell.base_seeds else ""
        table.rows.append([str(cell.verdict), cell.label, seeds, *(entry(parts.get(info.name)) for info in infos)])
    for table in found.values():
        table.head = table.head or ["verdict", "cell", "seeds"]
        drop_empty_columns(table)
        table.rows += last_rows(report, table)
    return list(found.values())


def drop_empty_columns(table: Table) -> None:
    """Metrics of which no cell has anything to say."""
    kept = [at for at in range(len(table.head)) if at < FIXED or any(row[at] for row in table.rows if at < len(row))]
    table.head = [table.head[at] for at in kept]
    table.rows = [[row[at] for at in kept if at < len(row)] for row in table.rows]


def column(info: MetricInfo) -> str:
    """`ece pp ↓`"""
    return " ".join(filter(None, [info.name, HEADS.get(info.unit, ""), LESS if info.direction == "down" else ""]))


def entry(part: Endpoint | None) -> str:
    """`−1.23 ±0.52 worse`; of what is not proved, the side: `−0.40 ±0.52 worse?`"""
    if part is None:
        return ""
    unit = part.metric.unit
    if part.verdict in (Verdict.identical, Verdict.missing):
        return MARKS[part.verdict]
    gap, mark = bare(part.difference, unit, True), MARKS.get(part.verdict) or ("worse?" if part.worse else "better?")
    half = "" if part.verdict is Verdict.unjudged else f" ±{bare((part.high - part.low) / 2, unit)}"
    return f"{gap}{half} {mark}"


def last_rows(report: GateReport, table: Table) -> list[list[str]]:
    """For each metric, in the least certain cell: the smallest loss that is found four times of five, and that which may pass."""
    parts = {metric: part for (place, metric), part in least_certain(report.cells).items() if place == table.place}
    names = [head.partition(" ")[0] for head in table.head[3:]]
    held = [parts.get(name) for name in names]
    seen = ["" if part is None else "none" if part.blind else bare(part.detectable, part.metric.unit) for part in held]
    passes = ["" if part is None else bare(part.margin, part.metric.unit) for part in held]
    return [["", SEEN, "", *seen], ["", PASSES, "", *passes]] if parts else []


def headline(report: GateReport) -> str:
    """`gate core: 12 cells against baselines/core: 1 regressed, 11 passed`"""
    said = ", ".join(f"{number} {verdict}" for verdict, number in report.counts.items()) or "nothing to judge"
    claims = Counter(claim.outcome for claim in report.claims)
    told = ", ".join(f"{claims[outcome]} {outcome}" for outcome in ("fails", "undecided", "not run", "holds") if claims[outcome])
    more = f"; {count(len(report.claims), 'claim')}: {told}" if told else ""
    against = "without a baseline" if report.absent else f"against {report.baseline}"
    return f"gate {report.suite}: {count(len(report.cells), 'cell')} {against}: {said}{more}"


def details(cell: CellVerdict) -> list[str]:
    """What there is to say of a cell, a line a reason; nothing of endpoints that are as they should be."""
    told = [part for part in cell.endpoints if part.verdict not in QUIET]
    if not told:
        return [cell.why] if cell.verdict not in QUIET else []
    reasons: dict[str, list[str]] = {}
    for part in told:
        reasons.setdefault(f"{part.why} ({basis(part)})", []).append(part.metric.name)
    return [f"{', '.join(names)}{':' if len(names) > 1 else ''} {reason}" for reason, names in reasons.items()]


def basis(part: Endpoint) -> str:
    noise = "" if part.verdict is Verdict.unjudged else f", noise {amount(part.noise, part.metric.unit)}"
    return f"{len(part.new.seeds)} against {count(len(part.base.seeds), 'seed')}{noise}"


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
