"""The local executor with real processes: what good jobs leave, what bad ones do to their neighbours (nothing)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing

import pytest
from execute_bench import job, open_files, wait_for
from processes import alive, children, gone, parent_of

from kdbench.execute import devices, failures
from kdbench.execute.base import ExecutorError, FailureClass, JobSpec, Policy, Resources
from kdbench.execute.claims import WAITING
from kdbench.execute.events import read_events
from kdbench.execute.inline import InlineExecutor
from kdbench.execute.link import ServerLink
from kdbench.execute.local import LocalExecutor
from kdbench.execute.protocol import EXIT_CODES, Order
from kdbench.results import company


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_job_runs_in_a_process_group_of_its_own(bench, start):
    spec = job("a", steps=2, resources=Resources(cpus=2), note="Grüße")
    outcome = bench.run([spec], start=start)["a"]
    assert (outcome.state, outcome.failure) == ("done", None)
    result = json.loads(bench.file("a", "result.json").read_text())
    assert result["payload"] == {"do": "ok", "note": "Grüße"}
    assert result["group"] == result["pid"] != os.getpid()
    assert (result["device"], result["visible"], result["threads"]) == ("cpu", "", "2")
    names = {str(bench.file("a", name)) for name in ("log.txt", "lock", "events.jsonl")}
    assert set(result["files"]) <= names | {"/dev/null"}  # nothing of the server, and no way to its orders
    log = outcome.log_path.read_text()
    assert "a line on stdout" in log and "a line of a C library" in log
    assert [e["event"] for e in read_events(bench.file("a", ""))] == ["start", "progress", "progress", "end"]
    assert bench.kinds("a")[:2] == ["queued", "started"] and bench.kinds("a")[-1] == "finished"
    seen = [event.data["step"] for event in bench.events if event.kind == "progress" and "step" in event.data]
    assert seen == [1, 2]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_every_way_to_fail_has_its_class_and_harms_no_neighbour(bench, start):
    bad = {
        "raise": (FailureClass.error, "ValueError: bad value in job 0"),
        "raise_data": (FailureClass.data, "DataError: the file of labels is short"),
        "real_memory": (FailureClass.oom, "MemoryError"),
        "exit": (FailureClass.error, "the job called sys.exit('no')"),
        "hard_exit": (FailureClass.error, "exit code 0 in the middle"),
        "segfault": (FailureClass.killed, "SIGSEGV"),
        "bad_status": (FailureClass.error, "'fine'"),
    }
    jobs = [job(do, do) for do in bad] + [job(f"good{n}") for n in range(3)]
    outcomes = bench.run(jobs, workers=3, start=start)
    for do, (failure, message) in bad.items():
        assert (outcomes[do].state, outcomes[do].failure) == ("failed", failure), do
        assert message in outcomes[do].message, do
        left = failures.read(bench.file(do, ""))
        assert left is not None and left.failure_class is failure and message in left.message, do
    assert "in _raise" in outcomes["raise"].traceback
    assert "Segmentation fault" in outcomes["segfault"].log_path.read_text()
    assert all(outcomes[f"good{n}"].state == "done" for n in range(3))


def test_a_job_killed_by_force_is_told_apart_and_its_helper_dies_too(bench):
    def kill(event):
        if event.kind == "progress" and event.job.key == "victim" and event.data["event"] == "progress":
            bench.helper = bench.pid("victim", "helper.pid")
            os.kill(bench.pid("victim"), signal.SIGKILL)

    bench.react = kill
    outcomes = bench.run([job("victim", "wait"), job("b"), job("c")])
    assert outcomes["victim"].failure is FailureClass.killed
    assert "SIGKILL" in outcomes["victim"].message and "memory" in outcomes["victim"].message
    assert outcomes["b"].state == outcomes["c"].state == "done"
    assert gone(bench.helper)
    assert failures.read(bench.file("victim", "")).failure_class is FailureClass.killed


def test_a_timeout_lets_a_job_checkpoint_and_ends_one_that_does_not_listen(bench):
    limit = Resources(timeout=1.0)
    outcomes = bench.run(
        [job("polite", "wait", resources=limit), job("deaf", "deaf", resources=limit), job("good")], workers=3, grace=1.0
    )
    for key in ("polite", "deaf"):
        assert (outcomes[key].state, outcomes[key].failure) == ("failed", FailureClass.timeout)
        assert "its 1 s" in outcomes[key].message
        assert "in _wait" in outcomes[key].log_path.read_text() or "in _deaf" in outcomes[key].log_path.read_text()
        assert gone(bench.pid(key), bench.pid(key, "helper.pid"))
    assert bench.file("polite", "checkpoint").exists()
    assert outcomes["good"].state == "done"


def test_what_depends_on_a_failed_job_is_blocked_and_says_on_which(bench):
    jobs = [
        job("leaf", deps=("student",)),
        job("student", deps=("teacher",)),
        job("teacher", "raise", kind="teacher"),
        job("other", deps=("diverged", "done before this run")),
        job("diverged", kind="teacher", status="diverged"),
        job("free", deps=("fine",)),
        job("fine", kind="teacher"),
    ]
    outcomes = bench.run(jobs)
    states = {key: outcome.state for key, outcome in outcomes.items()}
    assert states == {
        "leaf": "blocked",
        "student": "blocked",
        "teacher": "failed",
        "other": "blocked",
        "diverged": "diverged",
        "free": "done",
        "fine": "done",
    }
    assert list(outcomes) == [spec.key for spec in jobs]
    assert outcomes["leaf"].message == outcomes["student"].message == "needs 'toy teacher', which failed"
    assert "diverged" in outcomes["other"].message
    assert outcomes["diverged"].failure is FailureClass.diverged and failures.read(bench.file("diverged", "")) is None
    order = [event.job.key for event in bench.events if event.kind == "started"]
    assert set(order[:3]) == {"teacher", "diverged", "fine"} and order[3:] == ["free"]


def test_never_more_at_once_than_there_are_slots(bench):
    sizes = [1, 1, 2, 1, 3, 1, 1, 9, 2, 1]
    jobs = [JobSpec(str(n), str(n), {"sleep": 0.08}, resources=Resources(cpus=size)) for n, size in enumerate(sizes)]
    outcomes = bench.run(jobs, entry="overlap", workers=3)
    assert all(outcome.state == "done" for outcome in outcomes.values())
    spans = [(*json.loads(bench.file(str(n), "span.json").read_text()), min(size, 3)) for n, size in enumerate(sizes)]
    loads = [sum(size for begin, end, size in spans if begin <= moment < end) for moment, _, _ in spans]
    assert max(loads) == 3


def test_on_a_packed_gpu_jobs_of_known_memory_share_and_learn_of_it_and_others_are_alone(bench, monkeypatch):
    """The device is made up, the processes are real: they are given it by name, and never touch it."""
    monkeypatch.setattr(devices, "resolve", lambda device: ("0",))
    monkeypatch.setattr(devices, "free_memory", lambda gpus: (4 * 2**30,))
    known, unknown = Resources(memory=2**30), Resources()
    jobs = [
        *(
            JobSpec(name, name, {"sleep": sleep}, resources=known, expected=3.0)
            for name, sleep in (("a", 0.3), ("b", 2.0), ("c", 0.1))
        ),
        JobSpec("alone", "alone", {"sleep": 0.1}, resources=unknown, expected=2.0),
        JobSpec("last", "last", {"sleep": 0.1}, resources=known, expected=1.0),
    ]
    outcomes = bench.run(jobs, entry="overlap", workers=8, pack=True)
    assert all(outcome.state == "done" for outcome in outcomes.values())
    spans = {key: json.loads(bench.file(key, "span.json").read_text()) for key in outcomes}
    assert max(spans[key][0] for key in "ab") < min(spans[key][1] for key in "ab")
    # 1.25 GiB and CUDA's own for each: two fit into four, three do not.
    assert spans["a"][1] < spans["c"][0] < spans["b"][1]
    assert spans["alone"][0] > max(spans[key][1] for key in "abc") and spans["last"][0] > spans["alone"][1]
    assert [company.most(bench.file(key, "")) for key in outcomes] == [2, 2, 2, 1, 1]
    begin = next(event for event in bench.events if event.kind == "begin")
    assert begin.data == {"jobs": 5, "workers": 8, "gpus": 1, "memory": [4 * 2**30]}


def test_a_gang_is_packed_by_the_memory_of_all_its_jobs(bench, monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "resolve", lambda device: ("0",))
    monkeypatch.setattr(devices, "free_memory", lambda gpus: (8 * 2**30,))
    two = Resources(memory=2 * 2**30)
    do = {"pids": str(tmp_path / "pids"), "in_gang": "slow"}
    gang = [JobSpec(key, key, {**do, "n": key}, resources=two, gang="g", expected=9.0) for key in "ab"]
    small = JobSpec("small", "small", {"do": "ok", "sleep": 0.1}, resources=Resources(memory=2**30), expected=2.0)
    other = JobSpec("other", "other", {"do": "ok", "sleep": 0.1}, resources=two, expected=1.0)
    outcomes = bench.run([*gang, small, other], workers=8, pack=True)
    assert all(outcome.state == "done" for outcome in outcomes.values())
    # Of 8 GiB the two hold 5.5 together, the small one 1.75, the other 3.
    assert [company.most(bench.file(key, "")) for key in ("a", "b", "small")] == [2, 2, 2]
    order = [(event.kind, event.job.key) for event in bench.events if event.kind in ("started", "finished")]
    assert order.index(("started", "other")) > max(order.index(("finished", key)) for key in "ab")


def test_out_of_memory_is_tried_once_more_alone(bench):
    jobs = [job("fits", "memory", fits_at="1"), job("never", "memory"), *(job(f"n{n}", sleep=0.05) for n in range(3))]
    outcomes = bench.run(jobs)
    assert outcomes["fits"].state == "done"
    assert failures.read(bench.file("fits", "")) is None
    assert (outcomes["never"].state, outcomes["never"].failure) == ("failed", FailureClass.oom)
    assert bench.file("never", "tries").read_text() == "2"
    assert bench.file("never", "threads").read_text() == "1"  # it has the machine, and computes what it would have without it
    assert bench.kinds("fits").count("retry") == 1
    running: set[str] = set()
    retried: set[str] = set()
    for event in bench.events:
        if event.kind == "started":
            running.add(event.job.key)
            assert not (running & retried) or len(running) == 1
        elif event.kind in ("retry", "finished"):
            running.discard(event.job.key)
            (retried.add if event.kind == "retry" else retried.discard)(event.job.key)
    assert bench.run([job("alone", "memory")], workers=1)["alone"].failure is FailureClass.oom
    assert bench.file("alone", "tries").read_text() == "1"  # it had all there is, so a second try is no use


def test_after_the_last_failure_allowed_nothing_more_starts(bench):
    jobs = [job("first", "raise", steps=9), *(job(f"n{n}", steps=1) for n in range(4))]
    outcomes = bench.run(jobs, Policy(max_failures=1), workers=1)
    assert [o.state for o in outcomes.values()] == ["failed"] + ["blocked"] * 4
    assert "not started" in outcomes["n0"].message
    assert bench.run(jobs, Policy(keep_going=False), workers=1)["n3"].state == "blocked"
    again = bench.run(jobs, workers=1)
    assert [o.state for o in again.values()] == ["failed"] + ["done"] * 4


def test_when_the_server_is_killed_its_jobs_are_lost_and_the_rest_goes_on(bench):
    def kill(event):
        if event.kind == "progress" and event.job.key == "victim" and event.data["event"] == "progress":
            bench.helper = bench.pid("victim", "helper.pid")
            bench.server = parent_of(bench.pid("victim"))
            os.kill(bench.server, signal.SIGKILL)

    bench.react = kill
    outcomes = bench.run([job("victim", "wait", steps=9), job("b", steps=2), job("c", steps=1)], workers=1)
    assert outcomes["victim"].failure is FailureClass.killed and "server died" in outcomes["victim"].message
    assert outcomes["b"].state == outcomes["c"].state == "done"
    assert gone(bench.server, bench.pid("victim"), bench.helper)
    assert any(event.kind == "note" for event in bench.events)


def test_what_imports_print_or_raise_does_not_disturb_the_server(bench, tmp_path, monkeypatch):
    (tmp_path / "noisy.py").write_text("""print('{"exited": "a"}')""")
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken on import')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert bench.run([job("a")], preload=("noisy", "broken", "not_there"))["a"].state == "done"
    log = (bench.home / "server.log").read_text()
    assert "exited" in log and "broken on import" in log and "not_there" in log


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_job_hears_a_signal_sent_before_it_could_listen(bench, start):
    link = ServerLink(bench.home, (), start)
    with closing(link):
        for key in "abc":
            bench.file(key, "").mkdir(parents=True)
            bench.file(key, "payload.json").write_text('{"do": "wait"}')
            link.start(Order(key, "execute_toys:act", [(str(bench.file(key, "payload.json")), str(bench.file(key, "")))]))
            link.signal(key, signal.SIGUSR1)  # asks where it stands, and ends nothing
            link.signal(key, signal.SIGTERM)
        ends = {}
        until = time.monotonic() + 20
        while len(ends) < 3 and time.monotonic() < until:
            ends |= {message["exited"]: message for message in link.poll(0.1) if "exited" in message}
    assert sorted(ends) == ["a", "b", "c"]
    assert all(end["code"] == EXIT_CODES["interrupted"] for end in ends.values())


def test_a_server_that_cannot_live_is_an_error_not_a_loop(bench, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ExecutorError, match="3 times"):
        bench.run([job("a")])


def test_many_small_jobs_leave_no_process_and_no_open_file(bench):
    bench.run([job("warm")])
    processes, files = children(), open_files()
    outcomes = bench.run([job(f"n{n}") for n in range(30)])
    assert len(outcomes) == 30 and all(outcome.state == "done" for outcome in outcomes.values())
    assert children() == processes and open_files() == files
    pids = [json.loads(bench.file(f"n{n}", "result.json").read_text())["pid"] for n in range(30)]
    assert len(set(pids)) == 30 and not any(map(alive, pids))


def test_an_error_of_the_caller_leaves_nothing_behind(bench):
    def break_off(event):
        if event.kind == "progress" and event.data["event"] == "progress":
            bench.pids = bench.pid("a"), bench.pid("a", "helper.pid")
            raise RuntimeError("a bug in the display")

    bench.react = break_off
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="display"):
        bench.run([job("a", "wait")])
    assert gone(*bench.pids) and signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("how", ["local", "inline"])
def test_a_job_of_another_run_is_waited_for(bench, tmp_path, how):
    """What others there are is done meanwhile."""
    go = tmp_path / "go"
    driver = f"import sys; sys.path[:0] = {sys.path!r}\nfrom execute_bench import Bench, job; from pathlib import Path\n"
    driver += f"print(Bench(Path({str(tmp_path)!r})).run([job('a', 'wait_for_file', file={str(go)!r})])['a'].state)"
    other = subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: "progress" in [record["event"] for record in read_events(bench.file("a", ""))])
        finished: list[str] = []

        def release(event):
            if event.kind == "retry":
                assert event.data["why"] == WAITING
            if event.kind == "finished":
                finished.append(event.job.key)
            if finished and "retry" in bench.kinds("a"):
                go.write_text("")

        bench.react = release
        jobs = [job("a", "wait_for_file", steps=9, file=str(go)), job("b", steps=1)]
        if how == "local":
            outcomes = bench.run(jobs)
        else:
            outcomes = InlineExecutor(bench.home, device="cpu", entry="execute_toys:act").run(jobs, bench.on_event)
        assert finished == ["b", "a"] and all(outcome.state == "done" for outcome in outcomes.values())
    finally:
        go.write_text("")
    assert other.communicate(timeout=20)[0].strip() == "done"


def test_the_choice_of_start_is_checked(bench, monkeypatch):
    monkeypatch.setenv("KDBENCH_START", "clone")
    with pytest.raises(ExecutorError, match="fork or spawn"):
        LocalExecutor(bench.home, device="cpu")


def test_no_jobs_need_no_server(bench):
    assert bench.run([]) == {} and not (bench.home / "server.log").exists()


def test_the_parent_side_imports_neither_torch_nor_numpy():
    code = "import sys; from kdbench.execute import inline, local, progress; print({'torch', 'numpy', 'rich'} & {*sys.modules})"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True).stdout.strip() == "set()"
