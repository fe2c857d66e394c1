"""The report's part on published figures and runs made elsewhere: there when it has something to say, and in nobody's way."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from fabricated import REGISTRY, SMALL, Made, make, plain

from kdbench.compare.beside import Beside, beside
from kdbench.compare.cells import Group, of_imported, of_suite
from kdbench.report.assemble import assemble
from kdbench.report.build import build
from kdbench.report.html import html
from kdbench.report.markdown import markdown
from kdbench.report.model import Page, Part
from kdbench.report.papers import csv_text, latex
from kdbench.report.published import TITLE, in_short, printed, rows
from kdbench.report.terminal import terminal
from kdbench.results.against import Against
from kdbench.results.imported import read as read_runs
from kdbench.results.outputs import OutputStore
from kdbench.results.published import COLUMNS, read
from kdbench.results.store import ResultStore
from kdbench.results.unit_reader import UnitReader

ROW = {"task": "digits", "student": "digit_net", "metric": "accuracy", "steps": "400", "epoch": "last", "method": "kd"}
FIGURES = (
    {**ROW, "value": "85.7", "source": "a paper | with <b>bold</b> words"},
    {**ROW, "value": "10.0", "source": "a low one", "spread": "0.5", "runs": "3"},
    {**ROW, "value": "99.0", "source": "a long one", "steps": "90000", "epoch": "best"},
)


def lines_of(made: Made, folder: Path) -> list[Beside]:
    text = [",".join(COLUMNS), *(",".join(f'"{row.get(column, "")}"' for column in COLUMNS) for row in FIGURES)]
    (folder / "digits.csv").write_text("\n".join(text) + "\n")
    groups = of_suite(made.expansion.arms, made.jobs, made.readings, reader(made, folder), {})
    return beside(groups, read(folder, REGISTRY), REGISTRY)


def reader(made: Made, folder: Path) -> UnitReader:
    return UnitReader(made.records, Against(folder, OutputStore(ResultStore(folder / "results").home)))


def brought(made: Made, folder: Path) -> list[Group]:
    path = folder / "runs.csv"
    head = "task,method,seed,accuracy,source\n"
    path.write_text(head + 'digits,kd,0,0.99,"elsewhere <1>"\ndigits,kd,1,0.98,"elsewhere <1>"\ndigits,~sskd,0,0.97,other\n')
    against = Against(folder, OutputStore(ResultStore(folder / "results").home))
    return of_imported(read_runs(path, REGISTRY, {}), made.expansion.arms, {"digits": "classification"}, against)


@pytest.fixture(scope="module")
def made() -> Made:
    return make(SMALL, plain)


def page(made: Made, published: list[Beside], imported: list[Group]) -> Page:
    arguments = (made.suite, Part(), made.expansion, made.jobs, made.readings, made.records, None)
    return assemble(*arguments, published, imported)


def test_it_is_silent_where_there_is_nothing(made: Made) -> None:
    empty = page(made, [], [])
    assert TITLE not in html(empty) + markdown(empty) and "published" not in terminal(empty)
    assert "imported" not in html(empty) + markdown(empty) + csv_text(empty)


def test_every_form_says_ours_theirs_and_the_convention(made: Made, tmp_path: Path) -> None:
    found = page(made, lines_of(made, tmp_path), [])
    text, web = markdown(found), html(found)
    part = text.split(f"## {TITLE}")[1].split("\n## ")[0]
    first, second, third = (line for line in part.splitlines() if line.startswith(("| within", "| above", "| below", "| not")))
    ours = found.tables[0].students[1].summary("accuracy")
    assert f"{100 * ours.mean:.2f} ± {100 * ours.sd:.2f} (3 seeds)" in first and "85.70 (last epoch, runs not told)" in first
    assert "their spread is not known" in first and r"a paper \| with &lt;b&gt;bold&lt;/b&gt; words" in first
    assert second.startswith("| above") and "10.00 ± 0.50 (last epoch, 3 runs)" in second
    assert third.startswith("| not comparable") and "best epoch" in third and "theirs 90,000 steps" in third
    assert re.search(r"\+\d+\.\d\d \[\+", second) and "[" not in third  # no difference where nothing may be concluded
    section = web.split('<section id="published">')[1].split("</section>")[0]
    assert section.count('<td class="verdict">') == 3 and "<b>bold</b>" not in section
    assert "published: 3 figures beside ours, 1 above, 1 within and 1 not comparable" in " ".join(terminal(found).split())


def test_what_can_be_compared_stands_first(made: Made, tmp_path: Path) -> None:
    lines = list(reversed(lines_of(made, tmp_path)))
    assert [row.verdict for row in rows(lines)] == ["above", "within", "not comparable"]
    assert in_short([]) == ""


def test_numbers_are_printed_as_papers_print_them() -> None:
    assert printed(0.70664, "share") == "70.66" and printed(-0.00831, "share", sign=True) == "−0.83"
    assert printed(0.00001, "share", sign=True) == "0.00" and printed(float("nan"), "share") == "n/a"
    assert printed(1.23456, "nats", sign=True) == "+1.235"


def test_runs_made_elsewhere_are_shown_and_nothing_is_made_of_them(made: Made, tmp_path: Path) -> None:
    without, found = page(made, [], []), page(made, [], brought(made, tmp_path))
    table, before = found.tables[0], without.tables[0]
    assert [(row.label, row.kind, row.done) for row in table.imported] == [
        ("imported:kd (elsewhere <1>)", "imported", 2),
        ("imported:sskd (other)", "imported", 1),
    ]
    assert table.rows == before.rows and table.students == before.students  # best, differences, ranks: as they were
    assert all(not row.best and not row.differences and row.control is None for row in table.imported)
    assert (found.planned, found.done) == (without.planned, without.done)
    assert found.remarks == without.remarks and table.remarks[:-1] == before.remarks
    assert table.remarks[-1].startswith("2 rows marked imported were made elsewhere: only numbers are known")
    for text in (markdown(found), html(found), latex(found), csv_text(found), terminal(found)):
        assert "imported:kd" in text and ("98.5" in text or "0.985" in text)
    assert '<span class="tag">imported</span>' in html(found) and "<1>" not in html(found)
    lines = [line for line in csv_text(found).splitlines() if ",imported," in line]
    assert lines and all(line.startswith("digits,default,imported,") for line in lines)


def test_the_same_results_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    arguments = (made.suite, Part(), made.expansion, made.jobs, made.readings, made.records)
    extra = (lines_of(made, tmp_path), brought(made, tmp_path))
    first, second = (build(*arguments, tmp_path / name, None, *extra) for name in ("one", "two"))
    assert first.html.read_bytes() == second.html.read_bytes() and first.markdown.read_bytes() == second.markdown.read_bytes()


def test_a_line_is_plain_data(made: Made, tmp_path: Path) -> None:
    line = lines_of(made, tmp_path)[0]
    assert json.dumps({"reasons": line.reasons, "verdict": line.verdict, "place": line.place})
    assert replace(line, pair="a").place == "digits/a"
