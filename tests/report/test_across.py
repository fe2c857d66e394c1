"""Scores and ranks over tasks: what the numbers are, which rows and tasks count, and what few tasks cannot show."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from fabricated import LARGE, make, plain

from kdbench.report.across import across

TWO = """
version: 1
name: two
seeds: 3
tasks: [{task: digits, teachers: {pool: 3}}, {task: sounds, teachers: {pool: 3}}]
methods: [kd, fitnets]
"""
ENDS = {"none": 0.5, "teacher": 0.9}


def level(digits: dict[str, float], sounds: dict[str, float], noise: float = 0.01) -> Any:
    def maker(task: str, cell: str, seed: int) -> Any:
        found = {**ENDS, **(digits if task == "digits" else sounds)}[cell]
        if math.isnan(found):
            return None
        return {"truth": {"accuracy": found + noise * (seed - 1), "map": found + noise * (seed - 1)}}

    return maker


def test_scores_and_ranks_by_hand() -> None:
    found = across(make(TWO, level({"kd": 0.7, "fitnets": 0.6}, {"kd": 0.8, "fitnets": 0.85})).page().tables)
    assert found is not None and found.tasks == ("digits", "sounds")
    rows = {row.label: row for row in found.rows}
    assert rows["kd"].scores == pytest.approx((0.5, 0.75)) and rows["fitnets"].scores == pytest.approx((0.25, 0.875))
    assert rows["kd"].rank == rows["fitnets"].rank == 1.5
    assert rows["kd"].middle.mean.estimate == pytest.approx(0.625)
    assert rows["kd"].middle.iqm.low < rows["kd"].middle.iqm.estimate < rows["kd"].middle.iqm.high
    assert any("2 tasks are too few for a test of ranks, which needs 12" in text for text in found.remarks)


def test_rows_that_lack_a_task_or_a_seed_are_left_out() -> None:
    found = across(make(TWO, level({"kd": 0.7, "fitnets": 0.6}, {"kd": 0.8, "fitnets": math.nan})).page().tables)
    assert found is not None and [row.label for row in found.rows] == ["kd"]
    assert "Without fitnets, which lack results on some task." in found.remarks


def test_a_task_without_a_way_to_go_does_not_count() -> None:
    flat = level({"kd": 0.7, "fitnets": 0.6}, {"kd": 0.8, "fitnets": 0.8, "teacher": 0.51})
    assert across(make(TWO, flat).page().tables) is None
    three = TWO.replace("{pool: 3}}]", "{pool: 3}}, {task: streets, teachers: {pool: 3}}]")

    def with_streets(task: str, cell: str, seed: int) -> Any:
        groups = flat(task, cell, seed)
        return groups if task != "streets" else {"truth": {"miou": {**ENDS, "kd": 0.7, "fitnets": 0.7}[cell] + 0.01 * seed}}

    found = across(make(three, with_streets).page().tables)
    assert found is not None and found.tasks == ("digits", "streets")
    assert any(text.startswith("Without sounds: the teacher stands within two") for text in found.remarks)


def test_one_task_or_no_common_method_gives_nothing() -> None:
    page = make(TWO.replace(", {task: sounds, teachers: {pool: 3}}", ""), level({"kd": 0.7, "fitnets": 0.6}, {})).page()
    assert across(page.tables) is None


def test_it_stands_in_page_and_markdown(tmp_path: Path) -> None:
    built = make(LARGE, plain).build(tmp_path)
    for text in (built.html.read_text(), built.markdown.read_text()):
        assert "Across tasks" in text and "interquartile mean" in text and "needs 12" in text
