"""What a plan says of hours, and what cannot be packed."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from cli_bench import Bench
from conftest import TINY

from kdbench.results.store import ResultStore


def test_nothing_is_known_before_anything_has_run(tiny: Bench):
    words, data = tiny.many("plan tiny.yaml", "plan tiny.yaml --json")
    assert "time: not known, nothing like these 7 jobs has run on this device" in words.out
    found = json.loads(data.out)
    assert (found["time"]["jobs"], found["time"]["unknown"], found["time"]["work"]) == (7, 7, 0)
    assert all(job["seconds"] is None for job in found["jobs"])


def test_what_has_run_tells_of_what_will(finished: Bench):
    assert "time:" not in finished("plan", "tiny.yaml").out  # all is cached
    store = ResultStore(finished.folder / "results")
    for record in store.scan().records.values():
        store.write(replace(record, timing={"setup_seconds": 1.0, "train_seconds": 1200.0, "evaluate_seconds": 4.0}))
    # Ten times as long, in the cells that there are, and one task more of which nobody knows anything.
    longer = TINY.replace("12", "120").replace("150", "1500")
    finished.write("more.yaml", longer.replace("methods:", "  - task: topics\nmethods:"))
    words, data, one = finished.many(
        "plan more.yaml", "plan more.yaml --json", "plan more.yaml --only task=digits,method=none --json"
    )
    said = r"time: about [\d:]+ of work \([\d.]+ CPU-hours\), [\d:]+ with \d+ workers?, beside 6 jobs of which"
    assert re.search(said, words.out)
    found = json.loads(data.out)
    seconds = {(job["task"], job["cell"], job["seed"]): job["seconds"] for job in found["jobs"]}
    assert seconds["digits", "none", 0] == 12005.0 and seconds["topics", "none", 0] is None
    assert found["time"]["unknown"] == 6 and found["time"]["work"] == sum(filter(None, seconds.values()))
    workers = found["time"]["workers"]
    assert found["time"]["work"] / workers <= found["time"]["wall"] <= found["time"]["work"]
    alone = json.loads(one.out)["time"]
    assert (alone["jobs"], alone["unknown"], alone["work"]) == (4, 0, 48020.0)  # their teachers as well


def test_a_plan_for_a_device_that_is_not_here_says_so(tiny: Bench):
    tiny.write("gpu.yaml", TINY + "resources: {device: 'cuda:99'}\n")
    words, data = tiny.many("plan gpu.yaml", "plan gpu.yaml --json")
    assert words.code == 0 and "time: not known on this machine: device 'cuda:99'" in words.out
    assert json.loads(data.out)["time"] is None


def test_a_run_says_how_long_it_will_take_where_it_knows(finished: Bench):
    finished.write("seeds.yaml", TINY.replace("seeds: 2", "seeds: 3"))
    done = finished("run", "seeds.yaml", "--no-track", "--only", "method=none", code=0)
    assert re.search(r"time: about [\d.:]+( s)? of work \([\d.e-]+ CPU-hours\)", done.out)


@pytest.mark.parametrize("words", [("--device", "cpu"), ("--executor", "inline")])
def test_packing_is_refused_where_there_is_nothing_to_pack(tiny: Bench, words):
    done = tiny("run", "tiny.yaml", "--pack", *words, code=2)
    assert "--pack puts several jobs on a GPU" in done.err and not (tiny.folder / "results").exists()
