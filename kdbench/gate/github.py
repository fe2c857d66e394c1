"""What GitHub Actions shows of the gate: annotations, of which it takes ten a step, and a summary of the whole as Markdown."""

from __future__ import annotations

import re

from kdbench.gate.badge import markdown_badge
from kdbench.gate.table import DETECTS, claimed, details, headline, loud, promise, tables
from kdbench.gate.verdicts import GateReport, Verdict

MOST = 10
LARGEST = 1_000_000  # bytes; a step's summary may hold 1 MiB
ERRORS = (Verdict.regressed, Verdict.missing, Verdict.stale, Verdict.incomparable)
NOTICES = (Verdict.new, Verdict.improved)


def workflow_commands(report: GateReport) -> list[str]:
    """Annotations, at most ten, the worst first; where there are more, the last says how many."""
    found = []  # kind, title, message
    for claim in report.claims:
        if claim.judged.outcome == "fails":
            found.append(("error", f"claim {claim.claim.id} fails", claimed(claim)))
    for cell in loud(report.cells):
        kind = "error" if cell.verdict in ERRORS else "notice" if cell.verdict in NOTICES else "warning"
        title = f"{cell.verdict}: {cell.place} {cell.label}"
        found.append((kind, title, "\n".join(details(cell))))
    if len(found) > MOST:
        kind = found[MOST - 1][0]
        rest = f"and {len(found) - MOST + 1} more cells or claims: see the step's summary"
        found = [*found[: MOST - 1], (kind, "more", rest)]
    return [command(*one) for one in found]


def command(kind: str, title: str, message: str) -> str:
    """`::error title=…::…`, with what would end it early written as codes."""
    return f"::{kind} title={escaped(title).replace(':', '%3A').replace(',', '%2C')}::{escaped(message)}"


def escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def summary(report: GateReport) -> str:
    """The whole report as Markdown; cut at the end of a line where it is longer than a step's summary may be."""
    said = [f"## kdbench gate: {report.suite}", markdown_badge(report), headline(report), promise(report)]
    lines = [line for part in filter(None, said) for line in (part, "")]
    for cell in loud(report.cells):
        lines.append(f"- **{cell.verdict}** {cell.place} {code(cell.label)}")
        lines += [f"  - {text(line)}" for line in details(cell)]
    lines += [f"- claim **{claim.outcome}** {code(claim.claim.id)}: {text(claimed(claim))}" for claim in report.claims]
    for table in tables(report):
        lines += ["", f"### {text(table.place)}", "", row(table.head), row(["---"] * len(table.head))]
        lines += [row([one[0], label(one[1]), *one[2:], *[""] * (len(table.head) - len(one))]) for one in table.rows]
    lines += ["", *(f"- note: {text(note)}" for note in report.notes)]
    return cut("\n".join(lines) + "\n")


def cut(markdown: str) -> str:
    if len(markdown.encode()) <= LARGEST:
        return markdown
    kept = markdown.encode()[:LARGEST].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\n…and more: `kdbench gate --json` tells all\n"


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def label(name: str) -> str:
    return name if name == DETECTS else code(name)


def code(label: str) -> str:
    """A label as code, on one line; a bar would end its column even there."""
    one_line = " ".join(label.split()).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", one_line)), default=0))
    pad = " " if "`" in one_line else ""
    return f"{fence}{pad}{one_line}{pad}{fence}"


def text(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
