"""We use it ourselves: .ci/run gates suites/ci.yaml by baselines/ci, which is of the experiment that the suite is now."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdbench.cli.session import Session, open_suite
from kdbench.gate.baseline import Baseline, load
from kdbench.gate.build import mismatches
from kdbench.gate.experiments import Experiments
from kdbench.metrics.catalogue import primary

ROOT = Path(__file__).parents[2]
FEWEST = 10


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return open_suite(ROOT / "suites" / "ci.yaml", tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def accepted(suite: Session) -> Baseline:
    return load(ROOT / "baselines", "ci", {cell.task for cell in suite.jobs.cells})


def test_all_families_are_in_it(suite: Session):
    families = {suite.registry.task(arm.task["plugin"]).facts["family"] for arm in suite.expansion.arms}
    assert families == {"classification", "segmentation", "retrieval", "tagging"}


def test_every_cell_has_ten_seeds_of_every_metric_that_its_record_holds(suite: Session, accepted: Baseline):
    assert set(accepted.cells) == set(suite.jobs.cells)
    tasks = {arm.task["name"]: arm.task["plugin"] for arm in suite.expansion.arms}
    for cell in accepted.cells:
        family = suite.registry.task(tasks[cell.task]).facts["family"]
        wanted = [info.name for info in primary(family) if info.kind != "fidelity" or cell.cell != "none"]
        assert accepted.metrics(cell) == sorted(wanted), cell.title
        assert all(len(accepted.values(cell, metric)) >= FEWEST for metric in wanted), cell.title


def test_it_is_of_what_the_suite_is_now(suite: Session, accepted: Baseline):
    """Else the gate of .ci/run finds everything incomparable, after a minute of training."""
    experiments = Experiments.of(suite.expansion.arms, suite.registry, suite.path.parent)
    assert mismatches(dict.fromkeys(accepted.cells, accepted), experiments) == {}


def test_the_script_trains_and_gates_it():
    script = (ROOT / ".ci" / "run").read_text()
    run, gate = script.index("kdbench run suites/ci.yaml"), script.index("kdbench gate suites/ci.yaml")
    assert run < gate and "set -euo pipefail" in script and "|| true" not in script
