"""What the words and numbers of the gate's tables mean: a sentence for each that occurs."""

from __future__ import annotations

from kdbench.gate.table import LESS, PASSES, QUIET, SEEN
from kdbench.gate.verdicts import GateReport, Verdict
from kdbench.gate.words import count, listed


def legend(report: GateReport) -> str:
    """Nothing where nothing was compared."""
    parts = [part for cell in report.cells for part in cell.endpoints]
    shown = {part.verdict for part in parts}
    said = {
        "A cell is one method on one task; seeds: new/baseline.": bool(parts),
        "Numbers are the new mean minus that of the baseline.": bool(shown - {Verdict.identical, Verdict.missing}),
        f"{LESS}: less is better.": any(part.metric.direction == "down" for part in parts),
        "=: the very values of the baseline.": Verdict.identical in shown,
        "ok: a loss too large to pass is ruled out.": Verdict.passed in shown,
        "worse, better: proved, which is a difference beyond its ±.": bool(shown & {Verdict.regressed, Verdict.improved}),
        "worse?, better?: may be chance.": Verdict.inconclusive in shown,
        "not judged: too few seeds to see any loss.": Verdict.unjudged in shown,
        "drifted: proved nearer to the teacher than before.": Verdict.drifted in shown,
        f"{SEEN}: a true loss of that size is found four times of five.": bool(parts),
        f"{PASSES}: the suite's tolerance, or twice the noise of a run where that is more.": bool(parts),
        "Noise is the standard deviation of a run.": bool(shown - set(QUIET)),
        false_alarms(report): bool(parts),
    }
    return " ".join(sentence for sentence, occurs in said.items() if occurs)


def false_alarms(report: GateReport) -> str:
    looks = listed([str(look) for look in report.looks])
    share = f"{100 * report.alpha:.0f} %" if report.alpha >= 0.01 else f"{100 * report.alpha:.1f} %"
    shared = f"shared by {count(report.tests, 'number')} and the looks at {looks} seeds"
    return f"Where nothing changed, a gate alarms in at most {share} of the cases ({shared})."
