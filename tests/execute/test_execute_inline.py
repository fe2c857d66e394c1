"""The inline executor gives the same outcomes as the local one, in this process."""

from __future__ import annotations

import json
import os

import pytest
from execute_bench import job

from kdbench.execute import failures
from kdbench.execute.base import Policy
from kdbench.execute.claims import FILE, claim
from kdbench.execute.inline import InlineExecutor


def test_inline_agrees_with_local(bench, tmp_path):
    jobs = [
        job("good", steps=2),
        job("diverged", status="diverged"),
        job("bad", "raise", kind="teacher"),
        job("data", "raise_data"),
        job("exit", "exit"),
        job("memory", "memory", fits_at="0"),
        job("blocked", deps=("bad",)),
    ]
    inline = InlineExecutor(tmp_path / "inline", device="cpu", entry="execute_toys:act").run(jobs, bench.on_event)
    events = [event.kind for event in bench.events if event.kind != "tick"]
    bench.events.clear()
    local = bench.run(jobs, workers=1)
    for key in local:
        ours, theirs = inline[key], local[key]
        assert (ours.state, ours.failure, ours.message) == (theirs.state, theirs.failure, theirs.message), key
        assert (ours.traceback is None) == (theirs.traceback is None)
    assert sorted(events) == sorted(event.kind for event in bench.events if event.kind != "tick")
    assert failures.read(tmp_path / "inline/jobs/bad").message == local["bad"].message
    assert json.loads((tmp_path / "inline/jobs/good/result.json").read_text())["pid"] == os.getpid()


def test_inline_stops_at_the_limit_of_failures(bench, tmp_path):
    jobs = [job("bad", "raise", steps=2), job("good", steps=1)]
    executor = InlineExecutor(tmp_path, device="cpu", entry="execute_toys:act")
    assert [o.state for o in executor.run(jobs, bench.on_event, Policy(max_failures=1)).values()] == ["failed", "blocked"]
    assert [o.state for o in executor.run(jobs, bench.on_event).values()] == ["failed", "done"]


def test_inline_no_room_to_begin_fails_that_job_alone(bench, tmp_path):
    (tmp_path / "jobs" / "b").mkdir(parents=True)
    (tmp_path / "jobs" / "b" / "events.jsonl").mkdir()  # a place that cannot be written, for root too
    jobs = [job("a"), job("b"), job("c")]
    outcomes = InlineExecutor(tmp_path, device="cpu", entry="execute_toys:act").run(jobs, bench.on_event)
    assert [outcome.state for outcome in outcomes.values()] == ["done", "failed", "done"]
    assert "Is a directory" in outcomes["b"].message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_claim_needs_no_room(tmp_path):
    (tmp_path / FILE).symlink_to("/dev/full")
    with claim(tmp_path):
        pass
