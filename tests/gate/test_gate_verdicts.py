"""Every verdict and every exit code, from real suites and keys; only the numbers are made up."""

from __future__ import annotations

import json
import math
import statistics

import pytest
from gate_bench import Bench, moved
from scipy import stats

from kdbench.gate.experiments import Experiments
from kdbench.gate.rule import detectable
from kdbench.jobs.job import Cell


def judge(bench: Bench, capsys: pytest.CaptureFixture[str], *words: str) -> dict:
    """The report as --json tells it, with the exit code."""
    capsys.readouterr()
    code = bench("gate", "made.yaml", "--json", *words)
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == code
    return {"code": code, **found, "verdicts": {cell["cell"]: cell["verdict"] for cell in found["cells"]}}


def endpoint(report: dict, cell: str, metric: str) -> dict:
    one = next(c for c in report["cells"] if c["cell"] == cell)
    return next(part for part in one["endpoints"] if part["metric"] == metric)


def test_the_very_values_are_identical(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=1)
    report = judge(bench, capsys, "--strict")
    assert report["code"] == 0 and set(report["verdicts"].values()) == {"identical"}


def test_a_proved_loss_is_regressed_and_nothing_else_is(bench: Bench, capsys):
    bench.baseline()
    bench.fill(moved("kd", accuracy=-0.03), salt=2)
    report = judge(bench, capsys)
    assert report["code"] == 1 and report["verdicts"]["kd"] == "regressed"
    assert "regressed" not in (report["verdicts"]["dkd"], report["verdicts"]["none"])
    part = endpoint(report, "kd", "accuracy")
    assert part["verdict"] == "regressed" and part["high"] < 0 and -0.04 < part["difference"] < -0.02
    assert part["new"]["seeds"] == [0, 1, 2] and part["baseline"]["seeds"] == [0, 1, 2, 3, 4]
    assert part["low"] < part["difference"] < part["high"] and 0.001 < part["noise"] < 0.006 and "worse by" in part["why"]
    assert endpoint(report, "kd", "agreement")["verdict"] != "regressed"


@pytest.mark.parametrize("metric, by", [("ece", 0.03), ("log_kl", 0.4), ("agreement", -0.03)])
def test_direction_is_the_metrics_own(bench: Bench, capsys, metric: str, by: float):
    bench.baseline()
    bench.fill(moved("dkd", **{metric: by}), salt=2)
    report = judge(bench, capsys)
    assert report["code"] == 1 and endpoint(report, "dkd", metric)["verdict"] == "regressed"


def test_fidelity_that_rises_drifts_and_truth_that_rises_improves(bench: Bench, capsys):
    bench.baseline(10)
    bench.suite(10)
    bench.fill(moved("kd", agreement=0.03), salt=2)
    report = judge(bench, capsys)
    assert report["code"] == 0 and report["verdicts"]["kd"] == "drifted"
    assert judge(bench, capsys, "--strict")["code"] == 5
    bench.fill(moved("kd", accuracy=0.03), salt=2)
    report = judge(bench, capsys)
    assert report["code"] == 0 and endpoint(report, "kd", "accuracy")["verdict"] == "improved"


def test_many_seeds_pass_and_few_are_inconclusive(bench: Bench, capsys):
    bench.baseline(10)
    bench.fill(salt=3)
    report = judge(bench, capsys)
    assert report["code"] == 0 and "inconclusive" in report["verdicts"].values()
    assert judge(bench, capsys, "--strict")["code"] == 5
    assert any("do not see every loss" in note for note in report["notes"])
    assert any("fewer new seeds than the baseline has" in note and "(3 of 10)" in note for note in report["notes"])
    bench.suite(10, more="gate: {tolerance: 0.02, margins: {log_kl: 0.3}}")
    bench.fill(salt=3)
    report = judge(bench, capsys, "--strict")
    assert report["code"] == 0 and set(report["verdicts"].values()) == {"passed"}
    assert not any("see every loss" in note or "fewer" in note for note in report["notes"])


def test_one_seed_decides_nothing_unless_the_noise_is_given(bench: Bench, capsys):
    bench.baseline()
    bench.suite(1)
    bench.fill(moved("kd", accuracy=-0.5), salt=2)
    report = judge(bench, capsys)
    assert report["code"] == 5 and set(report["verdicts"].values()) == {"unjudged"}  # what cannot be seen is never a pass
    part = endpoint(report, "kd", "accuracy")
    assert part["verdict"] == "unjudged" and "one seed" in part["why"] and part["low"] is part["detectable"] is None
    assert any("none (1 of 5)" in note for note in report["notes"])
    bench("gate", "made.yaml")
    assert "accuracy, ece, agreement, log_kl: there is one seed, which may be chance" in capsys.readouterr().out
    bench.suite(1, more="gate: {noise: {digits/accuracy: 0.003}}")
    report = judge(bench, capsys)
    assert report["code"] == 1 and endpoint(report, "kd", "accuracy")["verdict"] == "regressed"
    assert endpoint(report, "kd", "ece")["verdict"] == "unjudged"
    bench.fill(salt=2)  # of a cell that could be judged in part, the rest is undecided
    report = judge(bench, capsys)
    assert report["code"] == 0 and set(report["verdicts"].values()) == {"inconclusive"}
    assert judge(bench, capsys, "--strict")["code"] == 5


def test_seeds_that_would_not_see_a_loss_of_everything_judge_nothing(bench: Bench, capsys):
    """Two seeds against two, as far apart as accuracies can be."""
    bench.suite("[0, 1]")
    bench.fill(lambda cell, seed: {"accuracy": -0.6 * seed}, salt=1)
    bench("baseline", "accept", "made.yaml", "--reason", "x")
    bench.fill(lambda cell, seed: {"accuracy": -0.6 * seed}, salt=2)
    report = judge(bench, capsys, "--only", "method=kd")
    part = endpoint(report, "kd", "accuracy")
    assert part["verdict"] == "unjudged" and part["detectable"] > 1 and "however large" in part["why"]
    assert report["verdicts"] == {"kd": "inconclusive"} and endpoint(report, "kd", "ece")["verdict"] == "inconclusive"


def test_what_would_be_seen_does_not_hang_on_nothing_having_changed(bench: Bench, capsys):
    """Runs that repeat the baseline tell no noise of their own, and yet a change of the code would bring runs that do."""
    bench.baseline(3)
    bench.fill(salt=1)
    for part in judge(bench, capsys, "--only", "method=kd")["cells"][0]["endpoints"]:
        sides = 2 if part["metric"] in ("agreement", "log_kl") else 1
        assert part["verdict"] == "identical" and part["noise"] == pytest.approx(part["baseline"]["sd"])
        tail = 0.05 / (4 * 3) / sides
        assert part["detectable"] == pytest.approx(detectable(part["noise"], 4.0, 3, 3, tail))  # 2 + 2 degrees, not 2


def test_no_baseline_is_no_pass(bench: Bench, capsys):
    bench.fill()
    report = judge(bench, capsys)
    assert report["code"] == 4 and set(report["verdicts"].values()) == {"new"}


def test_no_results_are_no_pass(bench: Bench, capsys):
    assert judge(bench, capsys)["code"] == 3
    bench.baseline()
    report = judge(bench, capsys)
    assert report["code"] == 3 and set(report["verdicts"].values()) == {"missing"}


def test_a_baseline_folder_elsewhere_is_no_baseline(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=1)
    assert judge(bench, capsys, "--baseline", "typo")["code"] == 4
    bench("gate", "made.yaml", "--baseline", "typo")
    out = capsys.readouterr().out
    assert "without a baseline" in out and "there is no folder typo" in out and "--baseline typo --reason" in out


def test_a_baseline_folder_of_one_suite_is_told(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=1)
    for verb in (("gate",), ("baseline", "accept"), ("baseline", "show")):
        words = ("--reason", "x") if "accept" in verb else ()
        assert bench(*verb, "made.yaml", "--baseline", "baselines/made", *words) == 2
        assert "names the one above it: baselines" in capsys.readouterr().err


def test_a_renamed_suite_is_told_where_its_baseline_may_be(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=1)
    bench.edit(bench.folder / "made.yaml", "name: made", "name: made2")
    assert bench("gate", "made.yaml") == 4
    assert "git mv baselines/made baselines/made2" in capsys.readouterr().out
    bench.edit(bench.folder / "made.yaml", "name: made2", "name: other")
    assert bench("gate", "made.yaml") == 4 and "in baselines there is 'made'" in capsys.readouterr().out


def test_a_new_cell_beside_judged_ones_is_no_failure(bench: Bench, capsys):
    bench.baseline()
    bench.suite(3, method="dkd\n  - {method: kd, params: {T: 2}}")
    bench.fill(salt=1)
    report = judge(bench, capsys)
    assert report["code"] == 0 and report["verdicts"]["kd[T=2]"] == "new" and report["verdicts"]["kd"] == "identical"


def test_a_missing_seed_is_missing_and_comes_before_a_regression(bench: Bench, capsys):
    bench.baseline()
    bench.fill(lambda cell, seed: None if (cell, seed) == ("dkd", 1) else {"accuracy": -0.03 * (cell == "kd")}, salt=2)
    report = judge(bench, capsys)
    assert report["verdicts"]["dkd"] == "missing" and report["verdicts"]["kd"] == "regressed" and report["code"] == 3
    assert "seed 1" in next(cell["why"] for cell in report["cells"] if cell["cell"] == "dkd")


def test_results_of_older_code_are_stale(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=1)
    assert judge(bench, capsys)["code"] == 0
    bench.fill(salt=1, code="older")
    report = judge(bench, capsys)
    assert report["code"] == 3 and set(report["verdicts"].values()) == {"stale"}


def test_another_recipe_is_incomparable_and_says_what_changed(bench: Bench, capsys):
    bench.baseline()
    bench.edit(bench.folder / "made.yaml", "task: digits", "task: digits\n    recipe: {lr: 0.0123}")
    bench.fill(salt=1)
    report = judge(bench, capsys)
    assert report["code"] == 4 and set(report["verdicts"].values()) == {"incomparable"}
    assert all("recipe.lr" in cell["why"] and "now 0.0123" in cell["why"] for cell in report["cells"])
    bench.csv.with_suffix(".identity.json").unlink()
    assert "was not kept" in judge(bench, capsys)["cells"][0]["why"]


def test_another_pool_is_incomparable_where_the_teacher_is_another(bench: Bench, capsys):
    bench.baseline()
    bench.edit(bench.folder / "made.yaml", "pool: 3", "pool: 2")
    bench.fill(salt=1)
    report = judge(bench, capsys)
    assert report["verdicts"] == {"none": "identical", "kd": "incomparable", "dkd": "incomparable"} and report["code"] == 4
    assert "other teachers" in next(cell["why"] for cell in report["cells"] if cell["cell"] == "kd")


def test_a_changed_recipe_is_told_before_anything_is_trained_for_it(bench: Bench, capsys):
    bench.baseline()
    bench.edit(bench.folder / "made.yaml", "task: digits", "task: digits\n    recipe: {lr: 0.0123}")
    report = judge(bench, capsys)
    assert report["code"] == 4 and set(report["verdicts"].values()) == {"incomparable"}
    assert all("recipe.lr" in cell["why"] for cell in report["cells"])
    bench("gate", "made.yaml")
    out = capsys.readouterr().out
    assert "if the change is meant, `kdbench run made.yaml` and then `kdbench baseline accept made.yaml --replace" in out


def test_a_cell_with_another_parameter_is_named_as_the_heir(bench: Bench, capsys):
    bench.baseline(method="{method: kd, params: {T: 2}}")
    bench.suite(method="{method: kd, params: {T: 3}}")
    bench.fill(salt=1)
    report = judge(bench, capsys)
    assert report["verdicts"]["kd[T=2]"] == "removed" and report["verdicts"]["kd[T=3]"] == "new" and report["code"] == 4
    why = next(cell["why"] for cell in report["cells"] if cell["cell"] == "kd[T=2]")
    assert why.endswith("no longer in the suite; is it kd[T=3] now? (method.params.T: 2.0, now 3.0)")


def test_a_cell_that_left_the_suite_is_no_pass_until_accepted(bench: Bench, capsys):
    bench.baseline()
    bench.edit(bench.folder / "made.yaml", "  - dkd\n", "")
    bench.fill(salt=1)
    report = judge(bench, capsys)
    assert report["verdicts"]["dkd"] == "removed" and report["code"] == 4
    assert judge(bench, capsys, "--only", "method=kd")["code"] == 4  # a filter does not hide what left
    bench("gate", "made.yaml")
    out = capsys.readouterr().out
    assert "accept made.yaml --reason …` takes out what left" in out and "makes what is missing" not in out  # no run can
    assert bench("baseline", "accept", "made.yaml", "--reason", "dkd is gone") == 0
    assert judge(bench, capsys)["code"] == 0


def test_a_filter_hides_what_it_leaves_out(bench: Bench, capsys):
    bench.baseline()
    bench.fill(moved("kd", accuracy=-0.03), salt=2)
    report = judge(bench, capsys, "--only", "method=dkd")
    assert report["code"] == 0 and list(report["verdicts"]) == ["dkd"]


def test_a_diverged_seed_is_a_regression(bench: Bench, capsys):
    bench.baseline()
    bench.fill(lambda cell, seed: "diverged" if (cell, seed) == ("kd", 2) else {}, salt=1)
    report = judge(bench, capsys)
    assert report["verdicts"] == {"none": "identical", "kd": "regressed", "dkd": "identical"} and report["code"] == 1
    assert "seed 2" in next(cell["why"] for cell in report["cells"] if cell["cell"] == "kd")


def test_an_infinite_value_is_a_regression_and_a_lacking_one_is_missing(bench: Bench, capsys):
    bench.baseline()
    bench.fill(lambda cell, seed: {"log_kl": float("inf")} if (cell, seed) == ("kd", 0) else {}, salt=1)
    report = judge(bench, capsys)
    assert endpoint(report, "kd", "log_kl")["verdict"] == "regressed" and report["code"] == 1
    path = next((bench.folder / "results").glob("digits/dkd/*.json"))
    bench.edit(path, '"agreement"', '"disagreement"')
    report = judge(bench, capsys)
    assert endpoint(report, "dkd", "agreement")["verdict"] == "missing" and report["code"] == 3


def test_one_collapsed_seed_of_three_does_not_hide_behind_its_own_scatter(bench: Bench, capsys):
    bench.baseline(10)
    bench.fill(lambda cell, seed: {"accuracy": -0.7} if (cell, seed) == ("kd", 1) else {}, salt=2)
    report = judge(bench, capsys)
    assert report["verdicts"]["kd"] == "regressed" and "scatter" in endpoint(report, "kd", "accuracy")["why"]
    assert endpoint(report, "dkd", "accuracy")["noise"] < 0.006


def test_runs_that_do_not_repeat_are_told(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=2)
    assert any("did not repeat" in note and "kd (seed 0-2)" in note for note in judge(bench, capsys)["notes"])
    bench.fill(salt=2, torch="2.16.0")
    assert not any("repeat" in note for note in judge(bench, capsys)["notes"])


def test_one_teacher_for_all_is_told(bench: Bench, capsys):
    bench.suite()
    bench.edit(bench.folder / "made.yaml", "pool: 3", "pool: 1")
    bench.fill()
    bench("baseline", "accept", "made.yaml", "--reason", "x")
    assert any("one teacher" in note for note in judge(bench, capsys)["notes"])


CLAIM = "claims: [{id: wins, task: digits, arm: kd, over: none, metric: accuracy, at_least: %s, source: made up}]"


@pytest.mark.parametrize("least, outcome, code, strict", [(-0.5, "holds", 0, 0), (0.5, "fails", 1, 1), (0.0, "undecided", 0, 5)])
def test_claims(bench: Bench, capsys, least: float, outcome: str, code: int, strict: int):
    more = CLAIM % least
    bench.suite(3, more=more)
    bench.fill()
    bench("baseline", "accept", "made.yaml", "--reason", "x")
    report = judge(bench, capsys)
    assert report["code"] == code and [claim["outcome"] for claim in report["claims"]] == [outcome]
    assert judge(bench, capsys, "--strict")["code"] == strict


def test_further_seeds_count_if_they_are_of_the_same_experiment_and_code(bench: Bench, capsys):
    bench.baseline(10)
    bench.fill(salt=2)
    kd, dkd = (Cell("digits", "default", name) for name in ("kd", "dkd"))
    bench.further({kd: (10, 11, 12)}, salt=2)
    bench.further({dkd: (10, 11)}, salt=2, code="older")
    report = judge(bench, capsys)
    seeds = {cell["cell"]: cell["seeds"] for cell in report["cells"]}
    assert seeds == {"none": [0, 1, 2], "kd": [0, 1, 2, 10, 11, 12], "dkd": [0, 1, 2]}
    assert endpoint(report, "kd", "accuracy")["new"]["seeds"] == [0, 1, 2, 10, 11, 12]
    report = judge(bench, capsys, "--only", "seed=0|1")
    assert {tuple(cell["seeds"]) for cell in report["cells"]} == {(0, 1)}


def test_old_runs_of_the_baseline_do_not_water_down_new_ones(bench: Bench, capsys):
    """Ten runs lie in the folder from which the baseline was made; three of another torch are planned and worse."""
    bench.suite(10)
    bench.fill(salt=1)
    bench("baseline", "accept", "made.yaml", "--reason", "x")
    bench.suite("[10, 11, 12]")
    bench.fill(moved("kd", accuracy=-0.02), salt=2, torch="2.16.0")
    report = judge(bench, capsys)
    assert {tuple(cell["seeds"]) for cell in report["cells"]} == {(10, 11, 12)} and report["verdicts"]["kd"] == "regressed"


def test_codes_precede_as_promised(bench: Bench, capsys):
    """Usage, incomplete, regressed, incomparable, undecided: each alone beats those behind it."""
    bench.baseline(3)
    bench.fill(moved("kd", accuracy=-0.05), salt=2)
    bench.edit(bench.csv, bench.csv.read_text().splitlines()[1].split(",")[5], "0" * 24)  # dkd: another key
    report = judge(bench, capsys, "--strict")
    assert {"incomparable", "regressed", "inconclusive"} <= set(report["verdicts"].values()) and report["code"] == 1
    bench.fill(moved("kd", accuracy=0.0), salt=2)
    assert judge(bench, capsys, "--strict")["code"] == 4
    next((bench.folder / "results").glob("digits/none/*.json")).unlink()
    assert judge(bench, capsys, "--strict")["code"] == 3
    bench.edit(bench.csv, "first baseline", "", 1)
    assert bench("gate", "made.yaml") == 2 and "digits.csv:2: reason is ''" in capsys.readouterr().err


def test_margins_of_a_task_that_is_not_there(bench: Bench, capsys):
    bench.suite(3, more="gate: {margins: {digit/accuracy: 0.1}}")
    assert bench("gate", "made.yaml") == 2 and "did you mean 'digits'" in capsys.readouterr().err


def test_one_cell_by_hand(bench: Bench, capsys):
    """Student's t at the share of α that one endpoint and look may spend; half of it to each side for fidelity."""
    bench.baseline(5)
    bench.fill(salt=2)
    report = judge(bench, capsys, "--only", "method=kd")
    assert report["tests"] == 4
    for part in report["cells"][0]["endpoints"]:
        sides = 2 if part["metric"] in ("agreement", "log_kl") else 1
        variance = (4 * part["baseline"]["sd"] ** 2 + 2 * part["new"]["sd"] ** 2) / 6
        half = stats.t.ppf(1 - 0.05 / (4 * 3) / sides, 6) * math.sqrt(variance * (1 / 3 + 1 / 5))
        assert part["noise"] == pytest.approx(math.sqrt(variance))
        assert part["high"] - part["difference"] == pytest.approx(half) == part["difference"] - part["low"]
        assert part["difference"] == pytest.approx(part["new"]["mean"] - part["baseline"]["mean"])


def test_a_run_that_is_on_both_sides_is_counted_once_as_noise(bench: Bench, capsys):
    bench.baseline(5)
    bench.fill(salt=1)
    bench.further({Cell("digits", "default", "kd"): (5, 6, 7)}, salt=2)
    part = endpoint(judge(bench, capsys, "--only", "method=kd"), "kd", "accuracy")
    runs = [json.loads(path.read_text()) for path in (bench.folder / "results").glob("digits/kd/*.json")]
    fresh = [run["metrics"]["truth"]["accuracy"] for run in runs if run["labels"]["seed"] > 2]
    assert len(runs) == 6 and len(fresh) == 3
    assert part["noise"] == pytest.approx(math.sqrt((4 * part["baseline"]["sd"] ** 2 + 2 * statistics.variance(fresh)) / 6))


def test_students_of_a_teacher_of_older_code_are_stale(bench: Bench, capsys):
    bench.baseline(5)
    bench.fill(salt=1)
    bench.further({Cell("digits", "default", "kd"): (6, 7)}, salt=1)
    session = bench.session()
    pool = session.jobs.teachers["digits", "default"]
    teacher = next(key for key in pool if session.jobs.jobs[key].labels["seed"] == 1)
    bench.write(session, session.jobs.jobs[teacher], lambda cell, seed: {}, 1, "older", "2.15.0", "cpu")
    report = judge(bench, capsys)
    assert report["verdicts"] == {"none": "identical", "kd": "stale", "dkd": "stale"} and report["code"] == 3
    why, seeds = next((cell["why"], cell["seeds"]) for cell in report["cells"] if cell["cell"] == "kd")
    assert "seed 1" in why and "its teacher" in why and seeds == [0, 2, 6]  # seed 7 has the old teacher, too


def test_a_further_seed_does_not_count_with_a_teacher_of_older_code_that_no_planned_seed_has(bench: Bench, capsys):
    kd = Cell("digits", "default", "kd")
    bench.baseline(5)
    bench.suite(2)
    bench.fill(salt=2)
    bench.further({kd: (2, 3)}, salt=2)
    assert next(cell["seeds"] for cell in judge(bench, capsys)["cells"] if cell["cell"] == "kd") == [0, 1, 2, 3]
    session = bench.session()
    made = Experiments.of(session.expansion.arms, session.registry, session.path.parent).graph_at({kd: (2,)})
    teacher = next(job for job in made.jobs.values() if job.kind == "teacher")
    assert teacher.key not in session.jobs.jobs
    bench.write(session, teacher, lambda cell, seed: {}, 1, "older", "2.15.0", "cpu")
    assert next(cell["seeds"] for cell in judge(bench, capsys)["cells"] if cell["cell"] == "kd") == [0, 1, 3]
