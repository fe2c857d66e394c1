"""The report for a terminal of 80 columns: a table a task, then the claims; plain text where there is no terminal."""

from __future__ import annotations

import os
import re
import sys
from io import StringIO
from typing import TYPE_CHECKING

from kdbench.report.claims import quoted
from kdbench.report.model import Difference, JudgedClaim, Page, Row, Table
from kdbench.report.numbers import counted, number, span, spread
from kdbench.report.published import in_short
from kdbench.results.older import MARK

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {"holds": "green", "fails": "bold red", "undecided": "yellow", "not_run": "dim", "better": "green", "worse": "red"}
WIDTH = 80


def terminal(page: Page) -> str:
    """The text; with colours only where stdout is a terminal that wants them (NO_COLOR, TERM=dumb)."""
    from rich.console import Console
    from rich.text import Text

    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    out = StringIO()
    console = Console(file=out, force_terminal=colour, no_color=not colour, width=WIDTH, highlight=False, emoji=False)
    for table in page.tables:
        draw(console, table)
    for said in [*page.warnings, *(f"{table.title}: {text}" for table in page.tables for text in table.warnings)]:
        console.print(Text.assemble(("! ", "bold red"), said), soft_wrap=False)
    if not page.tables:
        console.print("nothing to report")
    for judged in page.claims:
        console.print(claim_line(judged))
    for cell, reasons in page.refused:
        console.print(Text.assemble(("refused  ", "yellow"), f"{cell}: {'; '.join(reasons)}"))
    for cell, reason in page.excluded:
        console.print(Text.assemble(("left out ", "dim"), f"{cell}: {reason}"))
    for decision in page.decisions:
        chosen = decision.chosen is not None
        console.print(Text.assemble(("chosen   " if chosen else "waiting  ", "dim"), decision.said))
    if page.published:
        console.print(Text(in_short(page.published)))
    tally = f"{page.done} of {counted(page.planned, 'job')} done"
    tally += f", {page.diverged} diverged" if page.diverged else ""
    console.print(tally + (f", {page.missing} without a result" if page.missing else ""))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def draw(console: Console, table: Table) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as Grid
    from rich.text import Text

    ends = table.endpoints
    grid = Grid(
        box=SIMPLE_HEAD, title=Text(table.title, "bold"), title_justify="left", pad_edge=False, padding=(0, 1), show_edge=False
    )
    truth_head, agreement_head = (heading(entry.name, entry.unit) for entry in (ends.truth, ends.agreement))
    heads = ("n", truth_head, "Δ to none", agreement_head, "kl")
    lines = []
    for row in table.listed:
        truth, agreement, kl = (row.summary(entry.name) for entry in (ends.truth, ends.agreement, ends.kl))
        mean = Text(spread(truth.mean, truth.sd, ends.truth.unit), "bold" if ends.truth.name in row.best else "")
        fidelity = ["", ""]
        if row.kind != "teacher":
            fidelity = [number(agreement.mean, ends.agreement.unit), number(kl.mean, ends.kl.unit)]
        lines.append((row, [seeds(row), mean, change(row, table), *map(Text, fidelity)]))
    widest = [max([len(head), *(line[1][i].cell_len for line in lines)]) for i, head in enumerate(heads)]
    room = WIDTH - sum(widest) - 3 * len(heads)  # two blanks and a rule between columns
    grid.add_column("cell", overflow="fold")
    for name in heads:
        grid.add_column(name, justify="right", no_wrap=True)
    for row, cells in lines:
        grid.add_row(called(row, room), *cells)
    console.print(grid)
    if told := scope(table):
        console.print(Text(told, "dim"))
    if any(not row.like_control for row in table.students):
        console.print(Text("† the control had another recipe or other labelled data", "dim"))
    console.print()


def scope(table: Table) -> str:
    """What the brackets of a table speak of; of some rows the examples may not be known."""
    found = [d for row in table.students if (d := row.differences.get(table.endpoints.truth.name)) and d.quoted is not None]
    wide = sum(each.crossed is not None for each in found)
    if not found or not wide:
        return "brackets: 95 % interval over seeds" if found else ""
    return "brackets: 95 % interval over seeds and test examples" + ("" if wide == len(found) else ", where these are known")


def called(row: Row, room: int) -> Text:
    """A row's name with what must be known of it, in lines of so many columns."""
    from rich.text import Text

    label = Text(folded(row.name, room), "dim" if row.kind != "arm" else "")
    marks = [(f"({row.alias})", "dim")] if row.alias and row.name == row.label else []
    marks += [(f"{row.diverged} diverged", "red")] if row.diverged else []
    marks += [(f"{row.older} {MARK}", "red")] if row.older else []
    for mark, style in marks:
        beside = len(label.plain.rpartition("\n")[2]) + 1 + len(mark) <= room
        label.append((" " if beside else "\n") + mark, style)
    return label


def folded(name: str, room: int) -> str:
    """A cell's name in lines, broken between its settings and never within a number; what is longer than a line stays whole."""
    lines = [""]
    for part in re.findall(r"[^,·{\[ ]+[,]?|[·{\[ ]", name):
        opening = part in "·{[ "
        if lines[-1] and len(lines[-1]) + len(part) + opening > room:
            lines.append("")
        lines[-1] += part
    return "\n".join(line.strip(" ") for line in lines)


def heading(name: str, unit: str) -> str:
    return f"{name} %" if unit == "share" else name


def seeds(row: Row) -> Text:
    from rich.text import Text

    return Text(str(row.done) if row.complete else f"{row.done}/{row.planned}", "" if row.complete else "yellow")


def change(row: Row, table: Table) -> Text:
    from rich.text import Text

    truth = table.endpoints.truth
    found = row.differences.get(truth.name)
    if found is None or not found.n:
        return Text("")
    style = STYLES[found.verdict] if found.verdict and row.complete else ""
    return Text(written(found, truth.unit) + ("" if row.like_control else " †"), style)


def written(found: Difference, unit: str) -> str:
    text = number(found.mean, unit, sign=True)
    return text if found.quoted is None else f"{text} {span(found.quoted.low, found.quoted.high, unit)}"


def claim_line(judged: JudgedClaim) -> Text:
    """holds      +5.5 [+4.8, +6.3] pp  kd-unlabelled (digits, 5 seeds)"""
    from rich.text import Text

    verdict = judged.verdict
    line = Text.assemble((f"{verdict.said:<10}", STYLES[verdict.outcome]))
    if verdict.n:
        line.append(f" {quoted(judged)}")
    line.append(f"  {judged.claim.id} ({judged.where}, {counted(verdict.n, 'seed')})")
    if judged.older:
        line.append(f" {MARK}", "red")
    if verdict.outcome in ("undecided", "not_run"):
        line.append(f": {verdict.why}", "dim")
    return line
