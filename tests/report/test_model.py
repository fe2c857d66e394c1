"""The numbers of the page's model against hand computation; what is incomplete is never ranked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fabricated import LARGE, PROVENANCE, SMALL, make, plain
from scipy import stats

from kdbench.report.columns import control_columns
from kdbench.report.model import Curve, Row, Table
from kdbench.report.remarks import silent
from kdbench.results.against import Against
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.readings import read

ACCURACY = {"none": [0.70, 0.72, 0.71], "kd": [0.76, 0.77, 0.78], "dkd": [0.71, 0.70, 0.73], "teacher": [0.90, 0.91, 0.92]}
AGREEMENT = {"none": [0.60, 0.61, 0.62], "kd": [0.80, 0.82, 0.81], "dkd": [0.70, 0.71, 0.72]}


def by_hand(task: str, cell: str, seed: int) -> dict[str, dict[str, float]]:
    truth = {"accuracy": ACCURACY[cell][seed], "ece": 0.05}
    if cell == "teacher":
        return {"truth": truth}
    fidelity = {"agreement": AGREEMENT[cell][seed], "kl": 0.5, "log_kl": math.log(0.5), "teacher_accuracy": 0.9}
    return {"truth": truth, "fidelity": fidelity, "independent": {"agreement": 0.6}, "distil": {"agreement": 0.95}}


def rows(table: Table) -> Mapping[str, Row]:
    return {row.label: row for row in table.rows}


def test_rows_stand_in_order_with_their_keys() -> None:
    made = make(SMALL, by_hand)
    table = made.page().tables[0]
    assert [row.label for row in table.rows] == ["teacher", "none", "kd", "dkd"]
    assert [row.kind for row in table.rows] == ["teacher", "control", "arm", "arm"]
    assert [source.key for source in rows(table)["kd"].sources] == made.jobs.cells[made.cell("kd")]
    assert [source.key for source in rows(table)["teacher"].sources] == made.jobs.teachers["digits", "default"]


def test_summaries_and_differences() -> None:
    kd = rows(make(SMALL, by_hand).page().tables[0])["kd"]
    accuracy = kd.summary("accuracy")
    assert (accuracy.mean, accuracy.n) == (pytest.approx(0.77), 3)
    assert accuracy.sd == pytest.approx(0.01)
    found = kd.differences["accuracy"]
    wanted = stats.ttest_rel(ACCURACY["kd"], ACCURACY["none"]).confidence_interval(0.95)
    assert found.mean == pytest.approx(0.06)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((wanted.low, wanted.high))
    assert found.verdict == "better"
    assert kd.control == "none" and kd.like_control


def test_no_verdict_where_the_interval_holds_zero() -> None:
    dkd = rows(make(SMALL, by_hand).page().tables[0])["dkd"]
    assert dkd.differences["accuracy"].verdict is None
    assert dkd.differences["agreement"].verdict == "better"


def test_lower_is_better_for_kl() -> None:
    def worse(task: str, cell: str, seed: int) -> Any:
        groups = by_hand(task, cell, seed)
        if cell == "kd":
            groups["fidelity"]["kl"] = 0.7 + 0.01 * seed
        return groups

    table = make(SMALL, worse).page().tables[0]
    assert rows(table)["kd"].differences["kl"].verdict == "worse"
    assert "kl" not in rows(table)["kd"].best and "kl" in rows(table)["dkd"].best


def test_controls_of_fidelity() -> None:
    kd = rows(make(SMALL, by_hand).page().tables[0])["kd"]
    gains = [(a - 0.6) / (1 - abs(0.9 - s) - 0.6) for a, s in zip(AGREEMENT["kd"], ACCURACY["kd"], strict=True)]
    assert kd.summary("gain").mean == pytest.approx(sum(gains) / 3)
    assert kd.summary("above_independent").mean == pytest.approx(0.21)
    assert kd.summary("gap").mean == pytest.approx(0.95 - 0.81)
    assert kd.summary("parameters").mean == 2906
    assert kd.summary("macs").mean == 25504


def test_what_is_learned_from_and_tested_is_said_before_the_numbers() -> None:
    said = {table.task: " ".join(table.remarks) for table in make(LARGE, plain).page().tables}
    assert "labels of 'source' (the source domain, with labels) and from their teacher's answers to 'target'" in said["streets"]
    assert "The teacher itself learned from the same labels. Tested on the target domain." in said["streets"]
    assert "The control never sees 'target'" in said["streets"] and "name: unasked" in said["streets"]
    assert "The teacher itself learned from 'graded'" in said["topics"]
    assert "answers to the same" in said["sounds"]
    assert not any("never sees" in said[task] for task in ("digits", "topics", "sounds"))
    apart = make(LARGE.replace("{task: streets,", "{task: streets, recipe: {joint: false},"), plain).page()
    assert not any("never sees" in text for table in apart.tables for text in table.remarks)


def test_a_term_that_was_zero_all_along_is_told() -> None:
    table = make(SMALL, by_hand).page().tables[0]
    table.curves = [Curve("kd", [1, 2], {"task": [0.3, 0.2], "pseudo": [0.0, 0.0]}), Curve("dkd", [1, 2], {"kd": [0.0, 0.1]})]
    [said] = silent(table)
    assert said.startswith("The term 'pseudo' of kd was 0 at every step")


def test_a_gain_that_some_seeds_lack_is_none() -> None:
    """The mean of the seeds that are left would be that of the lucky ones."""

    def of(task: str, cell: str, seed: int) -> Any:
        groups = by_hand(task, cell, seed)
        if cell == "kd" and seed == 1:
            groups["independent"] = groups["fidelity"] | {"agreement": 0.995}
        return groups

    kd = rows(make(SMALL, of).page().tables[0])["kd"]
    assert kd.summary("above_independent").n == 3 and kd.summary("gain").n == 0 and math.isnan(kd.summary("gain").mean)


def test_fidelity_gain_of_segmentation_is_that_of_pixels_and_ranks_have_none() -> None:
    tables = {table.task: table for table in make(LARGE, plain).page().tables}
    for task, known in (("digits", True), ("streets", True), ("topics", False), ("sounds", False)):
        assert (rows(tables[task])["kd"].summary("gain").n == 5) is known
        assert rows(tables[task])["kd"].summary("above_independent").mean == pytest.approx(0.05)


def test_the_control_bears_the_name_of_its_field() -> None:
    tables = {table.task: table for table in make(LARGE, plain).page().tables}
    aliases = {task: table.controls[0].alias for task, table in tables.items()}
    assert aliases == {"digits": None, "streets": "source_only", "topics": "contrastive", "sounds": None}


def test_incomplete_rows_are_shown_but_never_ranked() -> None:
    def gaps(task: str, cell: str, seed: int) -> Any:
        return "diverged" if (cell, seed) == ("kd", 1) else None if (cell, seed) == ("dkd", 2) else by_hand(task, cell, seed)

    page = make(SMALL, gaps).page()
    kd, dkd, none = (rows(page.tables[0])[name] for name in ("kd", "dkd", "none"))
    assert (kd.done, kd.diverged, kd.missing, kd.complete) == (2, 1, 0, False)
    assert (dkd.done, dkd.diverged, dkd.missing) == (2, 0, 1)
    assert kd.summary("accuracy").by_seed == {0: 0.76, 2: 0.78}
    assert kd.differences["accuracy"].mean == pytest.approx((0.06 + 0.07) / 2)
    assert not kd.best and not dkd.best and not none.best
    assert (page.planned, page.done, page.diverged, page.missing) == (12, 10, 1, 1)


def test_one_seed_gives_differences_without_intervals_and_nothing_best() -> None:
    page = make(SMALL.replace("seeds: 3", "seeds: 1").replace("pool: 3", "pool: 1"), by_hand).page()
    kd = rows(page.tables[0])["kd"]
    assert kd.differences["accuracy"].interval is None
    assert kd.differences["accuracy"].mean == pytest.approx(0.06)
    assert not any(row.best for row in page.tables[0].rows)
    assert any("no interval" in text for text in page.tables[0].remarks)
    assert any("same teacher" in text for text in page.tables[0].remarks)


def test_undefined_and_infinite_metrics() -> None:
    def odd(task: str, cell: str, seed: int) -> Any:
        groups = by_hand(task, cell, seed)
        if cell == "kd":
            groups["truth"]["ece"] = math.nan
            groups["fidelity"]["kl"] = math.inf if seed == 0 else 0.5
        return groups

    kd = rows(make(SMALL, odd).page().tables[0])["kd"]
    assert kd.summary("ece").n == 0 and math.isnan(kd.summary("ece").mean)
    assert kd.differences["ece"].n == 0
    assert math.isinf(kd.summary("kl").mean) and math.isnan(kd.summary("kl").sd)
    assert kd.differences["kl"].n == 2 and "kl" not in kd.best


def test_claims_are_judged_from_the_same_numbers() -> None:
    claims = """
claims:
  - {id: up, task: digits, arm: kd, over: none, metric: accuracy, source: s}
  - {id: down, task: digits, arm: kd, over: none, metric: accuracy, at_most: 0.0, source: s}
  - {id: distil, task: digits, arm: kd, over: none, metric: distil.agreement, at_least: 0.01, source: s}
  - {id: unmeasured, task: digits, arm: kd, over: none, metric: companion.accuracy, source: s}
"""
    page = make(SMALL + claims, by_hand).page()
    verdicts = {judged.claim.id: judged.verdict for judged in page.claims}
    outcomes = {name: verdict.outcome for name, verdict in verdicts.items()}
    assert outcomes == {"up": "holds", "down": "fails", "distil": "fails", "unmeasured": "undecided"}
    kd = rows(page.tables[0])["kd"]
    assert verdicts["up"].interval == kd.differences["accuracy"].interval
    assert page.failed_claims == ["down", "distil"]


def test_a_diverged_arm_proves_nothing() -> None:
    text = SMALL + "claims: [{id: up, task: digits, arm: kd, over: none, metric: accuracy, source: s}]\n"
    page = make(text, lambda t, c, s: "diverged" if (c, s) == ("kd", 1) else by_hand(t, c, s)).page()
    verdict = page.claims[0].verdict
    assert (verdict.outcome, verdict.n) == ("undecided", 2)
    assert "1 of 3 seeds without a value" in verdict.why


def test_each_arm_is_compared_with_the_control_on_its_data() -> None:
    text = """
version: 1
name: views
seeds: 2
tasks: [{task: digits}]
views: {plain: {augment: none}}
methods: [kd, {method: kd, view: plain}, {method: kd, recipe: {lr: 0.001}}]
"""
    table = make(text, plain).page().tables[0]
    found = {row.label: (row.control, row.like_control) for row in table.students if row.kind == "arm"}
    assert found == {"kd": ("none", True), "kd·plain": ("none·plain", True), "kd{lr=0.001}": ("none", False)}
    assert any(text.startswith("† The control of kd{lr=0.001}") for text in table.remarks)


def test_a_control_of_the_same_recipe_comes_before_the_first() -> None:
    text = """
version: 1
name: recipes
seeds: 2
tasks: [{task: digits}]
methods: [none, {method: none, recipe: {lr: 0.001}}, kd, {method: kd, recipe: {lr: 0.001}}]
"""
    table = make(text, plain).page().tables[0]
    found = {row.label: row.control for row in table.students if row.kind == "arm"}
    assert found == {"kd": "none", "kd{lr=0.001}": "none{lr=0.001}"}


def test_a_claim_waits_for_all_its_seeds() -> None:
    text = SMALL + "claims: [{id: up, task: digits, arm: kd, over: none, metric: accuracy, source: s}]\n"
    page = make(text, lambda t, c, s: None if (c, s) == ("kd", 1) else by_hand(t, c, s)).page()
    assert (page.claims[0].verdict.outcome, page.claims[0].verdict.why) == ("undecided", "2 of 3 seeds have run")


def test_differences_without_any_spread_are_told_as_such() -> None:
    same = make(SMALL, lambda task, cell, seed: by_hand(task, "none", seed)).page().tables[0]
    assert any("the very same difference" in text for text in same.remarks)
    assert rows(same)["kd"].differences["accuracy"].verdict is None


def test_results_from_unlike_code_and_side_by_side_jobs_are_told() -> None:
    spans = {"started": "2026-11-20T10:00:00.000Z", "finished": "2026-11-20T10:05:00.000Z"}
    made = make(SMALL, by_hand, PROVENANCE | spans)
    assert any("side by side" in text for text in made.page().remarks)
    first = next(iter(made.records.values()))
    first.provenance["versions"] = {**PROVENANCE["versions"], "torch": "2.6.0"}
    page = made.page()
    assert any("same torch" in text for text in page.remarks)
    assert dict(page.provenance)["torch"] == "2.15.0 (11); 2.6.0 (1)"


def test_seconds_of_jobs_in_company_are_not_shown_and_that_is_said(tmp_path: Path) -> None:
    made = make(SMALL, by_hand)
    assert not any("left out" in text for text in made.page().remarks)
    keys = {job.labels["seed"]: key for key, job in made.jobs.jobs.items() if job.labels["cell"] == "kd"}
    for seed, mark in ((0, {"packed": 3}), (1, {"gang": 10})):
        key = keys[seed]
        made.records[key] = replace(made.records[key], timing={"train_seconds": 999.0, **mark})
    made.readings = read(made.jobs, made.records, Against(tmp_path, OutputStore(Home(tmp_path))), made.readings.families)
    page = made.page()
    assert any("1 shared a device with other jobs, 1 trained in a gang" in text for text in page.remarks)
    row = rows(page.tables[0])["kd"]
    assert row.summary("seconds").by_seed == {2: 12.5}
    column = next(column for column in control_columns(page.tables[0]) if column.head == "train s")
    assert column.read(row).text.endswith("(1 of 3)") and column.read(row).value == 12.5
    assert "of" not in column.read(rows(page.tables[0])["none"]).text


def test_leaks_of_the_test_data_are_told_once() -> None:
    made = make(SMALL, by_hand)
    assert not any("wholly apart" in text for text in made.page().remarks)
    for record in list(made.records.values())[:2]:
        record.provenance["leaks"] = ["10 images of test are, byte for byte, also in train"]
    [told] = [text for text in made.page().remarks if "wholly apart" in text]
    assert told.endswith("training data. digits: 10 images of test are, byte for byte, also in train.")


def test_remarks_say_what_could_be_seen() -> None:
    table = make(SMALL, by_hand).page().tables[0]
    text = " ".join(table.remarks)
    assert "The teacher is better than the student alone: +20.0 pp" in text
    assert "3 seeds a row. A true difference in accuracy of" in text
    assert "independent student" in text


def test_overlapping_ensembles_are_told() -> None:
    """Crossed intervals draw whole ensembles: members that seeds share make runs alike in a way that no interval counts."""
    made = make(SMALL, plain)
    assert not any("share members" in remark for remark in made.page().tables[0].remarks)
    teachers = [("a", "b"), ("b", "c"), ("c", "d")]
    kd = made.cell("kd")
    made.readings.cells[kd] = [replace(r, teachers=t) for r, t in zip(made.readings.cells[kd], teachers, strict=True)]
    assert any("share members (kd)" in remark for remark in made.page().tables[0].remarks)


def test_seeds_of_the_very_same_teachers_are_told() -> None:
    made = make(SMALL, plain)
    kd = made.cell("kd")
    made.readings.cells[kd] = [replace(r, teachers=("a", "b")) for r in made.readings.cells[kd]]
    assert any("Not so for kd, where several seeds" in remark for remark in made.page().tables[0].remarks)
