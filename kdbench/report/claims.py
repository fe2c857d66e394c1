"""What a claim says and how it was judged, in words that Markdown and the page share."""

from __future__ import annotations

from kdbench.report.model import JudgedClaim
from kdbench.report.numbers import WORDS, number, points, span
from kdbench.stats import Interval


def statement(judged: JudgedClaim) -> str:
    """kd − none in accuracy: at least +0.0 pp; without a reference only kd in accuracy: …"""
    claim, unit = judged.claim, judged.metric.unit
    bounds = [("at least", claim.at_least), ("at most", claim.at_most)]
    said = " and ".join(f"{word} {number(value, unit)}" for word, value in bounds if value is not None)
    arm, reference = claim.said[0] or claim.arm, claim.said[1] or claim.over
    over = "" if claim.over is None else f" − {reference}" + (f" ({claim.over_pair})" if claim.over_pair else "")
    return f"{arm}{over} in {claim.metric}: {said} {measured_in(judged)}".rstrip()


def found(judged: JudgedClaim) -> str:
    """+5.5 [+4.8, +6.3] pp for a difference, 97.8 [97.3, 98.3] % for an arm's own value; the interval is over seeds."""
    return valued(judged, judged.verdict.interval)


def quoted(judged: JudgedClaim) -> str:
    """The same with the one interval to quote."""
    return valued(judged, judged.verdict.quoted)


def valued(judged: JudgedClaim, interval: Interval | None) -> str:
    verdict, unit, sign = judged.verdict, judged.metric.unit, judged.claim.over is not None
    if not verdict.n:
        return "n/a"
    text = number(verdict.difference, unit, sign)
    if interval is not None:
        text += " " + span(interval.low, interval.high, unit, sign)
    return f"{text} {measured_in(judged)}".rstrip()


def with_examples(judged: JudgedClaim) -> str:
    """[+4.6, +6.5], the interval over seeds and test examples at once; empty where the examples are not known."""
    wide, unit = judged.verdict.crossed, judged.metric.unit
    return "" if wide is None else span(wide.low, wide.high, unit, judged.claim.over is not None)


def measured_in(judged: JudgedClaim) -> str:
    unit = judged.metric.unit
    return WORDS.get(unit, "") if judged.claim.over is None else points(unit)
