"""The executor without processes: jobs one after another in this one, for debuggers and tests."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdbench.execute import base, devices
from kdbench.execute.base import DEFAULT_ENTRY, DEFAULT_POLICY, Event, FailureClass, JobSpec, Outcome, Policy
from kdbench.execute.child import EXIT_CODES, run_entry
from kdbench.execute.claims import LOOK, WAITING, Elsewhere, JobBusy, claim
from kdbench.execute.events import EventWriter
from kdbench.execute.interrupts import Interrupts
from kdbench.execute.ready import ReadyQueue
from kdbench.execute.verdict import NOT_BEGUN, judge
from kdbench.results.files import StorageError


class InlineExecutor:
    """Runs jobs here. Timeouts, retries and isolation need processes, so there are none; output goes to the screen.

    Ctrl-C asks the running job to checkpoint, as in the local executor; a second one raises KeyboardInterrupt in it at
    its next event.
    """

    def __init__(self, home: Path, *, device: str = "auto", entry: str = DEFAULT_ENTRY) -> None:
        self.home = Path(home).absolute()
        self.gpus = devices.resolve(device)[:1]
        self.device = "cuda" if self.gpus else "cpu"
        self.entry = entry

    def slots(self) -> devices.Slots:
        return devices.Slots(1, self.gpus)

    def run(
        self, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy = DEFAULT_POLICY
    ) -> dict[str, Outcome]:
        queue = ReadyQueue(jobs)
        outcomes: dict[str, Outcome] = {}
        specs = {job.key: job for job in jobs}
        interrupts = Interrupts()
        elsewhere = Elsewhere()

        def settle(spec: JobSpec, outcome: Outcome) -> None:
            outcomes[spec.key] = outcome
            on_event(Event("finished", time.time(), spec, outcome=outcome))
            for lost, reason in queue.settle(spec.key, outcome.state):
                settle(lost, Outcome(lost.key, "blocked", None, reason))

        on_event(Event("begin", time.time(), data={"jobs": len(jobs), **self.slots().facts}))
        for job in jobs:
            on_event(Event("queued", time.time(), job))
        with interrupts.caught():
            while len(outcomes) < len(specs):
                for left in elsewhere.drain() if interrupts.level else elsewhere.free():
                    queue.put_back(left.key)
                spec = queue.first()
                if spec is None:
                    time.sleep(LOOK)
                    continue
                queue.take(spec.key)
                if interrupts.level:
                    settle(spec, Outcome(spec.key, NOT_BEGUN.state, NOT_BEGUN.failure, NOT_BEGUN.message))
                elif policy.limit_reached(outcomes.values()):
                    settle(spec, Outcome(spec.key, "blocked", None, "not started: too many jobs failed"))
                else:
                    try:
                        settle(spec, self._run_one(spec, on_event, interrupts))
                    except JobBusy:
                        elsewhere.add(spec, base.job_dir(self.home, spec.key))
                        on_event(Event("retry", time.time(), spec, {"message": WAITING, "why": WAITING}))
                    except (StorageError, OSError) as error:  # not of the job, which tells its own: there was no room to begin
                        settle(spec, Outcome(spec.key, "failed", FailureClass.error, str(error)))
        return {key: outcomes[key] for key in specs}

    def _run_one(self, spec: JobSpec, on_event: Callable[[Event], None], interrupts: Interrupts) -> Outcome:
        directory = base.made(base.job_dir(self.home, spec.key))
        payload = json.loads(json.dumps(spec.payload))  # as a process would get it
        on_event(Event("started", time.time(), spec, {"device": self.device}))
        began = time.monotonic()
        with claim(directory), contextlib.closing(EventWriter(directory)) as write:
            base.leave_payload(directory, spec)

            def tell(record: Mapping[str, Any]) -> None:
                write(record)
                on_event(Event("progress", time.time(), spec, record))

            def emit(record: Mapping[str, Any]) -> None:
                tell(record)
                if interrupts.level == 2:
                    raise KeyboardInterrupt

            tell({"event": "start", "device": self.device})
            status, failure = run_entry(self.entry, payload, directory, self.device, emit, lambda: interrupts.level > 0)
            tell({"event": "end", "status": status})
        end = judge({"code": EXIT_CODES[status]}, failure, timeout=None, stopping=interrupts.level > 0, oom_kills=0)
        seconds = time.monotonic() - began
        return Outcome(spec.key, end.state, end.failure, end.message, seconds=seconds, traceback=end.traceback)
