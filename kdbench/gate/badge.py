"""One line for a README: how the gate stands, as data that shields.io draws (its `endpoint` form)."""

from __future__ import annotations

import json

from kdbench.gate.verdicts import GateReport, Verdict

RED = (Verdict.regressed, Verdict.missing, Verdict.stale, Verdict.incomparable, Verdict.removed, Verdict.unjudged)
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
