"""Plots, intervals over examples and files for papers, of results with outputs: what is drawn is what was measured."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fabricated import LARGE, REGISTRY, SMALL, make, plain
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[1] / "compare"))
import made_up_results

from kdbench.jobs.graph import graph
from kdbench.report.assemble import assemble
from kdbench.report.build import build
from kdbench.report.claims import found, with_examples
from kdbench.report.crossed import crossed
from kdbench.report.curves import curve_of, curves_plot, shares
from kdbench.report.detail_plots import detail_plot
from kdbench.report.fidelity_plots import STACKS, fidelity_plot
from kdbench.report.model import Difference, Page, Part, Row
from kdbench.report.papers import HEADS, csv_text, latex
from kdbench.report.ranking import ranking_plot
from kdbench.report.scatter import near_and_far
from kdbench.results.against import Against
from kdbench.results.outputs import OutputStore
from kdbench.results.readings import read
from kdbench.results.store import ResultStore
from kdbench.results.unit_reader import UnitReader
from kdbench.stats import Interval
from kdbench.stats.bootstrap import Crossed
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads


def parts_of(store: ResultStore, text: str = made_up_results.SUITE) -> dict[str, Any]:
    suite = parse_suite(loads(text, "made-up.yaml"), REGISTRY)
    expansion = expand(suite, REGISTRY)
    jobs, records = graph(expansion.arms, REGISTRY), store.scan().records
    readings = read(jobs, records, against(store), {"digits": "classification"})
    return {"suite": suite, "part": Part(), "expansion": expansion, "jobs": jobs, "readings": readings, "records": records}


def against(store: ResultStore) -> Against:
    return Against(store.folder, OutputStore(store.home))


def reader_of(store: ResultStore) -> UnitReader:
    return UnitReader(store.scan().records, against(store))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ResultStore:
    made = made_up_results.make(tmp_path_factory.mktemp("made"))
    for record in made.scan().records.values():
        job = made.home.jobs / record.key
        job.mkdir(parents=True)
        seed = record.labels["seed"]
        terms = {"loss/task": 1.0 + seed, **({"loss/kd": 3.0} if record.labels["cell"] == "kd" else {})}
        events = [{"event": "start", "steps": 20}]
        events += [
            {"event": "metric", "step": step, "steps": 20, **{n: v / step for n, v in terms.items()}} for step in (5, 10, 20)
        ]
        if seed == 0:
            events.append({"event": "metric", "step": 15, "loss/task": 9.0})
        (job / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return made


@pytest.fixture(scope="module")
def page(store: ResultStore) -> Page:
    return assemble(**parts_of(store), reader=reader_of(store))


def row_of(page: Page, label: str) -> Row:
    return next(row for row in page.tables[0].rows if row.label == label)


def test_the_wider_interval_stands_beside_that_of_seeds(page: Page) -> None:
    found = row_of(page, "kd").differences["accuracy"]
    assert found.interval is not None and found.crossed is not None
    assert found.crossed.low < found.interval.estimate < found.crossed.high
    assert found.crossed.estimate == pytest.approx(found.mean, abs=1e-6)
    assert "5 seeds × 120 units" in found.crossed.how
    assert found.verdict == "better"
    assert row_of(page, "kd").differences["log_kl"].crossed is not None
    kl = row_of(page, "kd").differences["kl"]  # is not kept example by example
    assert kl.interval is not None and kl.crossed is None and kl.verdict is None


@pytest.mark.parametrize(("low", "verdict"), [(0.01, "better"), (-0.01, None)])
def test_better_needs_both_intervals(low: float, verdict: str | None) -> None:
    seeds = Difference(0.05, Interval(0.03, 0.05, 0.07, 5, "t"), 5, "better")
    wide = Crossed(Interval(low, 0.05, 0.1, 5, "crossed"), 0.03, 0.02)
    assert crossed(seeds, wide).verdict == verdict
    assert crossed(seeds, None).verdict is None  # beside others that could be computed anew on other examples
    assert crossed(replace(seeds, verdict=None), wide).verdict is None


CLAIMS = """\
claims:
  - {id: over, task: digits, arm: kd, over: none, metric: accuracy, source: s}
  - {id: own, task: digits, arm: kd, metric: agreement, at_least: 0.1, source: s}
  - {id: distil, task: digits, arm: kd, over: none, metric: distil.agreement, source: s}
"""


def test_claims_are_judged_by_seeds_and_by_examples(page: Page, tmp_path: Path) -> None:
    made = made_up_results.make(tmp_path, made_up_results.SUITE + CLAIMS)
    claimed = assemble(**parts_of(made, made_up_results.SUITE + CLAIMS), reader=reader_of(made))
    over, own, distil = claimed.claims
    same = row_of(page, "kd").differences["accuracy"]
    assert over.verdict.outcome == "holds" and over.verdict.crossed == same.crossed and over.verdict.interval == same.interval
    assert found(over).startswith("+") and found(over).endswith(" pp") and with_examples(over).startswith("[+")
    assert own.verdict.crossed is not None and own.verdict.crossed.low < own.verdict.difference < own.verdict.crossed.high
    assert found(own).endswith(" %") and "+" not in found(own) + with_examples(own)
    assert distil.verdict.crossed is None  # the examples of the test set say nothing of the distillation set


def test_without_a_home_the_page_has_seeds_only(store: ResultStore) -> None:
    bare = assemble(**parts_of(store))
    assert all(found.crossed is None for row in bare.tables[0].rows for found in row.differences.values())
    assert bare.tables[0].ranking is None and not bare.tables[0].curves


def test_committed_records_redraw_the_intervals_without_the_outputs(store: ResultStore, page: Page, tmp_path: Path) -> None:
    elsewhere = ResultStore(tmp_path / "results")
    for record in store.scan().records.values():
        elsewhere.write(record)
    other = assemble(**parts_of(elsewhere), reader=reader_of(elsewhere))
    for label in ("kd", "dkd", "kd[T=8]"):
        here, there = (row_of(p, label).differences["accuracy"].crossed for p in (page, other))
        assert here is not None and here == there
    assert other.tables[0].ranking == page.tables[0].ranking


def test_the_ranking_is_a_share_of_resamples(page: Page) -> None:
    ranking = page.tables[0].ranking
    assert ranking is not None and ranking.labels[-1] == "none" and ranking.more == 0
    table = np.array(ranking.shares)
    assert table.shape == (4, 4)
    assert table.sum(axis=0) == pytest.approx(1, abs=1e-3) and table.sum(axis=1) == pytest.approx(1, abs=1e-3)
    assert table[3, 3] > 0.99  # the control is last in nearly every resample
    drawn = str(ranking_plot(page.tables[0]))
    assert drawn.count("<rect") == 16 and "none in place 4: 100.0 %" in drawn


def test_incomplete_rows_are_not_ranked(tmp_path: Path) -> None:
    made = made_up_results.make(tmp_path, change=lambda cell, seed: None if (cell, seed) == ("kd", 3) else {})
    table = assemble(**parts_of(made), reader=reader_of(made)).tables[0]
    assert table.ranking is not None and "kd" not in table.ranking.labels and len(table.ranking.labels) == 3
    assert row_of_table(table.rows, "kd").differences["accuracy"].verdict == "better"  # of the seeds it has; shown unmarked
    assert math.isnan(row_of_table(table.rows, "kd").overdispersion)
    assert row_of_table(table.rows, "dkd").overdispersion > 0


def row_of_table(rows: list[Row], label: str) -> Row:
    return next(row for row in rows if row.label == label)


def numbers(text: str, pattern: str) -> list[float]:
    return [float(value) for value in re.findall(pattern, text)]


def test_stacked_bars_have_the_lengths_of_their_shares(page: Page) -> None:
    drawn = str(fidelity_plot(page.tables[0]))
    lengths: dict[str, list[float]] = {}
    for name in STACKS["classification"]:
        lengths[name] = numbers(drawn, rf'width="([\d.]+)" height="13" class="{name}"')
    rows = [row for row in page.tables[0].students if row.summary("agreement").n]
    whole = {sum(lengths[name][i] for name in lengths) for i in range(len(rows))}
    assert max(whole) - min(whole) < 0.1  # every bar is the panel's width
    for i, row in enumerate(rows):
        for name, values in lengths.items():
            assert values[i] / max(whole) == pytest.approx(row.summary(name).mean, abs=2e-3)


def test_gain_is_drawn_with_its_t_interval(page: Page) -> None:
    drawn = str(fidelity_plot(page.tables[0]))
    summary = row_of(page, "kd").summary("above_independent")
    wanted = stats.ttest_1samp(list(summary.by_seed.values()), 0.0).confidence_interval(0.95)
    assert f"kd: +{100 * summary.mean:.1f} pp [+{100 * wanted.low:.1f}, +{100 * wanted.high:.1f}]" in drawn
    assert 'class="cell better"' in drawn


def test_arrows_lead_from_the_distillation_set_to_the_test_set(page: Page) -> None:
    drawn = str(fidelity_plot(page.tables[0]))
    agreement = 100 * row_of(page, "kd").summary("agreement").mean
    assert f"kd: 50.0 on the distillation set, {agreement:.1f} on the test set" in drawn


def test_calibration_stands_beside_the_teachers(page: Page) -> None:
    drawn = str(detail_plot(page.tables[0]))
    teacher = row_of(page, "teacher").summary("ece").mean
    assert f"teacher: {100 * teacher:.1f} %" in drawn and 'class="reference teacher"' in drawn
    assert "worst class" in drawn and "10th percentile" in drawn


def test_families_without_cells_or_calibration_have_the_other_panels() -> None:
    def detailed(task: str, cell: str, seed: int) -> Any:
        groups = plain(task, cell, seed)
        more = {
            "topics": {
                "query_wins": 0.3,
                "query_ties": 0.3,
                "query_losses": 0.4,
                "overlap@1": 0.4,
                "overlap@10": 0.5,
                "overlap@100": 0.9,
            }
        }
        more["sounds"] = {f"positive_agreement_{part}": 0.5 for part in ("rare", "middle", "frequent")}
        if "fidelity" in groups:
            groups["fidelity"] |= more.get(task, {})
        return groups

    tables = {table.task: table for table in make(LARGE, detailed).page().tables}
    assert "who is ahead" in str(fidelity_plot(tables["topics"])) and "common documents" in str(detail_plot(tables["topics"]))
    assert "who is" not in str(fidelity_plot(tables["sounds"])) and "rare, middle, frequent" in str(detail_plot(tables["sounds"]))
    assert "who is" not in str(fidelity_plot(tables["streets"]))  # nothing of it was measured there


def test_curves_are_means_over_seeds_at_common_steps(store: ResultStore, page: Page) -> None:
    curve = curve_of(row_of(page, "kd"), store.home.jobs)
    assert curve is not None and curve.steps == [5, 10, 20]  # not step 15, which one seed alone reported
    assert curve.terms["task"] == pytest.approx([3.0 / 5, 3.0 / 10, 3.0 / 20])
    assert shares(curve) == pytest.approx({"kd": 0.5, "task": 0.5})
    drawn = str(curves_plot(page.tables[0]))
    assert drawn.count("<polyline") == 5  # two of kd, one of each other row
    assert curve_of(row_of(page, "teacher"), store.home.jobs / "nowhere") is None


def test_a_row_far_off_is_named_and_not_drawn() -> None:
    def odd(task: str, cell: str, seed: int) -> Any:
        groups = plain(task, cell, seed)
        if cell == "dkd":
            groups["truth"]["accuracy"] = 0.05 + seed / 1000
        return groups

    table = make(SMALL.replace("[kd, dkd]", "[kd, dkd, fitnets]"), odd).page().tables[0]
    near, far = near_and_far(table.students, [(table.endpoints.truth, [90.0])])
    assert [row.label for row in far] == ["dkd"] and len(near) == 3
    from kdbench.report.forest import forest
    from kdbench.report.scatter import scatter

    drawn = str(scatter(table, table.endpoints.agreement))
    assert "far off: dkd" in drawn and ", 3 cells" in drawn
    assert re.search(r"<text[^>]*>−7\d\.\d</text>", str(forest(table)))
    usual = make(SMALL, plain).page().tables[0]
    assert near_and_far(usual.students, [(usual.endpoints.truth, [])])[1] == []


def test_the_csv_holds_every_number_exactly(page: Page) -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(page))))
    assert tuple(rows[0]) == HEADS
    kd = row_of(page, "kd")
    line = next(row for row in rows if row["cell"] == "kd" and row["metric"] == "accuracy")
    found = kd.differences["accuracy"]
    assert found.interval is not None and found.crossed is not None
    assert float(line["mean"]) == kd.summary("accuracy").mean and float(line["low"]) == found.interval.low
    assert float(line["low_crossed"]) == found.crossed.low and line["verdict"] == "better" and line["control"] == "none"
    assert line["keys"].split() == [source.key for source in kd.sources]
    assert not any("nan" in row.values() for row in rows)


def test_latex_is_rectangular_and_escaped(page: Page) -> None:
    text = latex(page)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    for table in re.findall(r"\\begin\{tabular\}\{(l+r+)\}(.*?)\\end\{tabular\}", text, re.DOTALL):
        lines = [line for line in table[1].splitlines() if line.endswith(r"\\")]
        assert len(lines) == 6 and {len(re.findall(r"(?<!\\)&", line)) for line in lines} == {len(table[0]) - 1}
    assert "accuracy \\%" in text and "log\\_kl" in text and r"$\pm$" in text
    assert not re.search(r"(?<!\\)[_#]", text.split("\n", 1)[1])
    assert all(ord(character) < 128 for character in text)


def test_all_files_are_written_and_equal_each_time(store: ResultStore, tmp_path: Path) -> None:
    first, second = (build(**parts_of(store), reports=tmp_path / name, reader=reader_of(store)) for name in "ab")
    for one, other in zip(
        (first.html, first.markdown, first.latex, first.csv),
        (second.html, second.markdown, second.latex, second.csv),
        strict=True,
    ):
        assert one.read_bytes() == other.read_bytes()
    page = first.html.read_text()
    assert "Δ, examples too" in page and "Training curves" in page and "How sure the order" in page
    assert "Δ, examples too" in first.markdown.read_text()
    assert "speaks of other test data too" in page and "φ" in page
