"""Jobs that fail: each with its class, the others go on, and what was decided about failures is obeyed."""

from __future__ import annotations

import shutil

import pytest
import torch
from cli_bench import Bench
from safetensors.torch import load_file, save_file

FAULTY = """\
version: 1
name: faulty
plugins: faulty.py
seeds: 2
tasks: [{task: digits, recipe: {steps: 12}, teachers: {pool: 2, recipe: {steps: 12}}}]
methods: [boom, nan, {method: endless, seeds: [0]}]
"""


def test_failures_have_classes_and_a_divergence_is_a_result(finished: Bench):
    finished.write("faulty.yaml", FAULTY)
    finished.plugin("faulty.py")
    done = finished("run", "faulty.yaml", "--no-track", "--timeout", "4", "--max-failures", "9", code=3)
    assert "5 to run, 4 cached" in done.out  # teachers and controls are the other suite's
    for part in ("5 jobs in", "2 diverged", "3 failed"):
        assert part in done.out
    assert "error: ValueError: no way on at step 3" in done.out and "timeout: took longer than its 4 s" in done.out
    assert done.out.count("no way on") == 1  # two seeds, one cause
    assert {r.status for r in finished.records().values() if r.labels["method"] == "nan"} == {"diverged"}
    status, planned = finished.many("status faulty.yaml", "plan faulty.yaml")
    assert status.code == 3
    assert "2 error" in status.out and "1 timeout" in status.out and "2 diverged" in status.out
    assert planned.out.count("failed: error") == 2 and planned.out.count("failed: timeout") == 1
    log = next(line.split()[1] for line in status.out.splitlines() if line.startswith("    log "))
    assert "no way on at step 3" in (finished.folder / log).read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("option", "failed"), [(["--fail-fast"], 1), (["--max-failures", "1"], 1), (["--max-failures", "2"], 2)])
def test_it_stops_after_so_many_failures(finished: Bench, option, failed):
    finished.write("faulty.yaml", FAULTY)
    finished.plugin("faulty.py")
    words = ("run", "faulty.yaml", "--no-track", "--executor", "inline", "--only", "method=boom", *option)
    done = finished(*words, code=3)
    assert f"{failed} failed" in done.out
    assert ("1 blocked" in done.out) == (failed == 1)


GIVEN = """\
version: 1
name: given
tasks:
  - task: digits
    recipe: {{steps: 12}}
    pairs:
{pairs}methods: [kd]
"""
PAIR = """\
      - name: {name}
        teacher: {{model: digit_net, params: {{widths: [16, 32, 64], depth: 2}}, weights: {weights}}}
"""


def given(**pairs: str) -> str:
    return GIVEN.format(pairs="".join(PAIR.format(name=name, weights=weights) for name, weights in pairs.items()))


def test_given_weights(finished: Bench):
    """Missing or of a refused kind: told before anything runs. Of another net: a failure of its own class. Good ones are used."""
    teacher, record = next((key, r) for key, r in finished.records().items() if r.kind == "teacher")
    weights = finished.folder / f".kdbench/weights/{teacher}.safetensors"
    shutil.copy(weights, finished.folder / "good.safetensors")
    shutil.copy(weights, finished.folder / "renamed.safetensors")
    (finished.folder / "pickle.pkl").write_bytes(b"not a safetensors file")
    state = load_file(weights)
    first = next(iter(state))
    save_file({**state, first: torch.zeros(1, 2, 3)}, finished.folder / "wrong.safetensors")

    finished.write("missing.yaml", given(p="missing.safetensors"))
    finished.write("pickle.yaml", given(p="pickle.pkl"))
    finished.write("good.yaml", given(p="good.safetensors"))
    finished.write("renamed.yaml", given(p="renamed.safetensors"))
    finished.write("given.yaml", given(good="good.safetensors", wrong="wrong.safetensors"))
    missing, pickle, good, renamed = finished.many(
        "run missing.yaml", "run pickle.yaml", "plan good.yaml --json", "plan renamed.yaml --json"
    )
    assert missing.code == pickle.code == 2
    assert "missing.yaml:8:" in missing.err and "there is no file 'missing.safetensors'" in missing.err
    assert "pickle.pkl" in pickle.err and "safetensors" in pickle.err
    assert good.out == renamed.out  # the content is the identity, not the name

    done = finished("run", "given.yaml", "--no-track", "--executor", "inline", code=3)
    assert "data: " in done.out and "WeightsError" not in done.out and "1x2x3" in done.out and first in done.out
    assert "1 failed" in done.out and "1 blocked" in done.out  # the teacher, and its student
    taught = next(r for r in finished.records().values() if r.kind == "teacher" and r.labels["pair"] == "good")
    assert taught.metrics["truth"] == record.metrics["truth"] and taught.weights == record.weights
    assert [r.labels["pair"] for r in finished.records().values() if r.teachers == [taught.key]] == ["good"]
