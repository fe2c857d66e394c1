"""Every reader takes any file: changed ones of all kinds here, and those that once were faults."""

from __future__ import annotations

import pytest
from fuzz_all import TARGETS
from fuzz_mutations import Mutator
from fuzz_target import HERE
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CORPUS = sorted(path for path in (HERE / "corpus").rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def no_home_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KDBENCH_HOME", "KDBENCH_DEBUG", "KDBENCH_TEACHERS", "KDBENCH_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_was_a_fault_once_is_none(path):
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_a_changed_file_is_read_or_refused(name):
    target = TARGETS[name]
    mutate, seeds = Mutator(target.kind, target.words()), list(target.seeds())

    # As often as its cost allows: thousands of each are tried by name, see docs/fuzzing.md.
    @settings(max_examples=max(8, 60 // target.slow), suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(seeds), st.randoms(use_true_random=False))
    def any_change(seed, random):
        target(mutate(seed, random))

    any_change()
