"""Teachers that were not made here: where each comes from, what is claimed of it, what was measured, and what it scored here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kdbench.jobs.job import JobSet
from kdbench.results.record import Record

GROUP = {"test": "truth", "val": "val"}
ALIKE = 1e-4  # of a score that is computed again, on other hardware


def outside_teachers(jobs: JobSet, records: Mapping[str, Record]) -> list[tuple[str, str]]:
    """Label and text of each teacher with a card, once."""
    lines = {job.origin["card"]: text(job.origin, records.get(key)) for key, job in jobs.jobs.items() if job.origin}
    return [(f"teacher {name}", said) for name, said in lines.items()]


def text(origin: Mapping[str, Any], record: Record | None) -> str:
    measured = origin["measured"]
    when = f"measured of {measured['n']:,} on {measured['date']} by {measured['code']}"
    return "; ".join([f"from elsewhere: {origin['source']}", *scores(origin, record), when])


def scores(origin: Mapping[str, Any], record: Record | None) -> Iterator[str]:
    """Each claim beside what was measured for the card and what this report's result says."""
    own = record.metrics.get(GROUP[origin["split"]], {}) if record is not None else {}
    for claim in origin["claims"]:
        metric, found = claim["metric"], origin["measured"]["scores"][claim["metric"]]["value"]
        said = f"{metric} on {origin['split']} {claim['value']:g} claimed, {found:.5g} measured"
        if metric in own:
            unlike = (
                "" if abs(own[metric] - found) <= ALIKE else ", NOT what was measured: another part of the set, or other code"
            )
            said += f", {own[metric]:.5g} here{unlike}"
        yield said
