"""What is made from the code says what the code says: pages of methods, suites of the catalogue."""

import csv
import importlib.util
import sys
from pathlib import Path

import pytest

from kdbench import docs
from kdbench.docs.measured import plugin_of
from kdbench.registry import Registry
from kdbench.suite import read_suite
from kdbench.testing.families import FAMILIES

ROOT = Path(__file__).parents[1]
REGISTRY = Registry(packages=False)


@pytest.fixture(scope="module")
def pages():
    return docs.pages(REGISTRY)


def script(name):
    folder = ROOT / "suites" / "catalogue"
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def test_the_committed_pages_are_those_of_the_code(pages):
    committed = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "methods").glob("*.md")}
    stale = sorted(name for name in {*pages, *committed} if pages.get(name) != committed.get(name))
    assert not stale, "run: python -m kdbench.docs"


def test_pages_say_where_a_method_runs_and_why_not(pages):
    assert "| retrieval | refused | needs one class per decision" in pages["dkd.md"]
    assert "a teacher like the student (dense_text)" in pages["ab.md"]
    assert "| `T` | `4.0` | temperature (a number above 0) |" in pages["kd.md"]
    assert "rounds: {first: {method: brier}, count: 4}" in pages["gt_self.md"]
    assert "| refused | rounds 1, 2, 3, 4, 5: needs" in pages["gt_self.md"]  # one reason, not five
    assert len(pages) == 1 + sum(len(REGISTRY.names(kind)) for kind in docs.KINDS)


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
        [line] = [line for line in pages[f"{plugin_of(row['cell'])}.md"].splitlines() if line.startswith(start)]
        assert f"top-1 accuracy {100 * float(row['mean']):.1f} " in line
        assert (row["verdict"] or "]") in line
    assert plugin_of("nd_loss(kd[weight=0.09])·two") == "nd_loss"
