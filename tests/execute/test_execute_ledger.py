"""What becomes of the jobs of a run that do not start: told once each, with the reason."""

from __future__ import annotations

from pathlib import Path

from execute_bench import job

from kdbench.execute.base import FailureClass, Policy
from kdbench.execute.ledger import Ledger
from kdbench.execute.verdict import Verdict

FAILED = Verdict("failed", FailureClass.error, "bad")


def ledger(jobs, **policy) -> tuple[Ledger, list[tuple[str, str]]]:
    told: list[tuple[str, str]] = []
    return Ledger(jobs, lambda event: told.append((event.kind, event.job.key if event.job else "")), Policy(**policy)), told


def test_the_last_failure_that_is_allowed_blocks_what_waits_here_and_elsewhere(tmp_path: Path):
    jobs = [job("bad"), job("leaf", deps=("bad",)), job("other"), job("far")]
    made, told = ledger(jobs, max_failures=1)
    made.queue.take("far")
    made.wait_for_other_run(jobs[3], tmp_path)
    made.queue.take("bad")
    made.settle(jobs[0], FAILED, 1.5)
    assert made.complete and made.limit_reached
    assert {key: end.state for key, end in made.outcomes.items()} == {"bad": "failed"} | dict.fromkeys(
        ("leaf", "other", "far"), "blocked"
    )
    assert made.outcomes["leaf"].message == "needs 'toy bad', which failed"
    assert made.outcomes["other"].message == "not started: 1 failed, the most that were allowed"
    assert sorted(key for kind, key in told if kind == "finished") == ["bad", "far", "leaf", "other"]


def test_what_is_put_back_after_the_user_asked_to_stop_does_not_start(tmp_path: Path):
    """As jobs that had not begun when their server died, and those that would have had another try."""
    jobs = [job(key) for key in ("begun", "waits", "unlucky", "busy")]
    made, told = ledger(jobs)
    for key in ("begun", "unlucky", "busy"):
        made.queue.take(key)
    made.stop()
    assert not made.complete and list(made.queue.drain()) == []
    made.put_back(jobs[0])
    made.again(jobs[2], "its node died")
    made.wait_for_other_run(jobs[3], tmp_path)
    assert made.complete and {end.message for end in made.outcomes.values()} == {"interrupted before it started"}
    assert "retry" not in dict(told)
