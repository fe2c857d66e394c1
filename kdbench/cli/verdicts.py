"""A comparison for a terminal and as JSON."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer

from kdbench.cli.text import count, cut, wrapped
from kdbench.report.numbers import MISSING, number, points, seconds, short, span
from kdbench.results.older import MARK

if TYPE_CHECKING:
    from kdbench.compare.comparison import Comparison, Cost
    from kdbench.compare.lines import Line, Side

SHADES = {
    "red": ("worse", "regressed", "missing", "stale", "incomparable", "removed", "unjudged", "fails"),
    "yellow": ("differs", "not after Holm", "drifted", "inconclusive", "undecided"),
    "green": ("better", "improved"),
}
COLOURS = {verdict: colour for colour, verdicts in SHADES.items() for verdict in verdicts}
LONGEST = 12  # characters of a cell's label above its column; the heading has all of it
JUDGED = ("better", "worse", "differs", "not after Holm", "no difference shown")


def as_text(found: Comparison, against: str | None) -> str:
    parts = [wrapped(said, 2, "! ") for said in found.warnings]
    same: list[str] = []
    for (place, first, second), lines in groupby(found.lines, key=heading_of):
        block = list(lines)
        if all(line.verdict == "identical" for line in block):
            same.append(f"{place} {first}")
            continue
        parts.append(block_text(place, first, second, block, against))
    if same:
        parts.append(wrapped(f"identical to the bit: {'; '.join(same)}"))
    if found.costs and any(line.verdict != "identical" for line in found.lines):
        parts.append(cost_text(found.costs))
    if not found.lines:
        parts.append("nothing to compare")
    notes = [wrapped(f"{where}: {why}", 2, "- ") for where, why in found.left_out]
    notes += [wrapped(remark, 2, "- ") for remark in found.remarks]
    if notes:
        parts.append("\n".join(notes))
    if any(line.verdict in JUDGED for line in found.lines):
        parts.append(wrapped(explanation(found.lines)))
    return "\n\n".join(parts)


def heading_of(line: Line) -> tuple[str, str, str]:
    place = line.task if line.pair == "default" else f"{line.task}/{line.pair}"
    return place, marked(line.candidate), marked(line.baseline)


def marked(side: Side) -> str:
    return f"{side.name} ({side.older} {MARK})" if side.older else side.name


def block_text(place: str, first: str, second: str, lines: Sequence[Line], against: str | None) -> str:
    if against is None:
        head, names = f"{place}: {first} against {second}", (lines[0].candidate.name, lines[0].baseline.name)
    else:
        head, names = f"{place}: {first}, now against {against}", ("now", "then")
    reasons = {line.why for line in lines}
    if len(reasons) == 1 and all(line.verdict == "not comparable" for line in lines):
        shared = reasons.pop()
        head += f": not comparable: {shared}"
    else:
        shared = ""
    rows = [["", *(cut(name, LONGEST) for name in names), "difference", "", "verdict", "detects"]]
    rows += [row(line, shared) for line in lines]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    text = [wrapped(head)]
    for i, cells in enumerate(rows):
        sides = "<>><<<>"
        padded = [f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)]
        if i:
            padded[5] = coloured(padded[5], lines[i - 1].verdict)
        text.append(("  " + "  ".join(padded)).rstrip())
    return "\n".join(text)


def row(line: Line, shared: str) -> list[str]:
    unit = line.info.unit
    means = [number(side.mean, unit) if side.seeds else MISSING for side in (line.candidate, line.baseline)]
    gap, how = "", ""
    if line.candidate.seeds and line.baseline.seeds and not math.isnan(line.difference):
        gap = f"{number(line.difference, unit, sign=True)}"
        if line.interval is not None:
            gap += f" {span(line.interval.low, line.interval.high, unit)}"
            how = "seeds × examples" if line.interval.how.startswith("crossed") else "seeds"
    verdict = line.verdict if not line.why or line.why == shared or line.verdict == "identical" else f"{line.verdict}: {line.why}"
    least = "" if math.isnan(line.least) else number(line.least, unit) if unit != "share" or line.least < 1 else "> 100"
    name = f"{line.metric} {points(unit)}".strip() if unit != "share" else f"{line.metric} %"
    return [name, *means, gap, how, verdict, least]


def cost_text(costs: Sequence[Cost]) -> str:
    rows = [["cost of training a student", "parameters", "MACs", "train s", "teacher's share"]]
    for cost in dict.fromkeys(costs):
        place = cost.task if cost.pair == "default" else f"{cost.task}/{cost.pair}"
        share = "" if math.isnan(cost.teacher_share) else f"{100 * cost.teacher_share:.0f} %"
        rows.append([f"{place} {cost.name}", short(cost.parameters), short(cost.macs), seconds(cost.seconds), share])
    if not any(cells[4] for cells in rows[1:]):
        rows = [cells[:4] for cells in rows]
    widths = [max(len(cells[i]) for cells in rows) for i in range(len(rows[0]))]
    sides = "<" + ">" * (len(widths) - 1)
    lines = [[f"{cell:{side}{width}}" for cell, side, width in zip(cells, sides, widths, strict=True)] for cells in rows]
    return "\n".join("  ".join(cells).rstrip() for cells in lines)


def explanation(lines: Sequence[Line]) -> str:
    asked = sum(line.verdict in JUDGED for line in lines)
    crossed = any(line.interval is not None and line.interval.how.startswith("crossed") for line in lines)
    by_t = any(line.interval is not None and not line.interval.how.startswith("crossed") for line in lines)
    how = []
    if crossed:
        how.append("seeds × examples: training again and other test examples")
    if by_t:
        how.append("seeds: training again on this test set")
    said = f"Intervals of 95 % ({'; '.join(how)}), each by itself."
    if asked > 1:
        said += f" A verdict needs more: Holm's correction over the {count(asked, 'difference')} asked here."
    if late := sum(line.verdict == "not after Holm" for line in lines):
        said += (
            f" 'not after Holm': {late} whose interval leaves zero out, which among {asked} questions may be chance; ask fewer "
            "(-m METRIC, fewer cells), chosen before you look, or run more seeds."
        )
    among = f"the least that counts among {asked}" if asked > 1 else "the only question"
    return (
        f"{said} That no difference is shown does not mean that there is none: 'detects' is the true difference that these runs "
        f"would show with a chance of 80 %, as {among}."
    )


def coloured(text: str, verdict: str) -> str:
    plain = not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain or verdict not in COLOURS else typer.style(text, fg=COLOURS[verdict])


def as_json(found: Comparison) -> str:
    lines = []
    for line in found.lines:
        plain = asdict(line)
        plain["info"] = {"title": line.info.title, "direction": line.info.direction, "unit": line.info.unit}
        lines.append(plain)
    data = {
        "lines": lines,
        "costs": [asdict(cost) for cost in found.costs],
        "left_out": [{"where": where, "why": why} for where, why in found.left_out],
        "remarks": found.remarks,
        "warnings": found.warnings,
    }
    return json.dumps(finite(data), indent=1, ensure_ascii=False)


def finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: finite(inner) for name, inner in value.items()}
    return [finite(inner) for inner in value] if isinstance(value, list | tuple) else value
