"""`kdbench run --executor ray` on real clusters of this machine: what comes out is what comes out without one, whatever dies
meanwhile and whether nodes share the folders or not."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from cli_bench import Bench, finish, gone, kill

pytest.importorskip("ray")
from cluster_bench import MINE, Cluster, cluster, idle, namespaces

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]
RUN = ("run", "tiny.yaml", "--no-track", "--executor", "ray")
APART = pytest.param(True, marks=pytest.mark.skipif(not namespaces(), reason="no mounts of our own here"), id="apart")


@pytest.fixture
def nodes():
    with cluster(1, 1) as made:
        yield made


@pytest.fixture
def whole(first_run) -> dict[str, str]:
    """What the local executor makes of the suite."""
    return Bench(first_run[0]).comparable()


@pytest.fixture
def long(first_run) -> str:
    """The key of the job that takes long."""
    return next(key for key, record in Bench(first_run[0]).records().items() if record.labels["cell"].endswith("steps=150}"))


def complete(bench: Bench) -> None:
    """Everything that records name is here, and what was sent to nodes is not there any more."""
    for key, record in bench.records().items():
        assert (bench.folder / ".kdbench" / "weights" / f"{key}.safetensors").is_file()
        for sha in record.outputs.values():
            assert (bench.folder / ".kdbench" / "outputs" / sha[:2] / f"{sha}.npy").is_file()
        assert [event["event"] for event in bench.events(key)][-1] == "end"
        assert (bench.folder / ".kdbench" / "jobs" / key / "log.txt").read_text()
    assert not list(bench.folder.glob("*/.ray-*")) and not list((bench.folder / ".kdbench").glob(".ray-*"))
    assert not list((bench.folder / ".kdbench/checkpoints").glob("*/*.safetensors"))


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where nodes keep what they need for a run; Ray's own sockets would not fit into so long a path."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("RAY_TMPDIR", tempfile.gettempdir())
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def left(temporary: Path) -> list[Path]:
    return list(temporary.glob("kdbench-ray-*/*"))


def test_local_inline_and_ray_make_the_same(tiny: Bench, nodes: Cluster, whole):
    assert len(whole) == 7
    done = tiny(*RUN, "--address", nodes.address, code=0)
    assert "7 jobs in" in done.out and "7 done" in done.out and "raylet" not in done.text
    assert tiny.comparable() == whole
    complete(tiny)
    (tiny.folder / "results").rename(tiny.folder / "of-ray")
    (tiny.folder / ".kdbench").rename(tiny.folder / "home-of-ray")
    tiny("run", "tiny.yaml", "--no-track", "--executor", "inline", code=0)
    assert tiny.comparable() == whole
    assert idle(tiny.folder)


def test_without_an_address_it_starts_a_cluster_here_and_ends_it(tiny: Bench, whole, temporary: Path):
    done = tiny(*RUN, "--only", "seed=0", code=0)
    assert "ray" not in done.text.lower() and tiny.comparable() == {
        key: text for key, text in whole.items() if '"seed": 0' in text
    }
    assert idle(tiny.folder) and not left(temporary)


@pytest.mark.skipif(not namespaces(), reason="no mounts of our own here")
def test_nodes_that_share_nothing_get_what_jobs_read_and_send_what_they_leave(bench: Bench, temporary: Path):
    """Teachers' weights and outputs, a later generation's start, and a plugin given as a file."""
    bench.write("mine.py", MINE)
    bench.write(
        "far.yaml",
        "version: 1\nname: far\nseeds: 2\nplugins: mine.py\n"
        "tasks:\n  - task: digits\n    recipe: {steps: 12}\n    teachers: {pool: 2, recipe: {steps: 12}}\n"
        "sources:\n  asked: {source: stored}\nmethods:\n  - mine\n  - {method: kd, source: asked, name: told}\n"
        "  - {method: kd, name: line, rounds: {count: 2}}\n",
    )
    with cluster() as nodes:
        nodes.add_apart(bench.folder)
        nodes.add_apart(bench.folder)
        done = bench("run", "far.yaml", "--no-track", "--executor", "ray", "--address", nodes.address, code=0)
        assert "failed" not in done.out
    there = bench.comparable()
    complete(bench)
    (bench.folder / "results").rename(bench.folder / "of-ray")
    (bench.folder / ".kdbench").rename(bench.folder / "home-of-ray")
    bench("run", "far.yaml", "--no-track", code=0)
    assert bench.comparable() == there and not left(temporary)


@pytest.mark.parametrize("apart", [pytest.param(False, id="shared"), APART])
def test_a_node_is_killed_and_nothing_is_lost_or_done_twice(tiny: Bench, whole, long: str, temporary: Path, apart: bool):
    """The node with the long job dies after the job has trained for a while."""
    with cluster() as nodes:
        for _ in range(2):
            nodes.add_apart(tiny.folder, temporary) if apart else nodes.add(1)
        process = tiny.start(*RUN, "--address", nodes.address, "--checkpoint", "0.2")
        pid = tiny.when_training(long, process)
        stamps = tiny.stamps()
        nodes.kill_node_of(pid)
        done = finish(process)
    assert done.code == 0, done.text
    assert "its node died" in done.err and "7 done" in done.out
    assert tiny.comparable() == whole
    assert stamps and {key: stamp for key, stamp in tiny.stamps().items() if key in stamps} == stamps
    starts = {key: sum("pid" in event for event in tiny.events(key)) for key in whole}
    assert starts.pop(long) == 2 and set(starts.values()) == {1}
    assert tiny.records()[long].timing["resumed"] is True
    complete(tiny)
    assert idle(tiny.folder)


@pytest.mark.parametrize("apart", [pytest.param(False, id="shared"), APART])
def test_ctrl_c_saves_a_checkpoint_and_the_next_run_goes_on_from_there(
    tiny: Bench, whole, long: str, temporary: Path, apart: bool
):
    with cluster(head=0 if apart else 2) as nodes:
        if apart:
            nodes.add_apart(tiny.folder, temporary, cpus=2)
        process = tiny.start(*RUN, "--address", nodes.address)
        tiny.when_training(long, process)
        os.kill(process.pid, signal.SIGINT)
        done = finish(process)
        assert done.code == 75 and "saved a checkpoint" in done.out, done.text
        assert (tiny.folder / ".kdbench/checkpoints" / long / "state.safetensors").is_file()
        tiny(*RUN, "--address", nodes.address, code=0)
    assert tiny.records()[long].timing["resumed"] is True
    assert tiny.comparable() == whole
    complete(tiny)


@pytest.mark.parametrize("door", ["node", "client"])
def test_when_the_run_is_killed_its_jobs_end(tiny: Bench, whole, door: str):
    tiny.write("endless.yaml", (tiny.folder / "tiny.yaml").read_text().replace("steps: 150", "steps: 8000"))
    endless = next(key for key, job in tiny.plan("endless.yaml").items() if "8000" in job["cell"])
    with cluster(head=2, client=door == "client") as nodes:
        address = nodes.client_address if door == "client" else nodes.address
        process = tiny.start("run", "endless.yaml", *RUN[2:], "--address", address)
        pid = tiny.when_training(endless, process)
        kill(process.pid)
        process.communicate()
        end = time.monotonic() + 90
        while not gone(pid) and time.monotonic() < end:
            time.sleep(0.05)
        assert gone(pid) and endless not in tiny.records()
        tiny(*RUN, "--address", address, code=0)
    assert tiny.comparable() == whole
    assert not list(tiny.folder.glob("*/.ray-*"))


def test_what_cannot_be_ends_with_2(tiny: Bench):
    told = tiny("run", "tiny.yaml", "--executor", "ray", "--address", "127.0.0.1:1", code=2)
    assert "no Ray cluster at '127.0.0.1:1'" in told.err
    told = tiny("run", "tiny.yaml", "--address", "auto", code=2)
    assert "add --executor ray" in told.err
    told = tiny("run", "tiny.yaml", "--executor", "ray", "--pack", code=2)
    assert "on a cluster give jobs a share" in told.err
    tiny.write("ray.py", "raise ImportError('none here')\n")
    told = tiny("run", "tiny.yaml", "--executor", "ray", code=2, PYTHONPATH=f"{tiny.folder}:{os.environ.get('PYTHONPATH', '')}")
    assert "pip install 'kdbench[ray]'" in told.err
