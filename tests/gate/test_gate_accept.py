"""Accepting: what is refused, what is kept line by line, and what a reviewer is told."""

from __future__ import annotations

import json

import pytest
from gate_bench import Bench, moved


def accept(bench: Bench, capsys: pytest.CaptureFixture[str], *words: str, reason: str = "as wanted") -> tuple[int, str]:
    capsys.readouterr()
    code = bench("baseline", "accept", "made.yaml", "--reason", reason, *words)
    done = capsys.readouterr()
    return code, done.out + done.err


def lines(bench: Bench) -> list[list[str]]:
    return [row.split(",") for row in bench.csv.read_text().splitlines()[1:]]


def test_the_first_baseline(bench: Bench, capsys):
    bench.fill()
    code, out = accept(bench, capsys, reason="  first\n baseline, three seeds ")
    assert code == 0 and "digits kd: new: 3 seeds; accuracy 85." in out and "3 cells accepted, 0 refused" in out
    rows = bench.csv.read_text().splitlines()
    assert rows[0] == "cell,pair,metric,seed,value,key,code,torch,device,accepted_on,reason"
    assert len(rows) == 1 + 3 * (4 + 4 + 2) and rows[1:] == sorted(rows[1:])  # `none` has no fidelity of its own
    assert rows[1].endswith(',"first baseline, three seeds"') and ",2.15.0,cpu," in rows[1]
    told = json.loads(bench.csv.with_suffix(".identity.json").read_text())
    assert told["digits/default/kd"]["method"]["name"] == "kd" and "seed" not in told["digits/default/kd"]
    assert told["digits/default/kd"]["teachers"][0]["role"] == "teacher"


def test_accepting_again_changes_nothing(bench: Bench, capsys):
    bench.baseline()
    before = bench.csv.read_bytes()
    bench.fill(salt=1)
    code, out = accept(bench, capsys, reason="again")
    assert code == 0 and bench.csv.read_bytes() == before and "0 cells accepted, 0 refused, 3 as before" in out
    assert "written" not in out


def test_only_what_changed_gets_a_new_line(bench: Bench, capsys):
    bench.baseline(3)
    before = lines(bench)
    bench.fill(moved("kd", accuracy=0.02), salt=1)
    code, out = accept(bench, capsys)
    changed = [row for row in lines(bench) if row not in before]
    assert code == 0 and {tuple(row[:3]) for row in changed} == {("kd", "default", "accuracy")} and len(changed) == 3
    assert all(row[-1] == "as wanted" for row in changed) and "digits kd: accuracy 85." in out and "→ 87." in out
    assert "1 cell accepted, 0 refused, 2 as before" in out


def test_values_of_one_seed_are_of_one_run(bench: Bench, capsys):
    """Of four values one stood while the code changed: a seed whose lines name two codes could not be read again."""
    bench.baseline(3)
    before = {tuple(row[:4]): row for row in lines(bench)}
    bench.fill(moved("kd", accuracy=0.02), salt=1, device="another")
    code, _ = accept(bench, capsys)
    after = {tuple(row[:4]): row for row in lines(bench)}
    assert code == 0 and after.keys() == before.keys()
    assert all((row != before[place]) == (place[0] == "kd") for place, row in after.items())
    assert bench("baseline", "show", "made.yaml") == 0


def test_seeds_that_were_not_run_again_stay_if_the_others_repeat(bench: Bench, capsys):
    bench.baseline(5)
    before = lines(bench)
    bench.fill(salt=1, device="another")
    accept(bench, capsys)
    assert lines(bench) == before


def test_seeds_of_other_code_go_when_values_change(bench: Bench, capsys):
    bench.baseline(5)
    bench.fill(salt=2, torch="2.16.0")
    code, out = accept(bench, capsys)
    assert code == 0 and {row[3] for row in lines(bench)} == {"0", "1", "2"} and "seeds 0-4 → 0-2" in out


def test_seeds_are_added_where_the_makers_are_the_same(bench: Bench, capsys):
    bench.baseline(5)
    bench.suite("[5, 6]")
    bench.fill(salt=1)
    code, out = accept(bench, capsys)
    assert code == 0 and {row[3] for row in lines(bench)} == {*"0123456"} and "seeds 0-4 → 0-6" in out


def test_cells_that_are_not_whole_are_refused_and_others_written(bench: Bench, capsys):
    bench.baseline(3)
    before = [row for row in lines(bench) if row[0] != "kd"]
    change = {("dkd", 1): None, ("none", 0): "diverged"}
    bench.fill(lambda cell, seed: change.get((cell, seed), {"accuracy": 0.02}), salt=1)
    code, out = accept(bench, capsys)
    assert code == 3 and "digits dkd: missing: no result yet (seed 1)" in out and "diverged (seed 0)" in out
    assert [row for row in lines(bench) if row[0] != "kd"] == before and "1 cell accepted, 2 refused" in out


def test_stale_results_are_refused(bench: Bench, capsys):
    bench.fill(code="older")
    code, out = accept(bench, capsys)
    assert code == 3 and not bench.csv.exists() and "stale" in out


def test_another_experiment_needs_replace(bench: Bench, capsys):
    bench.baseline()
    before = bench.csv.read_bytes()
    bench.edit(bench.folder / "made.yaml", "task: digits", "task: digits\n    recipe: {lr: 0.0123}")
    bench.fill(salt=1)
    code, out = accept(bench, capsys)
    assert code == 4 and bench.csv.read_bytes() == before and "now 0.0123" in out and "--replace" in out
    code, out = accept(bench, capsys, "--replace")
    assert code == 0 and "another experiment; seeds 0-4 → 0-2" in out
    assert '"lr": 0.0123' in bench.csv.with_suffix(".identity.json").read_text()
    assert bench("gate", "made.yaml") == 0


def test_diff_says_the_same_and_writes_nothing(bench: Bench, capsys):
    bench.baseline(3)
    before = bench.csv.read_bytes()
    bench.fill(moved("kd", ece=0.02), salt=1)
    capsys.readouterr()
    assert bench("baseline", "diff", "made.yaml") == 0
    out = capsys.readouterr().out
    assert "digits kd: ece" in out and "1 cell would change" in out and bench.csv.read_bytes() == before


def test_only_a_part(bench: Bench, capsys):
    bench.fill()
    assert accept(bench, capsys, "--only", "method=kd")[0] == 0
    assert {row[0] for row in lines(bench)} == {"kd"}
    assert accept(bench, capsys, "--only", "method=dkd")[0] == 0
    assert {row[0] for row in lines(bench)} == {"kd", "dkd"}  # a part takes nothing out


def test_tasks_that_left_take_their_files_along(bench: Bench, capsys):
    bench.fill()
    accept(bench, capsys)
    bench.edit(bench.folder / "made.yaml", "task: digits", "task: digits\n    name: figures")
    bench.fill()
    code, out = accept(bench, capsys)
    assert code == 0 and not bench.csv.exists() and (bench.csv.parent / "figures.csv").exists() and "removed" in out


def test_metrics_that_are_no_numbers_are_left_out_and_told(bench: Bench, capsys):
    bench.fill(lambda cell, seed: {"log_kl": float("-inf")} if (cell, seed) == ("kd", 0) else {})
    code, out = accept(bench, capsys)
    assert code == 0 and "kd: log_kl is left out" in out
    assert ("kd", "log_kl") not in {(row[0], row[2]) for row in lines(bench)}
    capsys.readouterr()
    assert bench("gate", "made.yaml") == 0 and "log_kl has no baseline: it is not judged" in capsys.readouterr().out


def test_a_reason_is_needed(bench: Bench, capsys):
    bench.fill()
    assert accept(bench, capsys, reason="  \n ")[0] == 2
    assert bench("baseline", "accept", "made.yaml") == 2 and not bench.csv.exists()


def test_show(bench: Bench, capsys):
    assert bench("baseline", "show", "made.yaml") == 4 and "no baseline" in capsys.readouterr().err
    bench.baseline(3)
    capsys.readouterr()
    assert bench("baseline", "show", "made.yaml", "--only", "method=kd") == 0
    out = capsys.readouterr().out
    assert out.startswith("digits kd\n") and "seed 0-2: 20" in out and "first baseline" in out and "dkd" not in out
    assert bench("baseline", "show", "made.yaml", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["lines"]) == 30
