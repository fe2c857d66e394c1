"""2,000 small jobs in one run, some of every kind that fails: nothing is left behind, and each failure is counted."""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest
from execute_bench import Bench, job, open_files
from processes import children, gone, parent_of

from kdbench.execute import failures
from kdbench.execute.base import Policy, Resources
from kdbench.execute.inline import InlineExecutor

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

JOBS = int(os.environ.get("KDBENCH_SOAK_JOBS", "2000"))
# Of a hundred jobs: what they do, and what that is.
SOWN = {
    "raise": ("failed", "error"),
    "raise_data": ("failed", "data"),
    "memory": ("failed", "oom"),
    "segfault": ("failed", "killed"),
    "kill": ("failed", "killed"),
    "exit": ("failed", "error"),
    "hard_exit": ("failed", "error"),
    "bad_status": ("failed", "error"),
    "diverge": ("diverged", "diverged"),
    "asked": ("interrupted", "interrupted"),
}
SLOW = {"hang": ("failed", "timeout")}  # one in two hundred: each takes its time
INLINE = {name: SOWN[name] for name in ("raise", "raise_data", "memory", "exit", "bad_status", "diverge")}


def jobs(kinds: dict, count: int, slow: dict = {}) -> tuple[list, Counter]:  # noqa: B006
    made, expected = [], Counter()
    for n in range(count):
        do = [*kinds][n % 100] if n % 100 < len(kinds) else "ok"
        if slow and n % 200 == 199:
            do = "hang"
        limit = Resources(timeout=1.0) if do == "hang" else Resources()
        made.append(job(f"j{n:05}", do, steps=2, resources=limit))
        expected[{**kinds, **slow}.get(do, ("done", None))] += 1
    return made, expected


def memory(pid: int) -> float:
    """MiB that a process holds, without what it shares by inheritance."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


class Watch:
    """Looks at parent and server over a run."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, float, int, float, int]] = []  # jobs ended; MiB and files of the parent, of the server
        self.server, self.ended = 0, 0

    def __call__(self, event) -> None:
        if event.kind == "started" and "pid" in event.data and not self.server:
            self.server = parent_of(event.data["pid"])
        if event.kind == "finished":
            self.ended += 1
            if self.ended % 100 == 0:
                theirs = (memory(self.server), len(os.listdir(f"/proc/{self.server}/fd"))) if self.server else (0.0, 0)
                self.seen.append((self.ended, memory(os.getpid()), open_files(), *theirs))

    def told(self) -> str:
        first, last = self.seen[len(self.seen) // 10], self.seen[-1]
        return (
            f"parent {first[1]:.1f} → {last[1]:.1f} MiB, {first[2]} → {last[2]} files; "
            f"server {first[3]:.1f} → {last[3]:.1f} MiB, {first[4]} → {last[4]} files"
        )

    def grown(self) -> tuple[float, float]:
        """MiB a 1,000 jobs that parent and server have grown by, after the first tenth."""
        first, last = self.seen[len(self.seen) // 10], self.seen[-1]
        per = 1000 / max(1, last[0] - first[0])
        return (last[1] - first[1]) * per, (last[3] - first[3]) * per


@pytest.mark.parametrize("how", ["fork", "inline"])
def test_two_thousand_jobs(how: str, bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    bench.run([job("warm")])
    processes, files = children(), open_files()
    watch = Watch()
    began = time.monotonic()
    if how == "inline":
        made, expected = jobs(INLINE, JOBS)
        outcomes = InlineExecutor(tmp_path, device="cpu", entry="execute_toys:act").run(made, watch)
    else:
        made, expected = jobs(SOWN, JOBS, SLOW)
        bench.react = lambda event: (watch(event), bench.events.clear())
        outcomes = bench.run(made, Policy(), workers=4)
    seconds = time.monotonic() - began
    found = Counter((outcome.state, outcome.failure.value if outcome.failure else None) for outcome in outcomes.values())
    with capsys.disabled():
        print(f"\n{how}: {len(made)} jobs in {seconds:.0f} s; {watch.told()}")
        print(
            "  " + ", ".join(f"{number} {state} {why or ''}".strip() for (state, why), number in sorted(found.items(), key=str))
        )
    assert found == expected
    told = Counter(left.failure_class.value for each in made if (left := failures.read(bench.file(each.key, ""))) is not None)
    assert told == sum((Counter({why: n}) for (state, why), n in expected.items() if state == "failed"), Counter())
    assert children() == processes and open_files() == files
    assert gone(watch.server) if watch.server else True
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith(".tmp")]
    parent, server = watch.grown()
    assert parent < 8 and server < 8, "MiB a 1,000 jobs"
