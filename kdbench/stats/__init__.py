"""What seeds allow to be said: intervals of means and differences, the difference that would be noticed, verdicts on claims."""

from kdbench.stats.claims import Verdict, judge
from kdbench.stats.intervals import Interval, mean, paired, sd, welch
from kdbench.stats.power import detectable

__all__ = ["Interval", "Verdict", "detectable", "judge", "mean", "paired", "sd", "welch"]
