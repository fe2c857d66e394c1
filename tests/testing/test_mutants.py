"""Every rule, and the exact gate, see the fault that they are there for; the same method without the fault passes all."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

from kdbench.registry import Registry
from kdbench.testing.conform import judge, ruled, serve
from kdbench.testing.families import FAMILIES
from kdbench.testing.verdict import RULES

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "exact"))
import exact_traces  # noqa: E402

REGISTRY = Registry([HERE / "mutants.py"], packages=False)
DIGITS = FAMILIES[0]
SEEN_BY = {
    "teacher_in_training": ["teacher", "parameters"],
    "detached_regressor": ["gradient"],
    "idle_term": ["gradient"],
    "adapter_alone": ["gradient"],
    "scaled_teacher": ["in-place"],
    "scaled_student": ["in-place"],
    "stray_gradient": ["owners"],
    "smoothed_teacher": ["fixed-point"],
    "eager_term": ["weight-zero"],
    "forgetful": ["resume"],
    "own_generator": ["resume"],
    "head_of_its_own": ["export"],
    "neighbours": ["order"],
    "normalised": ["decision-weight"],
    "log_of_rest": ["one-answer"],
    "spread_of_batch": ["batch-of-one"],
    "log_of_softmax": ["extreme-logits"],
    "counts_everything": ["nothing-valid"],
    "undeclared_tap": ["needs"],
    "rounds_away": ["bf16"],
    "reads_its_loss": ["no-wait"],
    "asks_a_list": ["no-wait"],
    "copies_numbers": ["no-wait"],
    "masks": ["no-wait"],
    "not_a_number": ["trains"],
}


def plugin(name: str):
    return REGISTRY.method(name)


@functools.cache
def sound() -> dict[str, str]:
    """The method without a fault, by rule."""
    case = serve(plugin("mutant_without_fault"), DIGITS, REGISTRY).case
    assert case is not None
    return {finding.rule: finding.verdict.state for finding in judge(plugin("mutant_without_fault"), case)}


@pytest.mark.parametrize(("name", "rule"), [(name, rule) for name, rules in SEEN_BY.items() for rule in rules])
def test_a_fault_is_named_by_its_rule(name, rule):
    case = serve(plugin(name), DIGITS, REGISTRY).case
    assert case is not None
    verdict = ruled(RULES[rule], plugin(name), case)
    assert verdict.state == "fail", f"{rule} says: {verdict.state} {verdict.sentence}"
    assert len(verdict.sentence.split()) > 3
    assert sound()[rule] == "pass"


def test_every_rule_has_a_fault_that_it_sees():
    assert {rule for rules in SEEN_BY.values() for rule in rules} == set(RULES)


@pytest.mark.parametrize("name", ["without_square", "swapped_arguments", "sum_for_mean"])
def test_another_loss_is_seen_by_its_trace(name):
    """These are sound methods, only not kd: no rule can tell, the stored trace can, on any machine."""
    for family in FAMILIES:
        stored = {row: trace for row, trace in exact_traces.stored()[1].items() if row[:2] == ("kd", family.name)}
        traced = exact_traces.trace(plugin(name), family, REGISTRY)
        as_kd = {("kd", place, term): trace for (_, place, term), trace in traced.items()}
        found = exact_traces.differences(stored, as_kd, exact=False)
        assert any(line.startswith(f"kd {family.name} kd: step 1 ") for line in found), (name, family.name)


def test_the_sound_method_leaves_the_trace_of_kd():
    name = "mutant_without_fault"
    traced = exact_traces.trace(plugin(name), DIGITS, REGISTRY)
    stored = {row: trace for row, trace in exact_traces.stored()[1].items() if row[:2] == ("kd", DIGITS.name)}
    as_kd = {("kd", place, term): trace for (_, place, term), trace in traced.items()}
    assert not exact_traces.differences(stored, as_kd, exact=exact_traces.machine() == exact_traces.stored()[0])
