"""A student that is its teacher's cheap twin, in a suite."""

from __future__ import annotations

import json

from cli_bench import Bench

SUITE = """\
version: 1
name: moonshine
seeds: 1
tasks:
  - task: digits
    recipe: {steps: 4}
    pairs:
      - {name: twin, teacher: {model: digit_net}, student: {model: "cheap:MODEL", params: {bottleneck: 2, depth: 2}}}
methods: [at]
"""


def test_attention_transfer_to_a_cheap_twin(bench: Bench):
    bench.write("moonshine.yaml", SUITE.replace("MODEL", "digit_net"))
    bench("run", "moonshine.yaml", "--no-track", code=0)
    (path,) = (bench.folder / "results").rglob("at/*.json")
    record = json.loads(path.read_text())
    assert record["identity"]["student"]["model"] == "cheap:digit_net"
    assert record["cost"]["parameters"] == 1_610  # of 7,154


def test_a_network_that_is_not_there_is_named(bench: Bench):
    bench.write("moonshine.yaml", SUITE.replace("MODEL", "digit_nett"))
    told = bench("check", "moonshine.yaml", code=2)
    assert "moonshine.yaml:8:" in told.err and "digit_net" in told.err
