"""A user's run of jobs as a process, for tests to interrupt: prints its outcomes as JSON."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from execute_bench import Bench, job

from kdbench.execute.inline import InlineExecutor

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a foreground shell, also where these tests run behind nohup
    how, home, *actions = sys.argv[1:]
    jobs = [job(f"{action}{n}", action) for n, action in enumerate(actions)]
    bench = Bench(Path(home))
    if how == "inline":
        outcomes = InlineExecutor(bench.home, device="cpu", entry="execute_toys:act").run(jobs, bench.on_event)
    else:
        outcomes = bench.run(jobs, start=how)
    restored = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    restored = restored and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    states = {key: [outcome.state, outcome.message] for key, outcome in outcomes.items()}
    print(json.dumps({"states": states, "restored": restored, "kinds": [event.kind for event in bench.events]}))
