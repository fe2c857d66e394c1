"""One line for a README: how the gate stands, as data that shields.io draws (its `endpoint` form), or as a picture's address."""

from __future__ import annotations

import json
from urllib.parse import quote

from kdbench.gate.verdicts import GateReport, Verdict

RED = (Verdict.regressed, Verdict.missing, Verdict.stale, Verdict.incomparable)
YELLOW = (Verdict.inconclusive, Verdict.drifted)


def message(report: GateReport) -> tuple[str, str]:
    """`38 passed, 2 inconclusive`, and a colour. Green is only what was compared and found to be no worse."""
    counts = dict(report.counts)
    fails = sum(claim.judged.outcome == "fails" for claim in report.claims)
    fine = counts.pop(Verdict.passed, 0) + counts.pop(Verdict.identical, 0)
    parts = [f"{number} {verdict}" for verdict, number in counts.items()] + ([f"{fine} passed"] if fine else [])
    parts = ([f"{fails} claim{'s' if fails > 1 else ''} failed"] if fails else []) + parts
    if fails or counts.keys() & set(RED):
        colour = "red"
    elif not report.compared:
        colour = "lightgrey"
    else:
        colour = "yellow" if counts.keys() & set(YELLOW) else "brightgreen"
    return ", ".join(parts) or "nothing to judge", colour


def endpoint(report: GateReport) -> str:
    """The JSON for `https://img.shields.io/endpoint?url=…`."""
    said, colour = message(report)
    return json.dumps({"schemaVersion": 1, "label": f"gate {report.suite}", "message": said, "color": colour}) + "\n"


def markdown_badge(report: GateReport) -> str:
    """A picture for Markdown that needs no file."""
    said, colour = message(report)
    parts = [quote(part.replace("-", "--").replace("_", "__"), safe="") for part in (f"gate {report.suite}", said)]
    return f"![gate: {said}](https://img.shields.io/badge/{parts[0]}-{parts[1]}-{colour})"
