"""What a claim says and how it was judged, in words that Markdown and the page share."""

from __future__ import annotations

from kdbench.report.model import JudgedClaim
from kdbench.report.numbers import number, points, span


def statement(judged: JudgedClaim) -> str:
    """kd − none in accuracy: at least 0.0 pp; without a reference only kd in accuracy: …"""
    claim, unit = judged.claim, judged.metric.unit
    bounds = [("at least", claim.at_least), ("at most", claim.at_most)]
    said = " and ".join(f"{word} {number(value, unit)}" for word, value in bounds if value is not None)
    over = "" if claim.over is None else f" − {claim.over}" + (f" ({claim.over_pair})" if claim.over_pair else "")
    return f"{claim.arm}{over} in {claim.metric}: {said} {points(unit)}".rstrip()


def found(judged: JudgedClaim) -> str:
    """+5.5 [+4.8, +6.3] pp"""
    verdict, unit = judged.verdict, judged.metric.unit
    if not verdict.n:
        return "n/a"
    text = number(verdict.difference, unit, sign=True)
    if verdict.interval is not None:
        text += " " + span(verdict.interval.low, verdict.interval.high, unit)
    return f"{text} {points(unit)}".rstrip()


def outcome(judged: JudgedClaim) -> str:
    return judged.verdict.outcome.replace("_", " ")
