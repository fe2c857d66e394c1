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
tasks: [{task: digits, recipe: {steps: 6}, teachers: {recipe: {steps: 6}}}]
methods: [boom, nan, {method: endless, seeds: [0]}]
"""


def test_failures_have_classes_and_a_divergence_is_a_result(bench: Bench):
    bench.write("faulty.yaml", FAULTY)
    bench.plugin("faulty.py")
    done = bench("run", "faulty.yaml", "--no-track", "--timeout", "4", code=3)
    assert "3 done, 2 diverged, 3 failed" in "3 done, 2 diverged, 3 failed" and "8 jobs in" in done.out
    for part in (
        "3 done",
        "2 diverged",
        "3 failed",
        "error: ValueError: no way on at step 3",
        "timeout: took longer than its 4 s",
    ):
        assert part in done.out
    assert done.out.count("no way on") == 1  # two seeds, one cause
    status = bench("status", "faulty.yaml", code=3).out
    assert "2 error" in status and "1 timeout" in status and "2 diverged" in status
    assert {r.status for r in bench.records().values() if r.labels["method"] == "nan"} == {"diverged"}
    key = next(key for key, job in bench.plan("faulty.yaml").items() if job["cell"] == "boom")
    assert "no way on at step 3" in (bench.folder / f".kdbench/jobs/{key}/log.txt").read_text()


@pytest.mark.parametrize(("option", "failed"), [(["--fail-fast"], 1), (["--max-failures", "2"], 2)])
def test_it_stops_after_so_many_failures(bench: Bench, option, failed):
    bench.write("faulty.yaml", FAULTY.replace("methods:", "methods: [boom]\n#"))
    bench.plugin("faulty.py")
    done = bench("run", "faulty.yaml", "--no-track", "--executor", "inline", "--only", "method=boom", *option, code=3)
    assert f"{failed} failed" in done.out
    assert ("1 blocked" in done.out) == (failed == 1)


def test_given_weights(finished: Bench):
    """Missing, of a refused kind, of another net: told with the place or as a failure of its own class; fitting ones are used."""
    suite = finished.folder / "given.yaml"
    text = (
        "version: 1\nname: given\ntasks:\n  - task: digits\n    recipe: {{steps: 12}}\n    pairs:\n"
        "      - name: p\n        teacher: {{model: digit_net, params: {{widths: [16, 32, 64], depth: 2}}, weights: {weights}}}\n"
        "methods: [kd]\n"
    )
    suite.write_text(text.format(weights="missing.safetensors"))
    assert "given.yaml:8:" in (missing := finished("plan", "given.yaml", code=2).err) and "missing.safetensors" in missing

    teacher, record = next((key, r) for key, r in finished.records().items() if r.kind == "teacher")
    weights = finished.folder / f".kdbench/weights/{teacher}.safetensors"
    shutil.copy(weights, finished.folder / "good.safetensors")
    (finished.folder / "pickle.pt").write_bytes(b"not a safetensors file")
    state = load_file(weights)
    first = next(iter(state))
    save_file({**state, first: torch.zeros(1, 2, 3)}, finished.folder / "wrong.safetensors")

    suite.write_text(text.format(weights="pickle.pt"))
    refused = finished("run", "given.yaml", "--no-track", "--executor", "inline")
    assert refused.code in (2, 3) and ".pt files are pickles" in refused.text

    suite.write_text(text.format(weights="wrong.safetensors"))
    wrong = finished("run", "given.yaml", "--no-track", "--executor", "inline", code=3)
    assert "data: " in wrong.out and "1x2x3" in wrong.out and first in wrong.out
    assert "1 blocked" in wrong.out  # the student of that teacher

    suite.write_text(text.format(weights="good.safetensors"))
    plan = finished.plan("given.yaml")
    shutil.move(finished.folder / "good.safetensors", finished.folder / "renamed.safetensors")
    suite.write_text(text.format(weights="renamed.safetensors"))
    assert finished.plan("given.yaml").keys() == plan.keys()  # the content is the identity, not the name
    finished("run", "given.yaml", "--no-track", "--executor", "inline", code=0)
    given = next(r for r in finished.records().values() if r.kind == "teacher" and r.labels["pair"] == "p")
    assert given.metrics["truth"] == record.metrics["truth"] and given.weights == record.weights
