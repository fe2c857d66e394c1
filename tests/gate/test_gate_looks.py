"""More seeds for what is undecided, and for nothing else; up to the last look, and without end only where it helps."""

from __future__ import annotations

from pathlib import Path

from gate_bench import Bench, moved

from kdbench.cli.verbs.gate import judge
from kdbench.gate.looks import held_back, next_look
from kdbench.gate.terminal import advice
from kdbench.gate.verdicts import GateReport, Verdict


def report(bench: Bench) -> GateReport:
    return judge(bench.session(), Path("baselines"))


def test_undecided_cells_get_seeds_that_neither_side_has(bench: Bench):
    bench.baseline(3)
    bench.suite("[7, 1, 20]")
    bench.fill(moved("kd", accuracy=-0.05), salt=2)
    found = report(bench)
    verdicts = {cell.cell.cell: cell.verdict for cell in found.cells}
    assert verdicts["kd"] is Verdict.regressed and verdicts["dkd"] is Verdict.inconclusive
    more = {one.cell.cell: one for one in next_look(found)}
    assert "kd" not in more and more["dkd"].look == 6 and more["dkd"].seeds == (3, 4, 5)


def test_looks_follow_until_the_last(bench: Bench):
    bench.baseline(3)
    bench.suite(3, more="gate: {tolerance: 0.000001, margins: {log_kl: 0.000001}}")
    bench.fill(salt=2)
    sizes = []
    for _ in range(5):
        more = next_look(report(bench))
        if not more:
            break
        sizes.append({one.look for one in more})
        bench.further({one.cell: one.seeds for one in more}, salt=2)
    assert sizes in ([{6}, {10}], [{6}]) or sizes[:1] == [{6}]
    last = report(bench)
    assert not next_look(last) and max(len(cell.seeds) for cell in last.cells) <= 10
    left = [cell for cell in last.cells if cell.verdict is Verdict.inconclusive]
    assert left and held_back(last) == left  # ten new seeds against three: what is left to do is on the other side
    assert "the baseline has 3 seeds, so that more new ones hardly help" in " ".join(advice(last, "kdbench run made.yaml"))


def test_nothing_is_run_where_it_would_not_help(bench: Bench):
    bench.baseline(1)
    bench.fill(salt=2)
    found = report(bench)
    assert {cell.verdict for cell in found.cells} == {Verdict.unjudged} and not next_look(found)
    assert len(held_back(found)) == 3 and "the baseline has 1 seed, so that" in " ".join(advice(found, "kdbench run made.yaml"))
    bench.empty()
    assert not next_look(report(bench))  # missing is not undecided


def test_one_new_seed_gets_more(bench: Bench):
    bench.baseline(3)
    bench.suite(1)
    bench.fill(salt=2)
    assert {(one.look, one.seeds) for one in next_look(report(bench))} == {(3, (3, 4))}


def test_a_drift_does_not_end_the_question_of_the_rest(bench: Bench):
    bench.baseline(3)
    bench.fill(moved("kd", agreement=0.05), salt=2)
    found = report(bench)
    kd = next(cell for cell in found.cells if cell.cell.cell == "kd")
    assert kd.verdict is Verdict.drifted and any(part.verdict is Verdict.inconclusive for part in kd.endpoints)
    assert "kd" in {one.cell.cell for one in next_look(found)}


def test_fewer_looks_cost_less(bench: Bench):
    """α is shared over the looks that the suite has."""
    bench.baseline()
    bench.fill(salt=2)
    wide = report(bench).cells[0].endpoints[0]
    bench.suite(3, more="gate: {looks: [3]}")
    narrow = report(bench).cells[0].endpoints[0]
    assert narrow.high - narrow.low < wide.high - wide.low and not next_look(report(bench))
