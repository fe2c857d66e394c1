"""What is made from the code says what the code says: pages of methods, suites of the catalogue."""

import csv
import importlib.util
import re
import sys
from pathlib import Path

import pytest

from kdbench.cli.exits import Exit
from kdbench.docs import site
from kdbench.docs import suite as suite_page
from kdbench.docs.check.part import whole
from kdbench.docs.cli import EXITS, VARIABLES
from kdbench.docs.measured import plugin_of
from kdbench.docs.methods import KINDS
from kdbench.docs.pages import FOLDERS
from kdbench.docs.pages import pages as made_pages
from kdbench.metrics.catalogue import METRICS
from kdbench.metrics.formulas import FORMULAS
from kdbench.registry import Registry
from kdbench.suite import read_suite
from kdbench.testing.families import FAMILIES

ROOT = Path(__file__).parents[1]
REGISTRY = Registry(packages=False)


@pytest.fixture(scope="module")
def pages():
    return made_pages(REGISTRY)


def script(name):
    folder = ROOT / "suites" / "catalogue"
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_committed_pages_are_those_of_the_code(pages):
    docs = ROOT / "docs"
    paths = [path for folder in FOLDERS for path in (docs / folder).glob("*.md")]
    committed = {path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    stale = sorted(name for name in {*pages, *committed} if pages.get(name) != committed.get(name))
    assert not stale, "run: python -m kdbench.docs"


def test_pages_say_where_a_method_runs_and_why_not(pages):
    assert "| retrieval | refused | needs one class per decision" in pages["methods/dkd.md"]
    assert "a teacher like the student (dense_text)" in pages["methods/ab.md"]
    assert "| `T` | `4.0` | temperature (a number above 0) |" in pages["methods/kd.md"]
    assert "rounds: {first: {method: brier}, count: 4}" in pages["methods/gt_self.md"]
    assert "| refused | rounds 1, 2, 3, 4, 5: needs" in pages["methods/gt_self.md"]  # one reason, not five
    assert sum(name.startswith("methods/") for name in pages) == 1 + sum(len(REGISTRY.names(kind)) for kind in KINDS)


def test_the_catalogue_has_every_method_that_serves():
    make = script("make")
    made = make.suites(REGISTRY)
    assert not [path.name for path, text in made.items() if path.read_text() != text], "run: python suites/catalogue/make.py"
    written = "".join(made.values())
    left_out = make.WITHIN_PRESETS | {"none"}
    planned = [name for kind in ("method", "preset") for name in REGISTRY.names(kind) if name not in left_out]
    brought = {control for name in REGISTRY.names("preset") for control in make.controls_of(name, REGISTRY)}
    missing = [
        name for name in planned if name not in brought and not any(f"{mark}{name}" in written for mark in ("- ", "method: "))
    ]
    assert not missing


def test_weights_are_tried_around_the_default_and_only_where_there_is_something_to_weigh(tmp_path):
    script("make")
    calibrate = script("calibrate")
    assert calibrate.grid({"method": "at"}, REGISTRY) == [10.0, 100.0, 1000.0, 10000.0]
    assert calibrate.grid({"method": "mixup_kd"}, REGISTRY) == [0.009, 0.09, 0.9, 9.0]
    for alone in ("ssld", "gt_self", "label_smoothing", "margin_mse"):
        assert calibrate.grid({"method": alone}, REGISTRY) == []
    catalogue_seeds = set(range(script("make").SEEDS))
    assert not catalogue_seeds & set(calibrate.SEEDS)
    path = tmp_path / "suite.yaml"
    path.write_text(calibrate.suite(FAMILIES[2], REGISTRY))
    suite = read_suite(path, REGISTRY)
    assert [task.label for task in suite.tasks] == ["topics", "topics_kin", "topics_sparse"]
    assert all("weight" in arm.params for task in suite.tasks for arm in task.methods)


def test_pages_show_what_the_archived_catalogue_measured(pages):
    with open(ROOT / "reports" / "archive" / "catalogue_classification" / "cells.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "accuracy" and row["kind"] == "arm"]
    for row in rows:
        title = row["task"] if row["pair"] == "default" else f"{row['task']}, {row['pair']}"
        start = f"| {title} | {row['cell']} |"
        [line] = [line for line in pages[f"methods/{plugin_of(row['cell'])}.md"].splitlines() if line.startswith(start)]
        assert f"top-1 accuracy {100 * float(row['mean']):.1f} " in line
        assert (row["verdict"] or "]") in line
    assert plugin_of("nd_loss(kd[weight=0.09])·two") == "nd_loss"


def test_every_metric_has_its_formula_and_no_other():
    assert set(FORMULAS) == {(metric.family, metric.name) for metric in METRICS}
    assert all(FORMULAS.values())


def test_every_variable_that_the_code_reads_is_in_the_reference():
    code = [path for path in (ROOT / "kdbench").rglob("*.py") if "docs" not in path.parts]
    read = {name for path in code for name in re.findall(r"KDBENCH_[A-Z]+(?:_[A-Z]+)*", path.read_text(encoding="utf-8"))}
    assert read == {name for name in VARIABLES if name.startswith("KDBENCH_")}


def test_every_exit_code_is_in_the_reference(pages):
    assert set(EXITS) == set(Exit)
    assert "| 75 | stopped with checkpoints" in pages["reference/cli.md"]


def test_the_reference_says_what_the_code_says(pages):
    suite = pages["reference/suite.md"]
    assert "| `lr` | a number above 0 | `0.001` | peak learning rate | ✓ |" in suite
    assert "| `name` | a name |" in suite and "| `pairs` | a list of: [pair](#pair) | –" in suite
    cli = pages["reference/cli.md"]
    assert "| `--profile`, `-p` | text |" in cli and "## kdbench baseline accept" in cli
    assert "| **`miou`** | mean IoU | truth ↑ | share | mean over classes" in pages["reference/metrics.md"]
    assert "| `labelled` | `100` | labelled training images" in pages["reference/tasks.md"]
    assert "results: str | Path = 'results',\n    archive: bool" in pages["reference/api.md"]


def test_examples_of_the_suite_reference_are_suites(tmp_path):
    for part in suite_page.PARTS:
        if part.example:
            path = tmp_path / "example.yaml"
            path.write_text(whole(part.example))
            read_suite(path, REGISTRY)


def test_links_of_pages_lead_to_pages_of_the_site(tmp_path):
    for path in ("docs/how/a.md", "docs/b.md", "suites/README.md", "suites/c.yaml"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    words = "[a](../../suites/) [b](../b.md#there) [c](../../suites/c.yaml) [d](nowhere.md) [e](https://example.org) [f](#here)"
    assert site.led(words, tmp_path, "docs/how/a.md") == (
        "[a](../repository/suites/README.md) [b](../b.md#there) [c](../repository/suites/c.yaml) "
        "[d](nowhere.md) [e](https://example.org) [f](#here)"
    )
    assert site.led("[up](../docs/b.md) [beside](c.yaml)", tmp_path, "suites/README.md") == "[up](../../b.md) [beside](c.yaml)"
    assert site.source(site.place("suites/c.yaml")) == "suites/c.yaml"
    assert site.source(site.place("docs/b.md")) == "docs/b.md"
