"""The exact gate: metrics of frozen outputs to 1e-9, and every method's losses as they were when last accepted."""

from __future__ import annotations

import math

import exact_metrics
import exact_traces
import pytest
from exact_traces import COMMAND

PAIRS = exact_traces.pairs()
MACHINE, STORED = exact_traces.stored()


def test_every_metric_of_every_card_is_as_stored():
    new, old = exact_metrics.computed(), exact_metrics.stored()
    assert {row[:3] for row in new} == {row[:3] for row in old}
    assert new.keys() == old.keys(), f"other metrics than stored; if that is meant: {COMMAND}"
    wrong = {
        " ".join(row): (value, old[row])
        for row, value in new.items()
        if not (math.isclose(value, old[row], rel_tol=1e-9, abs_tol=1e-9) or (math.isnan(value) and math.isnan(old[row])))
    }
    assert not wrong, f"(now, stored) differ; if that is meant: {COMMAND}"


def test_frozen_outputs_reach_every_metric_of_the_catalogue():
    from kdbench.metrics import catalogue

    computed = {(row[0], row[3]) for row in exact_metrics.computed()}
    missing = {(m.family, m.name) for m in catalogue.METRICS} - computed
    assert not missing


@pytest.mark.parametrize(("plugin", "family", "registry"), PAIRS, ids=[f"{p.name}-{f.name}" for p, f, _ in PAIRS])
def test_losses_are_as_stored(plugin, family, registry):
    old = {row: trace for row, trace in STORED.items() if row[:2] == (plugin.name, family.name)}
    new = exact_traces.trace(plugin, family, registry)
    if not old and new:
        pytest.fail(f"{plugin.name} has no trace in {family.name}; make one: {COMMAND} {plugin.name}", pytrace=False)
    changed = exact_traces.differences(old, new, exact=exact_traces.machine() == MACHINE)
    if changed:
        lines = "\n".join(changed)
        pytest.fail(f"{lines}\nif that is meant (and the plugin's version says so): {COMMAND} {plugin.name}", pytrace=False)


def test_no_trace_is_stored_of_what_is_gone():
    known = {(plugin.name, family.name) for plugin, family, _ in PAIRS}
    gone = sorted({row[:2] for row in STORED} - known)
    assert not gone, f"run {COMMAND}"


def test_a_change_in_the_last_bit_is_seen_here_and_forgiven_elsewhere():
    import numpy as np

    row, trace = next((row, trace) for row, trace in STORED.items() if all(trace[2:]))
    moved = exact_traces.shown(float(np.nextafter(np.float32(trace[2]), np.float32(1e9))))
    other = {row: (*trace[:2], moved, *trace[3:])}
    assert exact_traces.differences({row: trace}, other, exact=True)
    assert not exact_traces.differences({row: trace}, other, exact=False)
    doubled = {row: (*trace[:2], str(2 * float(trace[2])), *trace[3:])}
    assert exact_traces.differences({row: trace}, doubled, exact=False)
