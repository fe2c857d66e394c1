"""The executor without processes: jobs one after another in this one, for debuggers and tests."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kdbench.execute import devices
from kdbench.execute.base import DEFAULT_ENTRY, DEFAULT_POLICY, Event, FailureClass, JobSpec, Outcome, Policy
from kdbench.execute.child import run_entry
from kdbench.execute.claims import LOOK, JobBusy, claim
from kdbench.execute.events import EventWriter
from kdbench.execute.folders import job_dir, leave_payload, make_job_dir
from kdbench.execute.interrupts import Interrupts
from kdbench.execute.ledger import Ledger
from kdbench.execute.protocol import EXIT_CODES
from kdbench.execute.slots import Slots
from kdbench.execute.verdict import Verdict, judge
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

    def slots(self) -> Slots:
        return Slots(1, self.gpus)

    def run(
        self, jobs: Sequence[JobSpec], on_event: Callable[[Event], None], policy: Policy = DEFAULT_POLICY
    ) -> dict[str, Outcome]:
        ledger, interrupts = Ledger(jobs, on_event, policy), Interrupts()
        ledger.begin(self.slots().facts)
        with interrupts.caught():
            while not ledger.complete:
                ledger.look_elsewhere()
                if interrupts.level:
                    ledger.stop()
                elif (job := ledger.queue.first()) is not None:
                    ledger.queue.take(job.key)
                    self._run_one(job, ledger, interrupts)
                else:
                    time.sleep(LOOK)
        return ledger.outcomes

    def _run_one(self, job: JobSpec, ledger: Ledger, interrupts: Interrupts) -> None:
        began = time.monotonic()
        try:
            verdict = self._verdict(job, ledger, interrupts)
        except JobBusy:
            ledger.wait_for_other_run(job, job_dir(self.home, job.key))
        except (StorageError, OSError) as error:  # not of the job, which tells its own: there was no room to begin
            ledger.settle(job, Verdict("failed", FailureClass.error, str(error)))
        else:
            ledger.settle(job, verdict, time.monotonic() - began)

    def _verdict(self, job: JobSpec, ledger: Ledger, interrupts: Interrupts) -> Verdict:
        directory = make_job_dir(self.home, job.key)
        payload = json.loads(json.dumps(job.payload))  # as a process would get it
        ledger.tell("started", job, {"device": self.device})
        with claim(directory), contextlib.closing(EventWriter(directory)) as write:
            leave_payload(directory, job.payload)

            def tell(record: Mapping[str, Any]) -> None:
                write(record)
                ledger.tell("progress", job, record)

            def emit(record: Mapping[str, Any]) -> None:
                tell(record)
                if interrupts.level == 2:
                    raise KeyboardInterrupt

            tell({"event": "start", "device": self.device})
            # What a job prints is not among what a program reads here; a process of its own prints into its log.
            with contextlib.redirect_stdout(sys.stderr):
                status, failure = run_entry(self.entry, payload, directory, self.device, emit, lambda: interrupts.level > 0)
            tell({"event": "end", "status": status})
        return judge({"code": EXIT_CODES[status]}, failure, timeout=None, stopping=interrupts.level > 0, oom_kills=0)
