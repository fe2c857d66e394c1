"""A teacher that decides among other answers than the task's: learned from, never scored."""

from __future__ import annotations

import json

import torch
from cli_bench import Bench
from safetensors.torch import save_file

from kdbench.contract.model import Facts
from kdbench.models.small import DigitNetConfig, digit_net

SUITE = """\
version: 1
name: foreign
seeds: 1
tasks:
  - task: digits
    recipe: {steps: 6}
    pairs:
      - {name: seven, teacher: {model: digit_net, weights: seven.safetensors, outputs: 7}, student: {model: digit_net}}
    methods: [sp]
  - task: digits
    name: kinds
    recipe: {steps: 6}
    pairs:
      - name: two
        teacher:
          - {model: digit_net, weights: seven.safetensors, outputs: 7}
          - {model: digit_net, weights: four.safetensors, outputs: 4}
        student: {model: digit_net}
    methods:
      - {method: distill_weighted, source: both, params: {probes: 20}}
sources:
  both: {source: ensemble, teachers: 2}
"""


def given(bench: Bench) -> None:
    for name, answers in (("seven", 7), ("four", 4)):
        torch.manual_seed(answers)
        net = digit_net.build(Facts(outputs=answers, channels=1, size=(8, 8)), DigitNetConfig())
        save_file(net.state_dict(), bench.folder / f"{name}.safetensors")


def test_features_and_own_heads_learn_from_it(bench: Bench):
    given(bench)
    bench.write("foreign.yaml", SUITE)
    done = bench("run", "foreign.yaml", "--no-track", code=0)
    records = [json.loads(path.read_text()) for path in (bench.folder / "results").rglob("*.json") if path.stem != "against"]
    by_kind = {
        kind: [r for r in records if r["labels"]["method"] == kind] for kind in ("teacher", "none", "sp", "distill_weighted")
    }
    assert {kind: len(found) for kind, found in by_kind.items()} == {"teacher": 2, "none": 1, "sp": 1, "distill_weighted": 1}
    assert all(record["metrics"] == {} for record in by_kind["teacher"])
    for kind in ("none", "sp", "distill_weighted"):
        assert set(by_kind[kind][0]["metrics"]) >= {"truth"} and "fidelity" not in by_kind[kind][0]["metrics"]
    assert "sp" in done.out and "distill_weighted" in done.out


def test_its_answers_are_refused_to_methods_that_compare_them(bench: Bench):
    given(bench)
    bench.write("foreign.yaml", SUITE.replace("[sp]", "[kd]"))
    told = bench("check", "foreign.yaml", code=2)
    assert "the teacher decides among 7 answers of its own" in told.out + told.err
    bench.write("trained.yaml", SUITE.replace(" weights: seven.safetensors,", ""))
    told = bench("check", "trained.yaml", code=2)
    assert "is given as weights: this task cannot train it" in told.err
