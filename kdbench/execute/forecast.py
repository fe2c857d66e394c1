"""How long a run will take: it is played through beforehand, with the queue and the slots that the real one has."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from kdbench.execute.base import JobSpec
from kdbench.execute.ready import ReadyQueue
from kdbench.execute.slots import Grant, Slots


def wall(jobs: Sequence[JobSpec], seconds: Mapping[str, float], slots: Slots, begun: Sequence[str] = ()) -> float:
    """Seconds until the last job is done. `seconds` has what is still to do of each; those in `begun` have their slots now.

    Jobs are taken to be as fast beside others as alone, and none to fail.
    """
    queue = ReadyQueue(jobs)
    specs = {job.key: job for job in jobs}
    ends: list[tuple[float, int, str, Grant | None]] = []

    def start(key: str, grant: Grant | None) -> None:
        queue.take(key)
        heapq.heappush(ends, (now + seconds[key], len(queue), key, grant))  # the length is another each time: a tie-break

    now = 0.0
    for key in begun:
        start(key, slots.take(specs[key].resources))
    while True:
        while (spec := queue.first()) is not None and (grant := slots.take(spec.resources)) is not None:
            start(spec.key, grant)
        if not ends:
            return now
        now, _, key, held = heapq.heappop(ends)
        if held is not None:
            slots.give(held)
        queue.settle(key, "done")
