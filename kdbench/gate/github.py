"""What GitHub Actions shows beside its summary: annotations, of which it takes ten a step."""

from __future__ import annotations

from pathlib import Path

from kdbench.gate.table import claimed, details, loud
from kdbench.gate.verdicts import GateReport, Verdict

MOST = 10
ERRORS = (Verdict.regressed, Verdict.missing, Verdict.stale, Verdict.incomparable, Verdict.removed, Verdict.unjudged)
NOTICES = (Verdict.new, Verdict.improved)


def workflow_commands(report: GateReport, suite: Path | None = None) -> list[str]:
    """Annotations at the suite's file, at most ten, the worst first; where there are more, the last says how many."""
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
    return [command(*one, within(suite)) for one in found]


def command(kind: str, title: str, message: str, file: str = "") -> str:
    """`::error file=…,title=…::…`, with what would end it early written as codes."""
    said = {"file": file, "title": title}
    told = ",".join(f"{name}={escaped(text).replace(':', '%3A').replace(',', '%2C')}" for name, text in said.items() if text)
    return f"::{kind} {told}::{escaped(message)}"


def within(suite: Path | None) -> str:
    """The suite's file as GitHub knows it, from the working folder down; empty for one that lies elsewhere."""
    if suite is None or not suite.resolve().is_relative_to(Path.cwd().resolve()):
        return ""
    return suite.resolve().relative_to(Path.cwd().resolve()).as_posix()


def escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
