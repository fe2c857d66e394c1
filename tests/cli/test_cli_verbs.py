"""The other verbs: init, schema, doctor, list, describe, export."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from cli_bench import Bench
from safetensors.torch import load_file

from kdbench.registry import Registry, load_target
from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.train.evaluate import on_splits


def test_init_writes_a_suite_that_runs(bench: Bench):
    assert "my-first.yaml" in bench("init", "my-first", code=0).out
    assert "exists; --force overwrites it" in bench("init", "my-first.yaml", code=2).err
    bench("init", "my-first.yaml", "--force", code=0)
    bench("check", "my-first.yaml", code=0)
    words = ("--profile", "smoke", "--only", "method=none|fitnets", "--no-track", "--executor", "inline")
    done = bench("run", "my-first.yaml", *words)
    assert done.code in (0, 1), done.text  # with 40 steps its claim may fail
    assert "reports/my-first-smoke-only/index.html" in done.out and "done" in done.out


def test_init_says_what_to_commit(bench: Bench):
    assert "git" not in bench("init", "a.yaml", code=0).out  # no checkout
    subprocess.run(["git", "init", "-q"], cwd=bench.folder, check=True)
    (bench.folder / ".gitignore").write_text("reports/\n")
    out = bench("init", "b.yaml", code=0).out
    line = next(line for line in out.splitlines() if ".gitignore" in line)
    assert "commit suites, plugins and baselines/" in out and line.split()[2:] == ["results/", "__pycache__/", ">>", ".gitignore"]
    subprocess.run(line, shell=True, cwd=bench.folder, check=True)
    assert (bench.folder / ".gitignore").read_text() == "reports/\nresults/\n__pycache__/\n"
    assert "git" not in bench("init", "c.yaml", code=0).out


def test_init_names_the_suite_after_its_file(bench: Bench):
    bench("init", "Größe 1.yaml", code=0)
    bench("check", "Größe 1.yaml", code=0)


def test_schema_accepts_the_suites_that_check_accepts(bench: Bench):
    schema = json.loads(bench("schema", code=0).out)
    assert schema["properties"].keys() >= {"version", "name", "tasks", "methods", "seeds", "claims", "profiles"}
    assert schema["additionalProperties"] is False


def test_doctor_looks_at_everything(bench: Bench):
    (bench.folder / "file").write_text("")
    done, blocked = bench.many("doctor", "doctor --results file/results")
    assert done.code in (0, 2)
    for word in ("python", "torch", "mlflow", "cpu", "gpu", "memory", "disk", "plugins"):
        assert f"\n{word} " in done.out
    assert done.out.rstrip().endswith("ok") == (done.code == 0)
    assert blocked.code == 2 and "is a file where a folder is needed" in blocked.out


def test_list_and_describe(bench: Bench):
    everything = json.loads(bench("list", "--json", code=0).out)
    assert everything["tasks"].keys() >= {"digits", "streets", "topics", "sounds"}
    assert everything["methods"].keys() >= {"none", "kd", "dkd", "fitnets", "at", "margin_mse"}
    assert everything["sources"].keys() >= {"live", "ensemble", "stored"} and everything["broken"] == {}
    (bench.folder / "suites").mkdir()
    bench.write("suites/one.yaml", "# A first line.\nversion: 1\n")
    listed = bench("list", "suites", code=0).out
    assert re.search("^one  +A first line.$", listed, re.M) and re.search("^quickstart  +The four families", listed, re.M)
    alias, method, model = bench.many("describe method source_only --json", "describe method dkd", "describe model timm:resnet18")
    assert json.loads(alias.out)["name"] == "none"  # the family's own name
    assert "axes" in method.out and "stage1" in model.out
    assert "source_only" in everything["methods"]["none"] and everything["stages"].keys() >= {"mixup"}
    assert everything["presets"]["ssld"].startswith("Label-free distillation")
    preset, missing = bench.many("describe preset gt_self", "describe preset gt_sef")
    assert "stands for\n  method: brier_kd\n  source: earlier" in preset.out and "NeurIPS 2021" in preset.out
    assert missing.code == 2 and "did you mean 'gt_self'?" in missing.err


def test_describe_says_what_a_source_gives(bench: Bench):
    ensemble, peers = bench.many("describe source ensemble", "describe source peers")
    gives = ensemble.out.partition("\ngives\n")[2]
    assert "reduce: logit      values" in gives and "2 or more teachers" in gives
    assert "of one teacher" not in gives and "only where decisions lie on a map" in gives
    assert "no teacher of the pool" in peers.out


def test_describe_a_task_and_see_a_sample(bench: Bench):
    told = bench("describe", "task", "digits", "--sample", "digits.png", code=0).out
    for word in ("sizes", "fingerprint", "licence", "labelled = 100", "sample: digits.png"):
        assert word in told
    assert (bench.folder / "digits.png").read_bytes().startswith(b"\x89PNG")


def test_an_exported_student_is_the_bare_model_that_was_evaluated(finished: Bench):
    key, record = next((k, r) for k, r in finished.records().items() if r.labels["cell"] == "kd[weight=0.8]")
    assert "results have a key that begins with ''" in finished("export", "", code=2).err
    done = finished("export", key[:12], "--to", "out/student.safetensors", code=0)
    assert "digits kd[weight=0.8] seed" in done.out and "digit_net" in done.out

    student = record.identity["student"]
    task = load_target(Registry().task("digits").target)()
    plugin = load_target(Registry().model(student["model"]).target)
    bare = plugin.build(task.facts, plugin.Config(**student["params"]))
    bare.load_state_dict(load_file(finished.folder / "out/student.safetensors"), strict=True)
    logits = on_splits(task, task.net(plugin, bare), torch.device("cpu"), ("test",))["test/logits"]
    stored = OutputStore(Home(finished.folder / ".kdbench")).get(record.outputs["test/logits"])
    np.testing.assert_allclose(logits, stored, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_weights_that_are_not_what_the_record_says_are_not_exported(finished: Bench, damage):
    key = next(iter(finished.records()))
    weights = finished.folder / f".kdbench/weights/{key}.safetensors"
    weights.unlink() if damage == "gone" else weights.write_bytes(b"other")
    done = finished("export", key, code=2)
    assert ("are not in .kdbench/weights" in done.err) if damage == "gone" else ("is not what its record says" in done.err)
    assert not (finished.folder / "student.pt2").exists()


HOLD = """
import pathlib, sys, time
from kdbench.execute.claims import claim
with claim(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_status_tells_a_run_that_is_on_from_one_that_was_stopped(tiny: Bench):
    plan = json.loads(tiny("plan", "tiny.yaml", "--json").out)
    key = next(job["key"] for job in plan["jobs"] if job["cell"].endswith("steps=150}"))
    folder = tiny.folder / ".kdbench/jobs" / key
    folder.mkdir(parents=True)
    worker = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None and worker.stdout.readline() == "held\n"
    told = [{"t": time.time(), "event": "start", "pid": worker.pid}, {"t": time.time(), "event": "metric", "step": 30}]
    (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told))
    status, planned = tiny.many("status tiny.yaml", "plan tiny.yaml")
    worker.kill()
    worker.wait()
    after = tiny("status", "tiny.yaml", code=3)
    assert "kd[weight=0.6]{steps=150}  1 at work" in status.out and "30 of 150 steps" in status.out
    assert status.out.endswith("a run is on: it does what is missing\n") and f"(process {worker.pid})" in planned.out
    assert "at work" not in after.out and after.out.endswith("kdbench run tiny.yaml does what is missing\n")
