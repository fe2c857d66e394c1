"""The harness's loop beside the bare one: with real networks, with null networks, and in bfloat16."""

from __future__ import annotations

from pathlib import Path

from benchmarks import parts, work
from benchmarks.bare import Bare
from benchmarks.harness import WARM, Harness
from benchmarks.measure import Effort, Figures, Found, Line, guard, interleave, mean_of, ratios, seconds

METHODS = ["kd", {"method": "kd", "name": "bf16", "recipe": {"precision": "bf16"}}]


def measure(folder: Path, effort: Effort) -> Found:
    lines, shares = [], {}
    (folder / "real").mkdir()
    (folder / "null").mkdir()
    made = work.make(folder / "real", METHODS, effort.pair, batch=effort.batch)
    bare, harness, half = warm(made.bare()), Harness(made.job("kd")), Harness(made.job("bf16"))
    found = side_by_side(bare, {"harness": harness, "bf16": half}, effort.steps, effort.rounds)
    at = guard(found, "bare")
    teacher, student = effort.pair
    pair = f"{teacher} → {student}, KD, batch {effort.batch}"
    lines += [
        Line(f"harness / bare loop, {pair}", "×", ratios(found["harness"], mean_of(found, "bare")), 1.02, at),
        Line("bf16 / fp32, the harness's step", "×", ratios(found["bf16"], found["harness"]), 0.60, at),
    ]
    shares["bare loop"] = parts.of_bare(bare, effort.steps)
    shares["harness"] = parts.of_harness(harness, effort.steps)
    shares["harness, bf16"] = parts.of_harness(half, effort.steps)

    made = work.make(folder / "null", ["kd"], work.NULL, batch=effort.batch)
    bare, harness = warm(made.bare()), Harness(made.job("kd"))
    found = side_by_side(bare, {"harness": harness}, effort.null_steps, effort.rounds)
    extra = [(ours - theirs) * 1e3 / effort.null_steps for ours, theirs in zip(found["harness"], mean_of(found, "bare"))]
    theirs = sorted(mean_of(found, "bare"))[effort.rounds // 2] * 1e3 / effort.null_steps
    lines.append(
        Line("harness − bare loop, null networks", "ms a step", extra, 0.5, guard(found, "bare"), note=f"bare {theirs:.2f} ms")
    )
    shares["null networks: bare loop"] = parts.of_bare(bare, effort.null_steps)
    shares["null networks: harness"] = parts.of_harness(harness, effort.null_steps)
    return Found(lines, shares)


def warm(bare: Bare) -> Bare:
    for _ in range(WARM):
        bare.step()
    return bare


def side_by_side(bare: Bare, ours: dict[str, Harness], steps: int, rounds: int) -> Figures:
    def bare_steps() -> None:
        for _ in range(steps):
            bare.step()

    harnesses = {name: seconds(lambda one=one: one.run(steps)) for name, one in ours.items()}
    return interleave({**harnesses, "bare": seconds(bare_steps)}, "bare", rounds)
