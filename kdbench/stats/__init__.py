"""What seeds and examples allow to be said: intervals, tests, power, ranks, scores over tasks, verdicts on claims."""

from kdbench.stats.bootstrap import Crossed, Run
from kdbench.stats.claims import Judgement, judge
from kdbench.stats.intervals import Interval, mean, paired, sd, welch
from kdbench.stats.power import detectable, detectable_of
from kdbench.stats.significance import holm

__all__ = [
    "Crossed",
    "Interval",
    "Judgement",
    "Run",
    "detectable",
    "detectable_of",
    "holm",
    "judge",
    "mean",
    "paired",
    "sd",
    "welch",
]
