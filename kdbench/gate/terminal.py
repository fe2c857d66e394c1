"""The gate's report for a terminal: a table a task, then what is not as it should be, worst first, then what would help."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

from kdbench.gate.legend import legend
from kdbench.gate.looks import held_back, next_look
from kdbench.gate.table import FIXED, Table, claimed, details, headline, loud, tables
from kdbench.gate.verdicts import GateReport, Verdict
from kdbench.gate.words import count

OPEN_SHOWN = 8  # inconclusive cells that are told in full
LEAST = 22  # columns of a label that are kept however narrow the terminal is
COLUMN = 14  # of verdicts, in what is told below the tables
Paint = Callable[[str, str], str]  # a text and the verdict whose colour it takes


def terminal(report: GateReport, width: int, command: str, paint: Paint = lambda text, verdict: text) -> str:
    """All of it; `command` is what runs the suite."""
    parts = [*lines(headline(report), width)]
    for table in tables(report):
        parts += ["", table.place, *laid_out(table, width, paint)]
    if meaning := lines(legend(report), width):
        parts += ["", *meaning]
    if said := [*cells(report), *claims(report)]:
        parts += [""]
        for verdict, texts in said:
            block = [line for text in texts for line in lines(text, width - COLUMN)]
            parts += [paint(verdict.ljust(COLUMN), verdict) + block[0], *(" " * COLUMN + line for line in block[1:])]
    told = [*(f"note: {note}" for note in report.notes), *advice(report, command)]
    return "\n".join([*parts, "", *(line for text in told for line in lines(text, width))] if told else parts)


def lines(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_on_hyphens=False)


def laid_out(table: Table, width: int, paint: Paint) -> list[str]:
    """Columns side by side, one part below the other where they are wider than the terminal; labels give way first."""
    rows = [table.head, *(row + [""] * (len(table.head) - len(row)) for row in table.rows)]
    wide = [2 + max(len(row[i]) for row in rows) for i in range(len(table.head))]
    wide[1] = max(min(wide[1], LEAST), wide[1] - max(0, sum(wide) - width))
    made: list[str] = []
    for part in parts_of(wide, width):
        for row in rows:
            cells = [cut(row[i], wide[i] - 2).ljust(wide[i] - 2) for i in (*range(FIXED), *part)]
            made.append("  " + "  ".join([paint(cells[0], row[0]), *cells[1:]]).rstrip())
    return made


def parts_of(wide: Sequence[int], width: int) -> list[list[int]]:
    """The columns after the fixed ones, as many at a time as there is room for."""
    parts: list[list[int]] = [[]]
    for column in range(FIXED, len(wide)):
        if parts[-1] and sum(wide[i] for i in (*range(FIXED), *parts[-1], column)) > width:
            parts.append([])
        parts[-1].append(column)
    return parts


def cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def cells(report: GateReport) -> list[tuple[str, list[str]]]:
    """A block for each cell of which there is something to say; cells of one fate for one reason share it."""
    groups: dict[tuple[Verdict, tuple[str, ...]], list[str]] = {}
    for cell in loud(report.cells):
        name = f"{cell.place} {cell.label}"
        groups.setdefault((cell.verdict, tuple(details(cell))), []).append(name)
    told: list[tuple[str, list[str]]] = []
    silent = 0
    for (verdict, reasons), names in groups.items():
        if verdict is Verdict.inconclusive and sum(kind == verdict for kind, _ in told) >= OPEN_SHOWN:
            silent += len(names)
            continue
        place = names[0] if len(names) == 1 else count(len(names), "cell")
        told.append((str(verdict), [f"{place}: {reasons[0]}"] if len(reasons) == 1 else [place, *reasons]))
    if silent:
        told.append((str(Verdict.inconclusive), [f"and {silent} more: --json tells all"]))
    return told


def claims(report: GateReport) -> list[tuple[str, list[str]]]:
    return [(claim.outcome, [f"claim {claim.claim.id}: {claimed(claim)}"]) for claim in report.claims]


def advice(report: GateReport, command: str) -> list[str]:
    """What to type next."""
    found = [f"no baseline: {report.absent}"] if report.absent else []
    root = Path(report.baseline).parent
    folder = "" if root == Path("baselines") else f" --baseline {shlex.quote(str(root))}"
    if report.counts.keys() & {Verdict.missing, Verdict.stale}:
        found.append(f"`{command}` makes what is missing, with --stale=rerun what is stale")
    if more := next_look(report):
        seeds = sum(len(one.seeds) for one in more)
        found.append(f"`{command}{folder} --decide` adds {count(seeds, 'seed')} to {count(len(more), 'undecided cell')}")
    if back := held_back(report):
        fewest = min(len(cell.base_seeds) for cell in back)
        found.append(
            f"the baseline has {count(fewest, 'seed')}, so that more new ones hardly help {count(len(back), 'undecided cell')}: "
            "on the code that made the baseline, run with more (`seeds: 10`) and accept again"
        )
    accept = command.replace("kdbench run", "kdbench baseline accept") + folder
    if report.counts.keys() & {Verdict.new, Verdict.improved, Verdict.drifted, Verdict.incomparable}:
        other = [cell for cell in report.cells if cell.verdict is Verdict.incomparable]
        first = "" if all(cell.seeds for cell in other) else f"if the change is meant, `{command}` and then "
        replace = " --replace" if other else ""
        found.append(f"{first}`{accept}{replace} --reason …` makes these results the baseline")
    if Verdict.removed in report.counts:
        found.append(f"where that is meant, `{accept} --reason …` takes out what left the suite")
    return found
