"""What a person writes wrongly is told before anything runs: in suites, in names, in options."""

from __future__ import annotations

import re

import pytest
from cli_bench import Bench

FIVE = """\
version: 1
name: five
seedz: 2
tasks:
  - task: digits
    recipe: {steps: many}
methods:
  - method: kdd
  - method: kd
    params: {temp: 4}
name: again
"""
SOUNDS = """\
version: 1
name: sounds
tasks: [digits, {task: sounds, params: {size: small}}]
methods: [kd, dkd]
"""
EXCLUDE = "exclude:\n  - {task: sounds, method: dkd, reason: tags have no target class}\n"


@pytest.mark.parametrize("verb", ["check", "plan", "run", "status", "report"])
def test_five_mistakes_five_places(bench: Bench, verb):
    bench.write("five.yaml", FIVE)
    done = bench(verb, "five.yaml", code=2)
    assert re.findall(r"^five\.yaml:(\d+):(\d+): ", done.err, re.MULTILINE) == [
        ("3", "1"),
        ("6", "21"),
        ("8", "13"),
        ("10", "14"),
        ("11", "1"),
    ]
    assert "did you mean 'seeds'?" in done.err and "did you mean 'kd'?" in done.err and "5 problems" in done.err
    assert done.out == ""


def test_what_cannot_run_is_refused_before_anything_runs(bench: Bench):
    bench.write("sounds.yaml", SOUNDS)
    reason = "needs one class per decision, the task decides on independent tags"
    for verb in ("check", "plan"):
        assert f"refused  sounds dkd\n         {reason}" in bench(verb, "sounds.yaml", code=2).out
    done = bench("run", "sounds.yaml", code=2)
    assert reason in done.err and "exclude" in done.err
    assert sorted(p.name for p in bench.folder.iterdir()) == ["sounds.yaml"]
    assert reason in bench("status", "sounds.yaml", code=3).out


def test_an_exclude_with_its_reason_makes_it_pass(bench: Bench):
    bench.write("sounds.yaml", SOUNDS + EXCLUDE)
    assert "ok: 5 cells, 7 jobs (2 teachers)" in bench("check", "sounds.yaml", code=0).out
    plan = bench("plan", "sounds.yaml", code=0).out
    assert re.search(r"skipped +sounds: dkd \(seed 0\): tags have no target class", plan)
    bench.write("sounds.yaml", SOUNDS + "exclude:\n  - {task: sounds, method: dkd}\n")
    assert "'reason' is missing" in bench("check", "sounds.yaml", code=2).err


def test_names_of_suites(bench: Bench):
    done = bench("plan", "quickstart", code=2)
    assert "no suite 'quickstart'; there is no folder ./suites here" in done.err and "kdbench init" in done.err
    (bench.folder / "suites").mkdir()
    bench.write("suites/quickstart.yaml", "version: 1\nname: quickstart\ntasks: [digits]\n")
    assert "did you mean 'quickstart'?" in bench("plan", "quickstrat", code=2).err
    assert "./suites has quickstart" in bench("plan", "other", code=2).err
    assert "2 jobs" in bench("plan", "quickstart", code=0).out
    assert "there is no such file" in bench("plan", "missing.yaml", code=2).err
    (bench.folder / "folder.yaml").mkdir()
    assert bench("plan", "folder.yaml", code=2).err.startswith("folder.yaml: is a folder")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runn"], "Did you mean 'run'?"),
        (["run", "tiny.yaml", "--worker", "2"], "--worker"),
        (["run"], "Missing argument 'SUITE'"),
        (["run", "tiny.yaml", "--workers", "0"], "--workers"),
        (["run", "tiny.yaml", "--timeout", "-1"], "--timeout"),
        (["run", "tiny.yaml", "--stale", "perhaps"], "'keep', 'rerun', 'fail'"),
        (["run", "tiny.yaml", "--executor", "ray"], "'local', 'inline'"),
        (["run", "tiny.yaml", "--device", "gpu"], "auto, cpu, cuda or cuda:N"),
        (["run", "tiny.yaml", "--device", "mps"], "only cpu and cuda are tested"),
        (["list", "methodz"], "did you mean 'methods'?"),
        (["describe", "method", "kdd"], "did you mean 'kd'?"),
        (["describe", "methd", "kd"], "did you mean 'method'?"),
        (["describe", "method", "kd", "--sample", "x.png"], "describes a task"),
        (["track", "snyc", "tiny.yaml"], "sync"),
        (["export", "abc", "--to", "x.pt"], ".safetensors"),
        (["export", "abc"], "begins with 'abc'"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_says_the_way_out(tiny: Bench, words, said):
    done = tiny(*words, code=2)
    assert said in done.err
    assert sorted(p.name for p in tiny.folder.iterdir()) == ["tiny.yaml"]


def test_a_device_that_is_not_there(tiny: Bench):
    done = tiny("run", "tiny.yaml", "--device", "cuda:7", code=2, CUDA_VISIBLE_DEVICES="")
    assert "cuda:7" in done.err and "use cpu" in done.err


def test_debug_may_stand_anywhere_and_shows_the_traceback(bench: Bench):
    import subprocess

    from cli_bench import KDBENCH, environment

    for words in (["--debug", "plan", "no.yaml"], ["plan", "no.yaml", "--debug"]):
        made = subprocess.run([KDBENCH, *words], cwd=bench.folder, env=environment(), capture_output=True, text=True, timeout=100)
        assert made.returncode == 2
        assert "Traceback" in made.stderr and "there is no such file" in made.stderr
