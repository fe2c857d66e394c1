"""The report as Markdown that reads well on GitHub and in an editor."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kdbench.report import choices, published
from kdbench.report.across import across
from kdbench.report.claims import found, statement, with_examples
from kdbench.report.columns import Entry, control_columns, outcome_columns
from kdbench.report.model import Page, Row, Table
from kdbench.report.numbers import SCORE, counted, number, span
from kdbench.results.older import MARK


def markdown(page: Page) -> str:
    """The whole report."""
    parts = [f"# {plain(page.title)}"]
    if page.description:
        parts.append(plain(page.description))
    parts.append(f"{page.done} of {counted(page.planned, 'job')} done.")
    remarks = [f"**{plain(text)}**" for text in page.warnings]
    remarks += [f"**{plain(table.title)}: {plain(text)}**" for table in page.tables for text in table.warnings]
    remarks += [plain(text) for text in page.remarks]
    remarks += [f"**{plain(table.title)}**: {plain(text)}" for table in page.tables for text in table.remarks]
    parts += ["## What this comparison can and cannot say", *bullets(remarks)]
    if page.claims:
        parts += ["## Claims", claims(page)]
    for table in page.tables:
        parts += section(table)
    parts += over_tasks(page)
    parts += beside_published(page)
    parts += on_validation(page)
    if page.refused:
        parts += ["## Refused", *bullets([f"{code(cell)}: {plain('; '.join(reasons))}" for cell, reasons in page.refused])]
    if page.excluded:
        parts += ["## Left out", *bullets([f"{code(cell)}: {plain(reason)}" for cell, reason in page.excluded])]
    if page.provenance:
        parts += ["## Provenance", grid(["", ""], [[plain(label), plain(text)] for label, text in page.provenance])]
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", page.suite_text)), default=0))
    parts += ["## Suite", f"{fence}yaml\n{page.suite_text.strip()}\n{fence}"]
    return "\n\n".join(parts) + "\n"


def over_tasks(page: Page) -> list[str]:
    """Scores and ranks over tasks; nothing where no two tasks have the same methods."""
    found = across(page.tables)
    if found is None:
        return []
    rows = []
    for row in found.rows:
        iqm, drawn = row.middle.iqm, row.middle.iqm_over_tasks
        scores = [number(score, SCORE) for score in (*row.scores, row.middle.mean.estimate)]
        spans = [f"{number(iqm.estimate, SCORE)} {span(iqm.low, iqm.high, SCORE)}", span(drawn.low, drawn.high, SCORE)]
        rows.append([code(row.label), *scores, *map(plain, spans), number(row.rank, SCORE)])
    heads = ["cell", *map(plain, found.tasks), "mean", "interquartile mean", "for other tasks", "mean rank"]
    said = "A score is the share of the way from the student alone (0) to its teacher (1)."
    return ["## Across tasks", said, grid(heads, rows), *bullets([plain(text) for text in found.remarks])]


def beside_published(page: Page) -> list[str]:
    """Ours beside figures of the literature; nothing where there are none of these cells."""
    if not page.published:
        return []
    lines = [
        [
            row.verdict,
            f"{code(row.cell)} ({plain(row.place)})",
            *map(
                plain,
                (row.metric, f"{row.ours} ({row.seeds})", f"{row.theirs} ({row.made})", row.difference, row.why, row.source),
            ),
        ]
        for row in published.rows(page.published)
    ]
    return [f"## {published.TITLE}", *map(plain, published.ABOUT), grid(published.HEADS, lines)]


def on_validation(page: Page) -> list[str]:
    """The grids of what was chosen on validation data."""
    found = [f"## {choices.TITLE}", choices.ABOUT] if page.decisions else []
    for one in choices.choices(page.decisions):
        lines = [[code(line.setting), line.mean, line.spread, line.trials, "chosen" if line.chosen else ""] for line in one.lines]
        found += [f"### {plain(one.title)}", plain(" ".join(one.said)), grid(choices.HEADS, lines)]
    return found


def section(table: Table) -> list[str]:
    parts = [f"## {plain(table.title)}"]
    second = "### Fidelity controls and cost"
    for title, columns, shown in (("", outcome_columns(table), table.listed), (second, control_columns(table), table.rows)):
        parts += [title] if title else []
        rows = [[name(row), *(cell(column.read(row)) for column in columns)] for row in shown]
        parts.append(grid(["cell", *(column.title for column in columns)], rows))
    return parts


def claims(page: Page) -> str:
    rows = [
        [
            judged.verdict.said + (f" ({MARK})" if judged.older else ""),
            plain(found(judged)),
            plain(with_examples(judged)),
            str(judged.verdict.n),
            f"{code(judged.claim.id)} ({plain(judged.where)}): {plain(statement(judged))}",
            plain(judged.verdict.why),
            plain(judged.claim.source),
        ]
        for judged in page.claims
    ]
    return grid(["verdict", "found [over seeds]", "[over seeds and examples]", "seeds", "claim", "why", "source"], rows)


def name(row: Row) -> str:
    kind = {"teacher": " (teacher)" if row.label != "teacher" else "", "control": " (control)"}.get(row.kind, "")
    other = row.alias if row.name == row.label else row.label
    mark = f" **{row.older} {MARK}**" if row.older else ""
    return code(row.name) + (f" {plain(other)}" if other else "") + kind + mark


def cell(entry: Entry) -> str:
    text = plain(entry.text)
    return f"**{text}**" if entry.strong else text


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    align = ["---", *("---:" if head not in ("claim", "why", "source", "") else "---" for head in heads[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (heads, align, *rows))


def bullets(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def plain(text: str) -> str:
    """Text that Markdown and the HTML in it leave as it is, on one line; what has no meaning there stays readable as source."""
    one_line = " ".join(text.split())
    escaped = re.sub(r"([\\`*|~]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|^#)", r"\\\1", one_line)
    return re.sub(r"&(?=#?\w+;)", "&amp;", escaped).replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """A code span whatever the text holds; a bar would end the table's cell."""
    one_line = " ".join(text.split()).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", one_line)), default=0))
    pad = " " if "`" in one_line else ""
    return f"{ticks}{pad}{one_line}{pad}{ticks}"
