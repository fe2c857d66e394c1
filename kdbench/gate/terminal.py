"""The gate's report for a terminal: a table a task, then what is not as it should be, worst first, then what would help."""

from __future__ import annotations

from kdbench.gate.looks import next_look
from kdbench.gate.table import Table, claimed, details, headline, loud, promise, tables
from kdbench.gate.verdicts import GateReport, Verdict
from kdbench.gate.words import count
from kdbench.jobs.job import where

OPEN_SHOWN = 8  # inconclusive cells that are told in full
LEAST = 20  # characters of a label that are kept however narrow the terminal is


def terminal(report: GateReport, width: int, command: str) -> str:
    """All of it; `command` is what runs the suite."""
    parts = [headline(report), promise(report)]
    for table in tables(report):
        parts += ["", table.place, *laid_out(table, width)]
        parts += [f"  {table.detectable}"] if table.detectable else []
    if said := [*cells(report), *claims(report)]:
        parts += ["", *said]
    parts += [f"note: {note}" for note in report.notes]
    parts += advice(report, command)
    return "\n".join(parts)


def laid_out(table: Table, width: int) -> list[str]:
    """Columns side by side; the cell's label gives way where the terminal ends."""
    rows = [table.head, *(row + [""] * (len(table.head) - len(row)) for row in table.rows)]
    wide = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    over = sum(wide) + 2 * len(wide) - width
    wide[1] = max(min(wide[1], LEAST), wide[1] - max(0, over))
    return [f"  {'  '.join(cut(text, room).ljust(room) for text, room in zip(row, wide))}".rstrip() for row in rows]


def cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"


def cells(report: GateReport) -> list[str]:
    """A block for each cell of which there is something to say; cells of one fate for one reason share it."""
    groups: dict[tuple[Verdict, tuple[str, ...]], list[str]] = {}
    for cell in loud(report.cells):
        name = f"{where(cell.cell.task, cell.cell.pair)} {cell.cell.cell}"
        groups.setdefault((cell.verdict, tuple(details(cell))), []).append(name)
    told: list[str] = []
    silent = 0
    for (verdict, lines), names in groups.items():
        if verdict is Verdict.inconclusive and sum(line.startswith(verdict) for line in told) >= OPEN_SHOWN:
            silent += len(names)
            continue
        place = f"{verdict:12}  {names[0] if len(names) == 1 else count(len(names), 'cell')}"
        told += [f"{place}: {lines[0]}"] if len(lines) == 1 else [place, *(f"{'':14}{line}" for line in lines)]
    if silent:
        told.append(f"and {silent} more {Verdict.inconclusive}: --json tells all")
    return told


def claims(report: GateReport) -> list[str]:
    return [f"{claim.outcome:12}  claim {claim.claim.id}: {claimed(claim)}" for claim in report.claims]


def advice(report: GateReport, command: str) -> list[str]:
    """What to type next."""
    found = []
    if report.counts.keys() & {Verdict.missing, Verdict.stale}:
        found.append(f"`{command}` makes what is missing, with --stale=rerun what is stale")
    if more := next_look(report):
        seeds = sum(len(one.seeds) for one in more)
        found.append(f"`{command} --decide` adds {count(seeds, 'seed')} to {count(len(more), 'undecided cell')}")
    if report.counts.keys() & {Verdict.new, Verdict.improved, Verdict.drifted, Verdict.incomparable}:
        verb = command.replace("kdbench run", "kdbench baseline accept")
        replace = " --replace" if Verdict.incomparable in report.counts else ""
        found.append(f"`{verb}{replace} --reason …` makes these results the baseline")
    return found
