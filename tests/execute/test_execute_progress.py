"""What is shown of a run: counts, the time left, a line a job, JSON lines, and a table on a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty

import pytest
from execute_bench import job

from kdbench.execute.base import Event, FailureClass, Outcome
from kdbench.execute.progress import duration, latest, reporter, summary
from kdbench.execute.tally import Running, Tally


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def begin(tally, jobs, workers=2):
    tally(Event("begin", 1000.0, data={"jobs": len(jobs), "workers": workers, "gpus": 0}))
    for spec in jobs:
        tally(Event("queued", 1000.0, spec))


def progress(spec, t, step, **more):
    return Event("progress", t, spec, {"t": t, "event": "progress", "step": step, "steps": spec.steps, **more})


def done(spec, seconds, state="done"):
    return Event("finished", 0.0, spec, outcome=Outcome(spec.key, state, seconds=seconds))


def test_the_time_left_follows_the_measured_pace():
    a, b, c, d = (job(key, steps=100) for key in "abcd")
    tally = Tally(Clock())
    begin(tally, [a, b, c, d])
    assert tally.eta() is None
    tally(Event("started", 1000.0, a))
    tally(Event("started", 1000.0, b))
    for spec in (a, b):
        tally(progress(spec, 1001.0, 10))
        tally(progress(spec, 1005.0, 30))  # 0.2 s a step
    # Two have 70 steps left, two have 100: (14 + 14 + 20 + 20) s on two slots.
    assert tally.eta() == pytest.approx(34.0)
    tally(done(a, 20.0))
    tally(done(b, 20.0))
    tally(Event("started", 1021.0, c))
    assert tally.eta() == pytest.approx(20.0)  # at the pace of those that are done; d is about to start
    tally(Event("started", 1021.0, d))
    assert tally.eta() == pytest.approx(20.0)
    tally(done(c, 20.0))
    tally(done(d, 20.0, "failed"))
    assert tally.eta() == 0.0 and tally.counts == {"done": 3, "failed": 1} and tally.settled == tally.total == 4


def test_a_resumed_job_does_not_look_fast_and_a_slow_group_counts_as_slow():
    from dataclasses import replace

    a, b = replace(job("a", steps=100), group="fast"), replace(job("b", steps=100), group="slow")
    c = replace(job("c", steps=100), group="slow")
    tally = Tally(Clock())
    begin(tally, [a, b, c])
    tally(Event("started", 1000.0, a))
    tally(Event("progress", 1000.0, a, {"t": 1000.0, "event": "start", "step": 90, "steps": 100}))
    tally(progress(a, 1005.0, 95))  # a second a step, after 90 that were done before
    tally(Event("started", 1000.0, b))
    tally(progress(b, 1000.0, 0))
    tally(progress(b, 1010.0, 1))
    assert tally.eta() == pytest.approx(5.0 + 1000.0)  # c waits for a, and then takes that long
    tally(done(a, 10.0))
    assert tally.eta() == pytest.approx(1000.0)  # c starts


def test_the_time_left_is_known_from_the_first_second_where_it_is_expected():
    teacher = job("t", kind="teacher", steps=100, expected=10.0)
    students = [job(key, deps=("t",), steps=100, expected=6.0) for key in "abcd"]
    clock = Clock()
    tally = Tally(clock)
    begin(tally, [teacher, *students])
    assert tally.eta() == pytest.approx(10.0 + 2 * 6.0)  # nobody can help the teacher
    tally(Event("started", 1000.0, teacher))
    clock.now = 1004.0
    assert tally.eta() == pytest.approx(6.0 + 2 * 6.0)
    clock.now = 1012.0
    assert tally.eta() == pytest.approx(2 * 6.0)  # overdue is not less than nothing
    tally(done(teacher, 20.0))  # twice as long as was expected, as the rest will be
    assert tally.eta() == pytest.approx(2 * 12.0)


def test_a_resumed_job_has_only_its_rest_before_it_and_no_part_in_the_correction():
    a, b = job("a", steps=100, expected=100.0), job("b", steps=100, expected=100.0)
    tally = Tally(Clock())
    begin(tally, [a, b], workers=1)
    tally(Event("started", 1000.0, a))
    tally(Event("progress", 1000.0, a, {"t": 1000.0, "event": "start", "step": 90, "steps": 100}))
    assert tally.eta() == pytest.approx(10.0 + 100.0)
    tally(done(a, 11.0))
    assert tally.eta() == pytest.approx(100.0)


def test_jobs_at_work_correct_what_is_expected_of_others_and_one_unknown_job_leaves_all_unknown():
    a, b, c = job("a", steps=100, expected=100.0), job("b", steps=100, expected=50.0), job("c", steps=10, group="other")
    tally = Tally(Clock())
    begin(tally, [a, b, c], workers=1)
    assert tally.eta() is None
    tally(Event("started", 1000.0, a))
    tally(progress(a, 1000.0, 0))
    tally(progress(a, 1005.0, 10))  # half as long as expected; c goes at the only pace there is
    assert tally.eta() == pytest.approx(90 * 0.5 + 50 * 0.5 + 10 * 0.5)


def test_jobs_of_a_gang_have_a_share_each_of_the_seconds_that_pass():
    gang = [job(key, steps=100) for key in "abcd"]
    late = job("late", steps=100, expected=30.0)
    tally = Tally(Clock())
    begin(tally, [*gang, late], workers=1)
    for one in gang:
        tally(Event("started", 1000.0, one, {"pid": 1, "gang": 4}))
        tally(progress(one, 1000.0, 0))
        tally(progress(one, 1010.0, 50))  # 0.2 s a step for all four
    assert tally.eta() == pytest.approx(50 * 0.2 + 30.0)
    tally(Event("queued", 1010.0, job("like them", steps=100)))
    assert tally.eta() == pytest.approx(50 * 0.2 + 30.0 + 100 * 0.05)


def test_what_is_expected_of_a_gang_is_expected_of_each_in_turn():
    gang = [job(key, steps=100, expected=5.0) for key in "abcd"]
    tally = Tally(Clock())
    begin(tally, gang, workers=1)
    assert tally.eta() == pytest.approx(20.0)
    for one in gang:
        tally(Event("started", 1000.0, one, {"pid": 1, "gang": 4}))
    assert tally.eta() == pytest.approx(20.0)
    for one in gang:
        tally(progress(one, 1000.0, 0))
        tally(progress(one, 1020.0, 50))  # twice as long as expected
    tally(Event("queued", 1020.0, job("next", steps=1, expected=5.0)))
    assert tally.eta() == pytest.approx(20.0 + 10.0)


def test_a_long_list_is_not_played_through_at_each_redraw():
    clock = Clock()
    tally = Tally(clock)
    jobs = [job(str(n), steps=1, expected=1.0) for n in range(2500)]
    begin(tally, jobs, workers=1)
    assert tally.eta() == 2500.0
    tally(Event("started", 1000.0, jobs[0]))
    tally(done(jobs[0], 1.0))
    clock.now = 1001.0
    assert tally.eta() == 2499.0  # a second later, and not looked at again
    tally(done(jobs[1], 1.0, "failed"))
    clock.now = 1002.0
    assert tally.eta() == 2498.0  # 2,498 wait


def run_through(on_event, jobs):
    a, b, c = jobs
    begin(on_event, jobs)
    on_event(Event("started", 1000.0, a, {"pid": 1}))
    on_event(progress(a, 1001.0, 50, loss=0.25, metrics={"test/top1": 0.9}))
    on_event(Event("tick", 1001.0))
    on_event(Event("retry", 1001.5, b, {"why": "out of memory; again, alone", "message": "m"}))
    on_event(done(a, 75.0))
    on_event(Event("stopping", 1001.0, data={"running": 1, "kill": False}))
    bad = Outcome("b", "failed", FailureClass.error, "ValueError: [red]\nmore", None, 2.0)
    on_event(Event("finished", 1002.0, b, outcome=bad))
    on_event(Event("finished", 1002.0, c, outcome=Outcome("c", "blocked", None, "needs 'toy b', which failed")))


@pytest.fixture
def three():
    return [job("a", steps=100), job("b"), job("c")]


def test_plain_lines_are_for_logs(three):
    stream = io.StringIO()
    with reporter("auto", stream) as on_event:
        run_through(on_event, three)
    assert stream.getvalue().splitlines() == [
        "toy b: out of memory; again, alone",
        "[1/3] done        toy a  1:15  loss 0.25  test/top1 0.9",
        "stopping: 1 running jobs save a checkpoint; nothing more is started (Ctrl-C again ends them now)",
        "[2/3] failed      toy b  2.0 s  error: ValueError: [red]",
        "[3/3] blocked     toy c  needs 'toy b', which failed",
    ]


def test_what_had_not_begun_is_counted_and_not_listed(three):
    stream, tally = io.StringIO(), Tally()
    waited = Event("finished", 0.0, three[1], outcome=Outcome("b", "interrupted", FailureClass.interrupted, begun=False))
    with reporter("auto", stream) as on_event:
        for each in (on_event, tally):
            begin(each, three)
            each(waited)
    assert not stream.getvalue() and "1/3 jobs · 1 not begun" in summary(tally)


def test_a_running_job_shows_losses_in_one_order_and_no_shares(three):
    running = Running(three[0], 0.0, steps=100)
    for step in (50, 100):
        running.note({"t": step, "event": "metric", "step": step, "loss/task": 2.0, "loss/kd": 0.5})
        running.note({"t": step, "event": "shares", "step": step, "share": {"task": 0.1, "kd": 0.9}})
        assert latest(running) == "loss/task 2  loss/kd 0.5"
        assert running.far == ("50/100" if step == 50 else "100/100 evaluates")


def test_json_lines_are_for_programs(three):
    stream = io.StringIO()
    with reporter("json", stream) as on_event:
        run_through(on_event, three)
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [r["kind"] for r in records].count("tick") == 0
    last = records[-2]
    assert (last["kind"], last["key"], last["state"], last["failure"], last["seconds"]) == (
        "finished",
        "b",
        "failed",
        "error",
        2.0,
    )
    assert next(r for r in records if r["kind"] == "progress")["data"]["loss"] == 0.25


def terminal(monkeypatch, three, **environ) -> str:
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm", "COLUMNS": "100", **environ}.items():
        monkeypatch.setenv(name, value)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream, reporter("auto", stream) as on_event:
        run_through(on_event, three)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal whose other side is closed
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    return shown.decode()


def test_a_terminal_gets_a_table_in_colour_or_without(monkeypatch, three):
    shown = terminal(monkeypatch, three)
    assert "\x1b[31m" in shown and "ValueError: [red]" in shown and "0/3 jobs" in shown
    assert "\x1b[31m" not in terminal(monkeypatch, three, NO_COLOR="1")
    assert "\x1b[" not in terminal(monkeypatch, three, TERM="dumb")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.44, "0.4 s"), (59.4, "59 s"), (59.6, "1:00"), (3599.7, "1:00:00"), (187, "3:07")]
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text
