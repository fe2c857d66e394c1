"""`kdbench run --decide`, with real runs: seeds for what is undecided and for nothing else, until the last look."""

from __future__ import annotations

import json

from cli_bench import Bench

SUITE = """\
version: 1
name: open
seeds: SEEDS
plugins: fragile.py
tasks:
  - task: digits
    recipe: {steps: 4}
    teachers: {pool: 2, recipe: {steps: 4}}
methods: [{method: fragile, params: {T: PARAM}}]
gate: {looks: [2, 3], tolerance: 0.0000001, margins: {log_kl: 0.0000001}}
"""
FAST = "--executor inline --no-track"


def seeds(bench: Bench) -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for record in bench.records().values():
        found.setdefault(record.labels["cell"], set()).add(record.labels["seed"])
    return found


def test_undecided_cells_get_seeds_until_the_last_look(bench: Bench):
    bench.plugin("fragile.py")
    bench.write("first.yaml", SUITE.replace("SEEDS", "[0, 1]").replace("PARAM", "2"))
    bench.write("next.yaml", SUITE.replace("SEEDS", "[2, 3]").replace("PARAM", "2"))
    bench.write("more.yaml", SUITE.replace("SEEDS", "[0, 1]").replace("PARAM", "[2, 3]"))
    ran, nothing, accepted, more, planned, refused = bench.many(
        f"run first.yaml {FAST}",
        f"run first.yaml {FAST} --decide",
        "baseline accept first.yaml --reason first",
        f"run more.yaml {FAST} --decide",
        f"run next.yaml {FAST}",
        f"run next.yaml {FAST} --decide --only seed=2",
    )
    assert ran.code == 0 and accepted.code == 0 and planned.code == 0
    assert nothing.code == 4 and "2 new" in nothing.out and "undecided:" not in nothing.out  # without a baseline
    # A new cell and identical ones are not undecided.
    assert more.code == 0 and "1 new, 2 identical" in more.out and "undecided:" not in more.out
    assert refused.code == 2 and "--decide adds seeds" in refused.err
    assert seeds(bench)["none"] == seeds(bench)["fragile[T=2]"] == {0, 1, 2, 3}

    failed = bench("run", "next.yaml", *FAST.split(), "--decide", FRAGILE="1", code=3)
    # A cell that cannot get its seeds does not go round for ever, and the other has what it needs.
    assert failed.out.count("undecided:") == 2 and "2 cells get 2 more seeds" in failed.out and "told to fail" in failed.out
    assert seeds(bench)["none"] == {0, 1, 2, 3, 4} and seeds(bench)["fragile[T=2]"] == {0, 1, 2, 3}

    done, again, gated = bench.many(
        f"run next.yaml {FAST} --decide --json".replace("--no-track", ""),
        f"run next.yaml {FAST} --decide",
        "gate next.yaml --json",
    )
    assert done.code == again.code == gated.code == 0
    assert "1 cell gets 1 more seed, up to 3 each" in done.err and "undecided:" not in again.out
    further = "The gate counts 2 further seeds of 2 cells, which tables and report leave out:"
    assert further in done.err and further in again.out
    assert seeds(bench)["none"] == seeds(bench)["fragile[T=2]"] == {0, 1, 2, 3, 4}
    events = [json.loads(line) for line in done.out.splitlines()]
    told = next(event for event in events if event["kind"] == "gate")
    judged = json.loads(gated.out)
    assert told["cells"] == judged["cells"] and {tuple(cell["seeds"]) for cell in judged["cells"]} == {(2, 3, 4)}
    further = next(
        key for key, record in bench.records().items() if record.labels == {**record.labels, "method": "fragile", "seed": 4}
    )
    assert events[-1]["kind"] == "end" and events[-1]["states"][further] == "done"
