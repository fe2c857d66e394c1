"""The suites that come with kdbench can run: every cell, every claim, on the plugins as they are."""

from pathlib import Path

import pytest

from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.suite import expand, read_suite

ROOT = Path(__file__).parents[2] / "suites"
SUITES = sorted(ROOT.rglob("*.yaml"))


@pytest.mark.parametrize("path", SUITES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_suite_plans_without_refusals(path: Path):
    registry = Registry(packages=False)
    suite = read_suite(path, registry)
    for profile in (None, *suite.profiles):
        planned = expand(suite, registry, profile)
        assert not graph(planned.arms, registry, path.parent).refusals
        if profile is None:
            pairs = {task.label: len(task.pairs) or 1 for task in suite.tasks}
            assert len(planned.claims) == sum(1 if claim.pair else pairs[claim.task] for claim in suite.claims)
            assert planned.excluded == [] or suite.exclude


def test_the_papers_claims_are_asked_with_ten_seeds():
    registry = Registry(packages=False)
    suite = read_suite(ROOT / "fidelity" / "digits.yaml", registry)
    planned = expand(suite, registry)
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for arm in planned.arms:
        seeds.setdefault((arm.task["name"], arm.pair, arm.cell), set()).add(arm.seed)
    few = {claim.id for claim in planned.claims for place in claim.places() if len(seeds[place]) < 10}
    assert few == {"t0-data"}, "a large effect, for which three seeds are enough"
    assert all("Fig." in claim.source or "Tab." in claim.source for claim in planned.claims)
