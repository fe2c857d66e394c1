"""The written reports: the same bytes each time, nothing loaded, nothing run that a name may hold, nothing lost on odd input."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fabricated import LARGE, SMALL, Made, make, plain

from kdbench.report.columns import outcome_columns
from kdbench.report.markdown import plain as escaped
from kdbench.report.model import Part
from kdbench.report.papers import latex
from kdbench.report.terminal import terminal
from kdbench.results.against import Against
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.readings import read
from kdbench.stats import Interval

EVIL = "<script>alert(1)</script>"
VOID = {"meta", "input", "br", "link", "img"}


class Reader(HTMLParser):
    """Collects tags and attributes, and checks that what is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def gaps(task: str, cell: str, seed: int) -> Any:
    if (task, cell, seed) == ("streets", "kd[T=8]", 2):
        return "diverged"
    return None if (task, cell) == ("sounds", "kd[T=2]") and seed > 2 else plain(task, cell, seed)


@pytest.fixture(scope="module")
def large() -> Made:
    return make(LARGE, gaps)


def test_two_builds_are_equal_to_the_byte(large: Made, tmp_path: Path) -> None:
    first, second = large.build(tmp_path / "a"), make(LARGE, gaps).build(tmp_path / "b")
    assert first.html.read_bytes() == second.html.read_bytes()
    assert first.markdown.read_bytes() == second.markdown.read_bytes()
    assert first.terminal == second.terminal


def test_files_lie_where_they_are_looked_for(large: Made, tmp_path: Path) -> None:
    built = large.build(tmp_path)
    assert (built.html, built.markdown) == (tmp_path / "large" / "index.html", tmp_path / "large" / "report.md")
    assert large.build(tmp_path, Part("smoke")).html == tmp_path / "large-smoke" / "index.html"
    part = large.build(tmp_path, Part(only="task=digits")).html  # a part never takes the place of the whole
    assert part == tmp_path / "large-only" / "index.html" and "only task=digits</span></h1>" in part.read_text()
    assert built.failed_claims == ["kd-small"]
    assert built.missing == 2


def test_the_page_is_whole_and_loads_nothing(large: Made, tmp_path: Path) -> None:
    text = large.build(tmp_path).html.read_text()
    tags = Reader(text).tags
    assert not {tag for tag, _ in tags} & {"link", "img", "iframe", "object", "base"}
    for tag, attributes in tags:
        assert "src" not in attributes and "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        if "href" in attributes:
            assert (attributes["href"] or "").startswith("#")
    assert not re.search(r"https?://|@import|url\(", text)
    plots = [attributes["aria-label"] for tag, attributes in tags if tag == "svg"]
    assert len([name for name in plots if " against " in (name or "")]) == 8  # two scatters a task
    assert len([name for name in plots if "differences to the control" in (name or "")]) == 4
    assert len([name for name in plots if "what agreement is made of" in (name or "")]) == 4
    assert len([name for name in plots if "calibration" in (name or "")]) == 3  # retrieval has none
    assert "default-src 'none'" in text


def test_every_result_is_traceable(large: Made, tmp_path: Path) -> None:
    text = large.build(tmp_path).html.read_text()
    assert all(key in text for key in large.records)


def test_metrics_that_a_suite_asks_for_stand_beside_the_others(tmp_path: Path) -> None:
    made = make(LARGE.replace("methods:\n  - kd\n", "show: [recall@100, accuracy, top5_accuracy]\nmethods:\n  - kd\n", 1), gaps)
    built = made.build(tmp_path)
    heads = {table.task: [column.head for column in outcome_columns(table)] for table in made.page().tables}
    assert heads["digits"][-1] == "top5_accuracy" and heads["digits"].count("accuracy") == 1  # what is there is not repeated
    assert heads["topics"][-1] == "recall@100" and heads["sounds"][-1] == "accuracy"
    assert "top5_accuracy" not in heads["streets"]
    found = [reading.value("recall@100") for reading in made.readings.cells[made.cell("margin_mse", "topics")]]
    text = next(line for line in built.markdown.read_text().splitlines() if "margin" in line and "±" in line)
    assert f"{100 * sum(found) / len(found):.1f} ± " in text.split("|")[-2]
    assert "recall@100" in built.csv.read_text() and "top5\\_accuracy" in built.latex.read_text()


def test_a_terminal_has_room_for_one_interval_and_shows_the_one_to_quote(large: Made) -> None:
    page = large.page()
    page.tables, page.claims = [table for table in page.tables if table.task == "digits"], []
    [table] = page.tables
    assert "brackets: 95 % interval over seeds\n" in terminal(page)
    compared = [row for row in table.students if row.differences]
    for done, row in enumerate(compared, 1):
        wide = Interval(-0.123, 0.01, 0.456, 5, "crossed, 5 seeds × 900 units, 95%")
        row.differences["accuracy"] = replace(row.differences["accuracy"], crossed=wide)
        text = terminal(page)
        assert text.count("[−12.3, +45.6]") == done
        assert ("test examples, where these are known" in text) == (done < len(compared))
    assert "brackets: 95 % interval over seeds and test examples\n" in terminal(page)


def test_a_table_for_a_paper_explains_itself_and_has_one_interval(large: Made) -> None:
    page = large.page()
    text = latex(page)
    assert text.count("\\label{tab:large-digits-outcome}") == 1 and len(set(re.findall(r"\\label\{.*?\}", text))) == 8
    assert r"$\Delta$: difference to the control, paired by seed, with its 95 \% interval over seeds." in text
    row = next(row for row in page.tables[0].students if row.differences)
    row.differences["accuracy"] = replace(row.differences["accuracy"], crossed=Interval(-0.123, 0.01, 0.456, 5, "crossed"))
    text = latex(page)
    assert "[$-$12.3, +45.6]" in text and "interval over seeds and test examples." in text
    assert not re.search(r"textbf\{[^}]*\[", text), "bold is the best mean and nothing else"


def test_what_is_incomplete_or_left_out_is_said(large: Made, tmp_path: Path) -> None:
    built = large.build(tmp_path)
    for text in (built.html.read_text(), built.markdown.read_text()):
        assert "4 of 5, diverged 1" in text
        assert "3 of 5" in text
        assert "text nets have other taps" in text
        assert "1 job diverged" in text
    assert "1 diverged" in built.terminal and "4/5" in built.terminal
    assert "172 of 175 jobs done, 1 diverged, 2 without a result" in built.terminal


def test_names_cannot_run_or_break_the_page(tmp_path: Path) -> None:
    made = make(SMALL.replace("name: small", f"name: small\ndescription: '{EVIL} | `x`'"), plain)
    for reading_cells in (made.jobs.cells, made.readings.cells):
        for cell in list(reading_cells):
            if cell.cell == "kd":
                renamed = type(cell)(cell.task, cell.pair, EVIL)
                reading_cells[renamed] = reading_cells.pop(cell)
    for i, arm in enumerate(made.expansion.arms):
        if arm.cell == "kd":
            made.expansion.arms[i] = replace(arm, cell=EVIL, alias='a" onclick="b')
    made.expansion.excluded.append((EVIL, f"{EVIL} & |"))
    built = made.build(tmp_path)
    text = built.html.read_text()
    tags = Reader(text).tags
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    outside_code = re.sub(r"`+[^`]*`+", "", built.markdown.read_text().split("## Suite")[0])
    assert "<script" not in outside_code


def test_markdown_tables_are_rectangular(large: Made, tmp_path: Path) -> None:
    lines = large.build(tmp_path).markdown.read_text().splitlines()
    widths = []
    for line in lines:
        if line.startswith("|"):
            widths.append(len(re.findall(r"(?<!\\)\|", line)))
        elif widths:
            assert len(set(widths)) == 1
            widths = []


def test_the_terminal_needs_no_more_than_80_columns(large: Made, tmp_path: Path) -> None:
    text = large.build(tmp_path).terminal
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert re.search(r"^holds +\+7\.\d \[\+\d\.\d, \+\d\.\d\] pp  kd-helps \(digits, 5 seeds\)$", text, re.MULTILINE)


def test_the_dagger_is_explained_wherever_it_stands(tmp_path: Path) -> None:
    made = make(SMALL.replace("methods: [kd, dkd]", "methods: [kd, {method: none, recipe: {lr: 0.001}}]"), plain)
    built = made.build(tmp_path)
    assert "† the control had another recipe" in built.terminal
    for text in (built.html.read_text(), built.markdown.read_text()):
        assert text.count("†") == 2 and "† The control of kd had other labelled data or another recipe" in text


def test_colours_come_only_with_a_terminal_that_wants_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    made = make(SMALL, plain)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[" in made.build(tmp_path).terminal
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in made.build(tmp_path).terminal


def test_no_results_give_a_page_that_says_so(tmp_path: Path) -> None:
    made = make(SMALL, lambda task, cell, seed: None)
    built = made.build(tmp_path)
    assert "No results yet" in built.html.read_text()
    assert "No results yet" in built.markdown.read_text()
    assert "0 of 12 jobs done" in built.terminal
    assert built.missing == 12 and built.failed_claims == []
    Reader(built.html.read_text())


def test_nothing_planned(tmp_path: Path) -> None:
    made = make(SMALL, plain)
    made.expansion.arms.clear()
    made.jobs.cells.clear()
    made.jobs.jobs.clear()
    built = made.build(tmp_path)
    assert "Nothing is planned" in built.html.read_text()
    assert "nothing to report" in built.terminal


def test_undefined_metrics_are_na_and_one_seed_is_fine(tmp_path: Path) -> None:
    def undefined(task: str, cell: str, seed: int) -> Any:
        groups = plain(task, cell, seed)
        return {name: dict.fromkeys(values, math.nan) for name, values in groups.items()} if cell == "kd" else groups

    built = make(SMALL.replace("seeds: 3", "seeds: 1"), undefined).build(tmp_path)
    for text in (built.html.read_text(), built.markdown.read_text(), built.terminal):
        assert "n/a" in text
        assert not re.search(r"\bnan\b", re.sub("data-value", "", text), re.IGNORECASE)


@pytest.mark.parametrize("value", [0.0, 1.0, math.inf, -math.inf])
def test_plots_survive_values_without_spread_or_bounds(value: float, tmp_path: Path) -> None:
    def constant(task: str, cell: str, seed: int) -> Any:
        return {name: dict.fromkeys(values, value) for name, values in plain(task, cell, seed).items()}

    text = make(SMALL, constant).build(tmp_path).html.read_text()
    Reader(text)
    assert not re.search(r'"(nan|inf|-inf)"', text)


def test_real_readings_of_partial_results_can_be_reported(tmp_path: Path) -> None:
    made = make(SMALL, plain)
    some = {key: record for i, (key, record) in enumerate(made.records.items()) if i % 3}
    nowhere = Against(tmp_path / "results", OutputStore(Home(tmp_path / ".kdbench")))
    made.readings, made.records = read(made.jobs, some, nowhere, made.readings.families), some
    built = made.build(tmp_path)
    assert built.missing == 4
    assert "n/a" in built.html.read_text()  # the control's fidelity: its outputs are not here


def test_no_heavy_import(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; import kdbench.report.build, kdbench.stats; "
        "print([m for m in ('torch', 'pandas', 'matplotlib', 'scipy', 'jinja2', 'rich.table') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("+5.5 [+4.8, +6.3] pp", "+5.5 [+4.8, +6.3] pp"),
        ("kd_x and _this_", r"kd_x and \_this\_"),
        ("a|b *c* `d`", r"a\|b \*c\* \`d\`"),
        ("[x](http://y)", r"[x\](http://y)"),
        ("<b>&lt;", "&lt;b&gt;&amp;lt;"),
        ("# two\nlines", r"\# two lines"),
    ],
)
def test_markdown_escapes_what_has_a_meaning_and_no_more(text: str, source: str) -> None:
    assert escaped(text) == source
