"""`tune:` by the real command line: trials, a choice, what waited for it; stopped in between, and chosen anew."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

from cli_bench import Bench, finish

SUITE = """\
version: 1
name: tuned
tasks:
  - task: digits
    recipe: {steps: 80}
    teachers: {recipe: {steps: 20}}
methods: [kd]
tune: {methods: kd, params: {weight: [0.2, 0.6]}, seeds: [7]}
claims: [{id: sane, task: digits, arm: kd, over: none, metric: accuracy, at_least: -1, source: no arm loses all}]
"""
OLD = '{"kdbench.train.loop": "00000000"}'
RUN = ("run", "tuned.yaml", "--no-track")


def tuning(bench: Bench) -> dict[str, Any]:
    [found] = json.loads(bench("plan", "tuned.yaml", "--json", code=0).out)["tuning"]
    return found


def rewrite(bench: Bench, key: str, **groups: dict[str, float]) -> None:
    path = bench.path_of(key)
    data = json.loads(path.read_text())
    data["metrics"] |= groups
    path.write_text(json.dumps(data))


def test_a_run_that_is_stopped_between_its_stages_goes_on_and_chooses_on_validation_alone(bench: Bench):
    bench.write("tuned.yaml", SUITE)
    plan, status, gate, check = bench.many("plan tuned.yaml", "status tuned.yaml", "gate tuned.yaml", "check tuned.yaml")
    assert "digits kd[weight=0.2]{tuning=val} seed 7" in plan.out
    assert "one of 2 settings: 2 of 2 trials have no result yet; up to 1 job wait" in plan.out
    assert "4 jobs: 4 to run, up to 1 more wait for a choice on validation data" in plan.out
    assert status.code == 3 and "0/2  digits  trials of kd" in status.out
    assert gate.code == 3 and "nothing can be judged before" in gate.err
    assert check.code == 0 and "up to 1 more wait" in check.out
    keys = [one["keys"][0] for one in tuning(bench)["settings"]]

    # Stopped in a trial: nothing is chosen by half of a grid, and the trial goes on from its checkpoint.
    process = bench.start(*RUN, "-w", "1")
    bench.when_training(keys[1], process)
    os.kill(process.pid, signal.SIGINT)
    assert finish(process).code == 75
    assert tuning(bench)["chosen"] is None and tuning(bench)["waiting"] == 1

    done = bench(*RUN, code=0)
    assert "chosen: digits kd: weight=" in done.out and "5 jobs: 1 to run, 4 cached" in done.out
    found = tuning(bench)
    means = [bench.records()[key].metrics["val"]["accuracy"] for key in keys]
    assert found["chosen"] == means.index(max(means)) and [one["mean"] for one in found["settings"]] == means
    weight = (0.2, 0.6)[found["chosen"]]
    labels = {record.labels["cell"]: record.labels for record in bench.records().values()}
    assert set(labels) == {
        "teacher", "none", f"kd[weight={weight}]", "kd[weight=0.2]{tuning=val}", "kd[weight=0.6]{tuning=val}"
    }  # fmt: skip
    assert labels["kd[weight=0.2]{tuning=val}"]["tuning"] == "kd" and "tuning" not in labels[f"kd[weight={weight}]"]
    report = (bench.folder / "reports" / "tuned" / "report.md").read_text()
    tables, _, chosen = report.partition("## Chosen on validation")
    assert "tuning=val" not in tables and f"kd[weight={weight}]" in tables
    assert f"| `weight={weight}` |" in chosen and chosen.count("| chosen |") == 1 and "end of the grid" in chosen
    assert 'id="chosen"' in (bench.folder / "reports" / "tuned" / "index.html").read_text()

    # Whatever the trials came to on test changes nothing; what they came to on validation does, and another job is planned.
    stamps = bench.stamps()
    rewrite(bench, keys[found["chosen"]], truth={"accuracy": 0.0, "nll": 99.0}, fidelity={})
    rewrite(bench, keys[1 - found["chosen"]], truth={"accuracy": 1.0, "nll": 0.0})
    assert tuning(bench)["chosen"] == found["chosen"]
    rewrite(bench, keys[1 - found["chosen"]], val={"accuracy": 1.0})
    assert tuning(bench)["chosen"] == 1 - found["chosen"]
    assert "5 jobs: 1 to run, 4 cached" in bench("plan", "tuned.yaml").out
    assert bench.stamps().keys() == stamps.keys()  # what was chosen before stays where it is

    # Trials of older code that are to be made anew are chosen by no more; and nobody compares with trials.
    path = bench.path_of(keys[0])
    path.write_text(json.dumps(data := json.loads(path.read_text())).replace(json.dumps(data["provenance"]["sources"]), OLD))
    keep, rerun, compare = bench.many("plan tuned.yaml", "plan tuned.yaml --stale rerun", "compare results")
    assert "1 made by older code" in keep.out and "waiting" not in keep.out
    assert "1 of 2 trials have no result yet" in rerun.out and "up to 1 more wait" in rerun.out
    assert "tuning=val" not in compare.text and "kd[weight=" in compare.text

    # A larger grid waits for its own trials only; gate and plan say so.
    bench.write("tuned.yaml", SUITE.replace("[0.2, 0.6]", "[0.2, 0.6, 0.8]"))
    wider = bench("plan", "tuned.yaml")
    assert "1 of 3 trials have no result yet" in wider.out and "1 made by older code, up to 1 more wait" in wider.out
