"""Two runs of overlapping suites on one results folder at the same time: each job is done once, and both end well."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from chaos_bench import EXECUTORS, TWO_SEEDS, Executor, add, half_written, lost, marked, new, strays
from cli_bench import finish, kill
from forked import Warm as Bench

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1800)]

OTHER = TWO_SEEDS.replace("name: chaos", "name: other").replace("fitnets", "at")
KINDS = {"same suite": TWO_SEEDS, "overlapping suites": OTHER}


def trained(bench: Bench) -> Counter[int]:
    """How often each job was trained to its last step."""
    found: Counter[int] = Counter()
    for folder in (bench.folder / ".kdbench/jobs").iterdir():
        ends = [event for event in bench.events(folder.name) if event["event"] == "metric" and event["step"] == event["steps"]]
        found[len(ends)] += 1
    return found


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """All jobs of both suites, done by one run after the other."""
    bench = new(tmp_path_factory.mktemp("both"), TWO_SEEDS)
    bench.write("other.yaml", OTHER)
    for suite in ("chaos.yaml", "other.yaml"):
        bench("run", suite, "--no-track", code=0)
    return bench.comparable()


def start(executor: Executor, bench: Bench, suite: str, **env: str):
    words = [word if word != "chaos.yaml" else suite for word in executor.command()]
    return bench.start(*[word for word in words if word != "--no-track"], **executor.env, CHAOS_FAULT="slow", **env)


@pytest.mark.parametrize("kind", KINDS)
def test_at_the_same_time(executor: Executor, kind: str, both: dict[str, str], tmp_path: Path, request, record_property):
    """The second one is an ordinary run; tracking is on, so that both write to one store."""
    bench = new(tmp_path, TWO_SEEDS)
    bench.write("other.yaml", KINDS[kind])
    runs = [start(executor, bench, "chaos.yaml"), start(EXECUTORS["fork"], bench, "other.yaml")]
    ends = [finish(run) for run in runs]
    assert [end.code for end in ends] == [0, 0], "\n".join(end.text for end in ends)
    assert "failed" not in ends[0].out + ends[1].out
    expected = both if kind == "overlapping suites" else {key: text for key, text in both.items() if '"method": "at"' not in text}
    found = lost(bench, expected)
    add(record_property, request, f"two runs, {kind}", 1, found)
    assert found == 0 and not half_written(bench)
    assert set(trained(bench)) == {1}, "a job was trained twice"


def test_the_first_is_killed_while_the_second_waits(
    executor: Executor, both: dict[str, str], tmp_path: Path, request, record_property
):
    """Then the second one takes over, from the checkpoint."""
    bench = new(tmp_path, TWO_SEEDS)
    bench.write("other.yaml", TWO_SEEDS)
    mark = marked()
    first = start(executor, bench, "chaos.yaml", **mark)
    while not list(bench.folder.glob(".kdbench/jobs/*/events.jsonl")):
        assert first.poll() is None
        time.sleep(0.02)
    second = start(EXECUTORS["fork"], bench, "other.yaml")
    while second.poll() is None and sum(1 for _ in bench.folder.glob("results/digits/*/*.json")) < 4:
        time.sleep(0.05)
    kill(first.pid)
    first.communicate()
    assert not strays(mark, daemons=not executor.daemons)
    assert finish(second).code == 0
    found = lost(bench, {key: text for key, text in both.items() if '"method": "at"' not in text})
    add(record_property, request, "two runs, one killed", 1, found)
    assert found == 0
    shutil.rmtree(bench.folder / "reports")
