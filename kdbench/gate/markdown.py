"""The gate's report as Markdown: for GitHub's step summary, a comment on a merge request, a page. It loads nothing."""

from __future__ import annotations

import re

from kdbench.gate.legend import legend
from kdbench.gate.table import PASSES, SEEN, claimed, details, headline, loud, tables
from kdbench.gate.verdicts import GateReport

LARGEST = 1_000_000  # bytes; a step's summary may hold 1 MiB


def markdown(report: GateReport) -> str:
    """The whole report; cut at the end of a line where it is longer than a step's summary may be."""
    lines = [f"## kdbench gate: {report.suite}", "", headline(report), ""]
    lines += [f"no baseline: {text(report.absent)}", ""] if report.absent else []
    for cell in loud(report.cells):
        lines.append(f"- **{cell.verdict}** {cell.place} {code(cell.label)}")
        lines += [f"  - {text(line)}" for line in details(cell)]
    lines += [f"- claim **{claim.outcome}** {code(claim.claim.id)}: {text(claimed(claim))}" for claim in report.claims]
    for table in tables(report):
        lines += ["", f"### {text(table.place)}", "", row(table.head), row(["---"] * len(table.head))]
        lines += [row([one[0], label(one[1]), *one[2:], *[""] * (len(table.head) - len(one))]) for one in table.rows]
    lines += ["", text(legend(report)), "", *(f"- note: {text(note)}" for note in report.notes)]
    return cut("\n".join(lines) + "\n")


def cut(text: str) -> str:
    if len(text.encode()) <= LARGEST:
        return text
    kept = text.encode()[:LARGEST].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\n…and more: `kdbench gate --json` tells all\n"


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def label(name: str) -> str:
    return name if name in (SEEN, PASSES) else code(name)


def code(label: str) -> str:
    """A label as code, on one line; a bar would end its column even there."""
    one_line = " ".join(label.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", one_line)), default=0))
    pad = " " if "`" in one_line else ""
    return f"{fence}{pad}{one_line}{pad}{fence}"


def text(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
