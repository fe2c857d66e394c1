"""kdbench.load_results in a folder that holds several experiments and the trials of a choice."""

import math
from pathlib import Path

import pytest
from cli_bench import Bench

import kdbench


@pytest.fixture
def folder(finished: Bench, monkeypatch) -> Path:
    monkeypatch.chdir(finished.folder)
    return finished.folder


def test_two_experiments_of_one_cell_are_told_apart(finished: Bench, folder: Path):
    finished.write(
        "short.yaml",
        (finished.folder / "tiny.yaml").read_text().replace("{steps: 12}", "{steps: 3}").replace("name: tiny", "name: short"),
    )
    finished("run", "short.yaml", "--no-track", "--only", "method=none", code=0)
    frame = kdbench.load_results().query("cell == 'none' and metric == 'accuracy' and group == 'truth'")
    assert len(frame) == 4 and frame.groupby(["cell", "seed"]).size().tolist() == [2, 2]
    assert frame.groupby(["experiment", "seed"]).size().tolist() == [1] * 4
    assert set(frame["recipe"]) == {'{"lr": 0.03, "steps": 12}', '{"lr": 0.03, "steps": 3}'} and set(frame["student"]) == {
        "digit_net"
    }
    for name, steps in (("tiny", 12), ("short", 3)):
        own = kdbench.load_results(suite=f"{name}.yaml").query("cell == 'none' and metric == 'accuracy' and group == 'truth'")
        assert len(own) == 2 and set(own["recipe"]) == {f'{{"lr": 0.03, "steps": {steps}}}'}


def test_seeds_of_one_experiment_are_one_and_students_name_their_teachers_network(folder: Path):
    frame = kdbench.load_results(suite="tiny.yaml")
    kd = frame[frame["cell"] == "kd[weight=0.8]"]
    assert set(kd["seed"]) == {0, 1} and kd["experiment"].nunique() == 1
    assert set(kd["teacher"]) == {'digit_net {"depth": 2, "widths": [16, 32, 64]}'}


def test_trials_are_left_out_and_bring_only_what_they_are_chosen_by(bench: Bench, monkeypatch):
    tune = """\
version: 1
name: tuned
seeds: 1
tasks: [{task: digits, recipe: {steps: 6}, teachers: {recipe: {steps: 6}}}]
methods: [kd]
tune:
  - {methods: [kd], params: {weight: [0.5, 0.8]}, seeds: 1}
"""
    bench.write("tuned.yaml", tune)
    bench("run", "tuned.yaml", "--no-track", code=0)
    monkeypatch.chdir(bench.folder)
    frame, both = kdbench.load_results(), kdbench.load_results(trials=True)
    assert not frame["cell"].str.contains("tuning=val").any() and set(frame["kind"]) == {"student", "teacher"}
    trials = both[both["kind"] == "trial"]
    assert len(both) == len(frame) + len(trials) and set(trials["group"]) == {"val"}
    assert not trials.query("metric == 'accuracy'")["value"].map(math.isnan).any()
