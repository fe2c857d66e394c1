"""What GitHub Actions shows beside its summary: annotations, of which it takes ten a step."""

from __future__ import annotations

from kdbench.gate.table import claimed, details, loud
from kdbench.gate.verdicts import GateReport, Verdict

MOST = 10
ERRORS = (Verdict.regressed, Verdict.missing, Verdict.stale, Verdict.incomparable, Verdict.removed, Verdict.unjudged)
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
