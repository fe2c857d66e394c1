"""The executor for clusters, on a real cluster of two nodes: how jobs end there is how they end here."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from execute_bench import Bench, job
from processes import gone, parent_of

from kdbench.execute.base import ExecutorError, FailureClass, JobSpec, Resources
from kdbench.execute.cluster.connect import connect
from kdbench.execute.cluster.executor import gpus
from kdbench.execute.slots import Slots
from kdbench.results import company

pytest.importorskip("ray")
from cluster_bench import Cluster, cluster, namespaces

LIMIT = Resources(timeout=1.5)
BAD = ("raise", "raise_data", "real_memory", "exit", "hard_exit", "segfault", "bad_status")


def members(folder: Path, *do: str) -> list[JobSpec]:
    payload = {"do": "alone", "pids": str(folder / "pids")}
    return [JobSpec(f"m{n}", f"member {n}", {"n": n, "in_gang": what, **payload}, gang="g") for n, what in enumerate(do)]


def every_end(folder: Path) -> list[JobSpec]:
    """A job for each way to end, with what needs them, and a gang of which one member fails."""
    gang = members(folder, "done", "later", "raise", "done")
    return [
        *(job(do, do) for do in BAD),
        job("polite", "wait", resources=LIMIT),
        job("deaf", "deaf", resources=LIMIT),
        job("memory", "memory", fits_at="2"),
        job("teacher", kind="teacher"),
        job("student", deps=("teacher",)),
        job("leaf", deps=("student", "raise")),
        job("diverged", status="diverged"),
        *gang,
    ]


def test_jobs_end_on_a_cluster_as_they_do_here(tmp_path):
    here, there = Bench(tmp_path / "here"), Bench(tmp_path / "there")
    for each in (here, there):
        each.home.mkdir()
    ends = {"here": here.run(every_end(here.home))}
    with cluster(1, head=1) as nodes:
        ends["there"] = there.run_on(nodes.address, every_end(there.home))
    told = {
        where: {key: (end.state, end.failure, end.message, bool(end.traceback)) for key, end in outcomes.items()}
        for where, outcomes in ends.items()
    }
    assert told["here"] == told["there"]
    assert there.kinds("student")[:2] == ["queued", "started"]
    order = [event.job.key for event in there.events if event.kind in ("started", "finished")]
    assert order.index("teacher", order.index("teacher") + 1) < order.index("student")
    for bench in (here, there):
        retried = [event.job.key for event in bench.events if event.kind == "retry"]
        assert set(retried) == {"m1", "memory", "real_memory"}
        assert json.loads(bench.file("student", "result.json").read_text())["visible"] == ""
    assert gone(there.pid("deaf"), there.pid("deaf", "helper.pid"))
    assert not list(there.home.glob(".ray-*"))


@pytest.fixture
def two_nodes():
    with cluster(1, head=1) as nodes:
        yield nodes


@pytest.mark.chaos
def test_a_node_dies_and_its_job_goes_on_elsewhere(bench: Bench, two_nodes: Cluster, tmp_path):
    """Of four jobs two run when the node dies; one of them is the node's."""
    third, go = two_nodes.add(1, resources={"third": 1}), tmp_path / "go"
    lost = []

    def react(event):
        if len([e for e in bench.events if e.kind == "started"]) == 3 and not lost:
            lost.append(third)
            threading.Thread(target=two_nodes.kill, args=(third,)).start()
        if event.kind == "retry":
            go.write_text("")

    bench.react = react
    outcomes = bench.run_on(two_nodes.address, [job(f"w{n}", "wait_for_file", file=str(go)) for n in range(4)])
    assert all(outcome.state == "done" for outcome in outcomes.values())
    retries = [event for event in bench.events if event.kind == "retry"]
    assert len(retries) == 1 and "its node died" in retries[0].data["message"]
    again = retries[0].job.key
    for key in outcomes:
        assert bench.kinds(key).count("started") == 1 + (key == again) and bench.kinds(key).count("finished") == 1


@pytest.mark.chaos
def test_a_job_whose_worker_is_killed_again_and_again_is_given_up(bench: Bench, two_nodes: Cluster):
    def react(event):
        if event.kind == "started" and event.job.key == "victim":
            server = parent_of(event.data["pid"])
            os.kill(parent_of(server), signal.SIGKILL)  # Ray's worker
            bench.pids = [event.data["pid"], server]

    bench.react = react
    outcomes = bench.run_on(two_nodes.address, [job("victim", "wait"), job("good")])
    assert outcomes["good"].state == "done"
    assert (outcomes["victim"].state, outcomes["victim"].failure) == ("failed", FailureClass.killed)
    assert "4th time" in outcomes["victim"].message and bench.kinds("victim").count("retry") == 3
    assert gone(*bench.pids)


@pytest.mark.chaos
def test_a_server_that_is_killed_takes_its_job_and_another_try_succeeds(bench: Bench, two_nodes: Cluster, tmp_path):
    go = tmp_path / "go"

    def react(event):
        if event.kind == "started" and not go.exists():
            os.kill(parent_of(event.data["pid"]), signal.SIGKILL)
            go.write_text("")
            time.sleep(0.5)

    bench.react = react
    outcomes = bench.run_on(two_nodes.address, [job("a", "wait_for_file", file=str(go))])
    retries = [event.data["message"] for event in bench.events if event.kind == "retry"]
    assert outcomes["a"].state == "done" and len(retries) <= 1 and all("the job server" in told for told in retries)


@pytest.mark.chaos
@pytest.mark.skipif(not namespaces(), reason="no mounts of our own here")
def test_without_a_shared_folder_all_that_a_job_leaves_comes_back(bench: Bench, tmp_path):
    bench.home = tmp_path / "home"
    bench.home.mkdir()
    with cluster() as nodes:
        nodes.add_apart(bench.home)
        jobs = [job("a", steps=2, sleep=0.6), job("b", "raise"), job("c", "segfault"), job("d", "wait", resources=LIMIT)]
        outcomes = bench.run_on(nodes.address, [*jobs, *members(tmp_path, "done", "raise", "slow")])
    assert [outcomes[key].failure for key in "abcd"] == [None, FailureClass.error, FailureClass.killed, FailureClass.timeout]
    assert [outcomes[f"m{n}"].state for n in range(3)] == ["done", "failed", "done"]
    assert len({line.split()[0] for line in (tmp_path / "pids").read_text().splitlines()}) == 1
    assert bench.file("d", "checkpoint").read_text() == "saved" and "in _wait" in outcomes["d"].log_path.read_text()
    assert "in _raise" in outcomes["b"].traceback and "Segmentation fault" in outcomes["c"].log_path.read_text()
    assert "a line of a C library" in outcomes["a"].log_path.read_text()
    assert json.loads(bench.file("a", "result.json").read_text())["payload"]["do"] == "ok"
    steps = [
        event.data["step"] for event in bench.events if event.kind == "progress" and "step" in event.data and event.job.key == "a"
    ]
    assert steps == [1, 2] and bench.kinds("a").index("progress") < len(bench.kinds("a")) - 2


@pytest.mark.chaos
def test_a_job_that_ray_ends_for_want_of_memory_is_out_of_memory(bench: Bench, monkeypatch):
    """Ray ends what runs on a node that is full; to this one, any machine is. The head, where the run is, goes by other rules."""
    with cluster() as nodes:
        monkeypatch.setenv("RAY_memory_usage_threshold", "0.01")
        monkeypatch.setenv("RAY_memory_monitor_refresh_ms", "200")
        nodes.add(2)
        outcomes = bench.run_on(nodes.address, [job("a", "wait")])
    assert (outcomes["a"].state, outcomes["a"].failure) == ("failed", FailureClass.oom), outcomes["a"].message
    assert bench.kinds("a").count("retry") == 1 and "memory" in outcomes["a"].message


@pytest.mark.chaos
def test_rays_choice_of_a_gpu_reaches_the_job(bench: Bench):
    """The GPUs are made up: Ray counts them, and the jobs are told their names."""
    with cluster() as nodes:
        nodes.add(4, num_gpus=2)
        jobs = [JobSpec(f"g{n}", f"g{n}", {"do": "ok", "sleep": 0.5}, resources=Resources(gpu=0.5)) for n in range(4)]
        outcomes = bench.run_on(nodes.address, [*jobs, job("whole")], device="cuda")
    assert all(outcome.state == "done" for outcome in outcomes.values())
    seen = {key: json.loads(bench.file(key, "result.json").read_text()) for key in outcomes}
    assert {found["visible"] for found in seen.values()} == {"0", "1"} and seen["g0"]["device"] == "cuda"
    assert [company.most(bench.file(key, "")) for key in outcomes] == [2, 2, 2, 2, 1]


def test_what_cannot_be_is_said(monkeypatch):
    assert gpus("auto", 2) == ("0", "1") and gpus("cpu", 2) == () == gpus("auto", 0)
    with pytest.raises(ExecutorError, match="no node of the Ray cluster has a GPU"):
        gpus("cuda", 0)
    with pytest.raises(ExecutorError, match="Ray chooses the GPU"):
        gpus("cuda:1", 2)
    with pytest.raises(ExecutorError, match=r"'127\.0\.0\.1:1' could be joined: .*refused"):
        connect("127.0.0.1:1")
    monkeypatch.setattr("ray.init", lambda *_, **__: int("it timed out"))
    with pytest.raises(ExecutorError, match=r"no Ray could be started here: .*timed out.* look into its logs \(.*/logs\), join"):
        connect("local")
    monkeypatch.setattr("resource.getrlimit", lambda what: (2**34, -1))
    with pytest.raises(ExecutorError, match=r"What to do: allow larger files, .*\(ulimit -f\), look"):
        connect("local")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ExecutorError, match=r"pip install 'kdbench\[ray\]'"):
        connect()
    assert Slots(2, ("0",)).facts == {"workers": 2, "gpus": 1}
