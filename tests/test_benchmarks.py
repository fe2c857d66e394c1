"""The benchmarks: their statistics and verdicts, that both loops do the same work, and that each of them runs."""

from __future__ import annotations

import importlib
import itertools
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

sys.path.append(str(Path(__file__).parents[1]))  # at the end, so that an installed kdbench stays the one that is tested

from benchmarks import __main__ as command
from benchmarks import measure, parts, show, work
from benchmarks.harness import Harness
from benchmarks.measure import Effort, Line, interleave

TINY = Effort(rounds=1, steps=1, null_steps=2, jobs=160, few=120, pair=work.NULL, small=work.NULL, batch=8)
seconds = st.floats(1e-3, 1e3)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread, and nothing written beside the test."""
    monkeypatch.delenv("KDBENCH_HOME", raising=False)
    torch.set_num_threads(1)


@given(seconds, st.lists(seconds, min_size=1, max_size=9))
def test_a_machine_that_slows_down_changes_no_ratio(ratio: float, pace: list[float]) -> None:
    found = measure.ratios([ratio * second for second in pace], pace)
    assert found == pytest.approx([ratio] * len(pace))
    assert Line("", "×", found, bar=ratio * 1.001, guard=1.0).verdict == "met"


@given(st.floats(0.5, 2), st.floats(0.5, 2), st.booleans(), st.floats(0.9, 1.1) | st.none())
def test_a_verdict_is_said_where_the_reference_equals_itself(
    value: float, bar: float, at_least: bool, guard: float | None
) -> None:
    line = Line("", "×", [value], bar, guard, at_least)
    if guard is not None and abs(guard - 1) > measure.GUARD:
        assert line.verdict == "too noisy"
    else:
        assert line.verdict == ("met" if (value >= bar if at_least else value <= bar) else "missed")
        assert (line.beyond > 0) == (line.verdict == "missed")
    assert replace(line, bar=None).verdict == "no bar"


def test_every_round_runs_every_part_once_and_the_reference_twice() -> None:
    ran: list[str] = []

    def part(name: str):
        return lambda: ran.append(name) or float(len(ran))

    found = interleave({"ours": part("ours"), "bare": part("bare")}, "bare", rounds=8)
    rounds = [ran[start : start + 3] for start in range(0, len(ran), 3)]
    assert all(sorted(each) == ["bare", "bare", "ours"] for each in rounds) and len(rounds) == 8
    assert len({tuple(each) for each in rounds}) > 1, "the order is drawn anew"
    assert {name: len(figures) for name, figures in found.items()} == {"ours": 8, "bare": 8, "bare again": 8}


def test_the_guard_is_a_median_of_pairs() -> None:
    figures = {"bare": [1.0, 2.0, 9.0], "bare again": [1.0, 2.0, 3.0]}
    assert measure.guard(figures, "bare") == 1.0 and measure.mean_of(figures, "bare") == [1.0, 2.0, 6.0]


def test_a_part_within_a_part_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count()
    monkeypatch.setattr("benchmarks.parts.time.process_time", lambda: float(next(clock)))
    watch = parts.Stopwatch()
    with watch.of("loss"), watch.of("student forward"):
        pass
    assert watch.seconds["loss"] == 2 and watch.seconds["student forward"] == 1


LINES = [
    Line("ours / theirs", "×", [1.25, 1.2, 1.3], 1.0, 1.001),
    Line("rate", "× throughput", [1.25], 1.1, 1.0, at_least=True, note="told"),
    Line("cost", "ms", [250.0, 251.0], None, 1.2),
    Line("shaken", "s", [0.1], 0.3, 1.2),
]


def test_lines_say_what_was_found() -> None:
    told = show.text(LINES).splitlines()
    assert [word in line for word, line in zip(("missed by 25%", "met", "no bar", "too noisy"), told)] == [True] * 4
    assert "[1.2 … 1.3]" in told[0] and "≤ 1" in told[0] and "≥ 1.1" in told[1] and told[1].endswith("told")


def test_the_readme_takes_new_figures_and_nothing_else() -> None:
    readme = command.README.read_text(encoding="utf-8")
    block = show.markdown({"overhead": LINES}, json.loads(json.dumps(FACTS)), "2026-11-21")
    once = show.with_block(readme, block)
    assert show.with_block(once, block) == once and show.with_block(once, "x") == show.with_block(readme, "x")
    assert "| overhead | rate (told) | 1.25 × throughput |  | ≥ 1.1 | met |" in once
    with pytest.raises(ValueError, match="lacks the lines"):
        show.with_block("no marks", block)


FACTS = {
    "cpu": "made up", "cores": 2, "gpus": [], "python": "3.11", "torch": "2", "capability": "AVX2", "threads": 1,
    "gemm_fp32_gflops": 1.0, "gemm_bf16_gflops": 2.0, "memory_gb_s": 3.0,
}  # fmt: skip


def test_both_loops_compute_the_same(tmp_path: Path) -> None:
    made = work.make(tmp_path, pair=work.SMALL, batch=8)
    bare, harness = made.bare(), Harness(made.job("kd"))
    counted = []
    for step in (bare.step, lambda: harness.run(1)):
        with FlopCounterMode(display=False) as counter:
            step()
        counted.append(counter.get_total_flops())
    assert counted[0] == counted[1] > 0


def test_what_each_part_takes_is_all_that_a_step_takes(tmp_path: Path) -> None:
    made = work.make(tmp_path, pair=work.SMALL, batch=8)
    for shares in (parts.of_bare(made.bare(), 3), parts.of_harness(Harness(made.job("kd")), 3)):
        assert all(shares[part] > 0 for part in (*parts.PARTS, parts.REST))
        assert shares["backward"] + shares["student forward"] > shares["optimiser"]


@pytest.mark.parametrize("name", command.NAMES)
def test_each_benchmark_runs(name: str, tmp_path: Path) -> None:
    effort = replace(TINY, pair=work.SMALL) if name == "suite" else TINY  # whose methods read features of every stage
    found = importlib.import_module(f"benchmarks.{name}").measure(tmp_path, effort)
    lines = {line.what: line for line in found.lines}
    assert len(lines) == len(found.lines) and show.text(found.lines)
    counted = [line.value for line in found.lines if line.note == "counted"]
    assert counted == ([1.0, 1.0] if name == "suite" else [])
    if found.shares is not None:
        show.picture(found.shares, tmp_path / "step.svg")
        assert set(found.shares) >= {"bare loop", "harness"} and "teacher" in show.bars(found.shares)
