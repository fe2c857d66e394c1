"""What must be read before any number: older code, unlike code, teachers with nothing to give; and what to do next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fabricated import SMALL, make
from test_model import by_hand

from kdbench.report.across import across
from kdbench.report.assemble import assemble
from kdbench.report.markdown import markdown
from kdbench.report.model import Page, Part
from kdbench.report.papers import seeds_text
from kdbench.report.terminal import folded, terminal
from kdbench.results.older import Older

CLAIM = "claims: [{id: up, task: digits, arm: kd, over: none, metric: accuracy, source: s}]\n"


def with_older(text: str = SMALL + CLAIM) -> Page:
    made = make(text, by_hand)
    old = made.jobs.cells[made.cell("kd")][:2]
    older = Older(dict.fromkeys(old, "older code of mine.py"), "kdbench run small --stale=rerun")
    return assemble(made.suite, Part(), made.expansion, made.jobs, made.readings, made.records, older=older)


def test_results_of_older_code_are_marked_wherever_they_are_shown(tmp_path: Path) -> None:
    page = with_older()
    [said] = page.warnings
    assert said.startswith("2 of 12 results") and "older code of mine.py" in said and "digits kd (2)" in said
    assert said.endswith("kdbench run small --stale=rerun")
    text, plain = markdown(page), terminal(page)
    first = text.split("can and cannot say")[1].strip().splitlines()[0]
    assert first.startswith("- **2 of 12 results")
    assert "`kd` **2 older code**" in text and "holds (older code)" in text
    [row] = [line for line in plain.splitlines() if line.startswith("kd ")]
    assert "2 older code" in row or "2 older code" in plain
    assert "! 2 of 12 results" in plain and "older code" in next(line for line in plain.splitlines() if line.startswith("holds"))
    marked = [line for line in seeds_text(page).splitlines() if ",older code," in line]
    assert marked and all(",kd,," in line for line in marked)
    made = make(SMALL + CLAIM, by_hand).page()
    assert not made.warnings and "older code" not in markdown(made) + terminal(made)


def test_where_all_is_of_older_code_that_is_said_once() -> None:
    made = make(SMALL + CLAIM, by_hand)
    older = Older(dict.fromkeys(made.records, "older code of mine.py"), "kdbench run small --stale=rerun")
    page = assemble(made.suite, Part(), made.expansion, made.jobs, made.readings, made.records, older=older)
    [said] = page.warnings
    assert said.startswith(
        "All 12 results shown here: older code of mine.py. What the code of today gives may be another number."
    )
    for text in (markdown(page), terminal(page)):
        assert " ".join(text.split()).count("older code") == 1
    assert seeds_text(page).count(",older code,") == seeds_text(page).count("\n") - 1  # a line of numbers is read by itself


def test_code_is_judged_by_digests_and_not_by_commits() -> None:
    made = make(SMALL, by_hand)
    for i, record in enumerate(made.records.values()):
        record.provenance["git"] = {"commit": f"{i:040x}", "dirty": bool(i % 2)}
        record.provenance["sources"] = {"kdbench.train.loop": "a", "mine.py": "b"}
    assert not any("versions of" in text or "same code" in text for text in made.page().remarks)
    next(iter(made.records.values())).provenance["sources"]["mine.py"] = "c"
    [said] = [text for text in made.page().remarks if "versions of" in text]
    assert "mine.py (11 and 1 results)" in said and "train.loop" not in said


@pytest.mark.parametrize(("teacher", "said"), [(-0.02, "There is nothing to learn here"), (0.01, "cannot be told"), (0.2, "")])
def test_a_teacher_that_has_nothing_to_give_is_told_before_any_number(teacher: float, said: str) -> None:
    def of(task: str, cell: str, seed: int) -> Any:
        groups = by_hand(task, cell, seed)
        if cell == "teacher":
            groups["truth"]["accuracy"] = by_hand(task, "none", seed)["truth"]["accuracy"] + teacher
        return groups

    page = make(SMALL, of).page()
    warnings = page.tables[0].warnings
    assert [said in text and "Train the teacher longer" in text for text in warnings] == ([True] if said else [])
    assert (said in terminal(page)) and (said in markdown(page))
    assert any(text.startswith("The teacher is better") for text in page.tables[0].remarks) is (not said)


def test_where_nothing_is_decided_the_seeds_that_it_would_take_are_told() -> None:
    def told(shift: float) -> str:
        def of(task: str, cell: str, seed: int) -> Any:
            groups = by_hand(task, "dkd" if cell == "kd" else cell, seed)
            groups["truth"]["accuracy"] += shift if cell in ("kd", "dkd") else 0.0
            return groups

        [said] = [text for text in make(SMALL, of).page().tables[0].remarks if text.startswith("No difference")]
        return said

    assert "more than 100 seeds" in told(0.0)  # +0.3 pp, where a seed's difference has a standard deviation of 2
    assert "kd, +2.3 pp: if it is real, about 9 seeds would notice it" in told(0.02) and told(0.02).endswith("here are 3.")
    assert not any(text.startswith("No difference") for text in make(SMALL, by_hand).page().tables[0].remarks)


def test_a_tuned_arm_is_one_row_across_tasks() -> None:
    text = """
version: 1
name: two
seeds: 2
tasks: [{task: digits, teachers: {pool: 2}, methods: [{method: kd, params: {T: 3.0}}]}, {task: streets, teachers: {pool: 2}}]
methods: [dkd]
"""
    from fabricated import plain

    tables = make(text.replace("methods: [dkd]", "methods: [kd]"), plain).page().tables
    chosen = [next(row for row in table.students if row.kind == "arm") for table in tables]
    chosen[0].label = "kd[weight=0.3]"
    found = across(tables)
    assert found is None or "kd" not in [row.label for row in found.rows]
    chosen[0].written = chosen[1].written = "kd"
    found = across(tables)
    assert found is not None and "kd, tuned" in [row.label for row in found.rows]


def test_a_row_of_one_task_is_said_to_be_left_out() -> None:
    from fabricated import LARGE, plain

    found = across(make(LARGE, plain).page().tables)
    assert found is not None
    assert any("dkd" in text and "not on every one" in text for text in found.remarks)


@pytest.mark.parametrize("room", [12, 18, 24])
def test_labels_break_between_settings_and_never_within_a_number(room: int) -> None:
    name = "none{batch=16,lr=0.001,steps=380}"
    lines = folded(name, room).splitlines()
    assert "".join(lines) == name and len(lines) > 1
    for part in ("batch=16", "lr=0.001", "steps=380"):
        assert any(part in line for line in lines)
    assert all(len(line) <= room for line in lines)
    assert folded("kd", room) == "kd"


def test_seeds_have_a_file_of_their_own() -> None:
    page = make(SMALL, by_hand).page()
    lines = [line.split(",") for line in seeds_text(page).splitlines()]
    values = {(line[3], line[5]): float(line[9]) for line in lines[1:] if line[8] == "accuracy"}
    assert values["kd", "1"] == 0.77 and len(values) == 12
    assert all(len(line) == len(lines[0]) for line in lines)
    assert replace(page.tables[0]).units == 0
