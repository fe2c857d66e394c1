"""test-method, test-task, new-method, new-task and the pytest entry: what they print, write, refuse and end with."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_bench import Bench, environment

from kdbench.registry import Registry
from kdbench.testing.chosen import find, of_file
from kdbench.testing.conform import conform, conform_task, serve
from kdbench.testing.families import FAMILIES
from kdbench.testing.verdict import RULES, TASK_RULES

FILE = Path(__file__).with_name("lists_only.py")
LISTS = "retrieval"


def test_a_table_of_rules_and_families_with_failures_in_words(bench: Bench):
    shutil.copy(FILE, bench.folder / "mine.py")
    commands = ("test-method mine.py:Scores", "test-method mine.py:Careless", "test-method mine.py --json")
    sound, careless, as_json = bench.many(*commands, COLUMNS="80")  # in one process: imports and data are paid for once
    assert [end.code for end in (sound, careless, as_json)] == [0, 6, 6]
    lines = sound.out.splitlines()
    assert lines[0] == "method scores, version 1 (mine.py)" and lines[2].split() == [LISTS]
    assert [line.split()[0] for line in lines[3 : 3 + len(RULES)]] == list(RULES)
    assert (
        "scores: conforms" in lines[-2]
        and "whether it helps" in lines[-1]
        and "not for tagging: needs a list of candidates" in sound.out
    )
    assert max(map(len, lines)) <= 80

    assert "FAIL  nothing-valid (retrieval): term 'scores' is" in careless.out
    assert "mend: reduce with decisions.mean" in careless.out
    assert "did you mean 'weight-zero'?" in careless.out

    found = json.loads(as_json.out)["plugins"]
    assert {p["name"]: p["passed"] for p in found} == {"scores": True, "careless": False, "excused": True}
    excused = next(p for p in found if p["name"] == "excused")
    states = {f["rule"]: f["state"] for f in excused["findings"]}
    assert states["nothing-valid"] == "exempt" and states["order"] == "pass"
    assert set(excused["not served"]) == {f.name for f in FAMILIES} - {LISTS}


def test_what_is_asked_for_must_be_there(bench: Bench):
    bench.write("empty.py", "x = 1\n")
    bench.write("broken.py", "raise RuntimeError('not finished')\n")
    ends = bench.many(
        "test-method", "test-method kdd", "test-method none.py", "test-method empty.py", "test-method broken.py",
        "test-task digit", "test-task digits --param labelled", "test-method kd --all", "new-method 3d", "new-method source_only",
    )  # fmt: skip
    assert [end.code for end in ends] == [2] * len(ends)
    assert "did you mean 'kd'" in ends[1].err and "no such file" in ends[2].err
    assert "defines no" in ends[3].err and "not finished" in ends[4].err
    assert "did you mean 'digits'" in ends[5].err and "expected NAME=VALUE" in ends[6].err
    assert "there is a method 'source_only' already" in ends[9].err


def test_starting_files_conform_and_are_not_overwritten(bench: Bench, monkeypatch):
    written = bench.many("new-method soft_gap", "new-task corners", "new-method soft_gap", "new-task corners --force")
    assert [end.code for end in written] == [0, 0, 2, 0] and "soft_gap.py exists; --force overwrites it" in written[2].err
    monkeypatch.chdir(bench.folder)
    registry = Registry([Path("soft_gap.py"), Path("corners.py")], packages=False)
    assert not registry.broken
    assert len(Path("soft_gap.py").read_text().splitlines()) <= 40
    [method] = of_file(registry, "soft_gap.py", None)
    for family in FAMILIES:
        assert serve(method, family, registry).case is not None
    found = conform(method, registry, FAMILIES[:1])
    assert not found.failed and {f.rule for f in found.findings} == set(RULES)
    assert {f.verdict.state for f in found.findings} == {"pass"}
    task = conform_task(registry.task("corners"), {}, registry)
    assert not task.failed and {f.rule for f in task.findings} == set(TASK_RULES)


@pytest.mark.parametrize("name", ["digits", "streets", "topics"])
def test_built_in_tasks_conform(name):
    small = {family.task: family.params for family in FAMILIES}
    registry = Registry(packages=False)
    assert not conform_task(registry.task(name), small[name], registry).failed


def test_wrappers_are_looked_at_around_a_method():
    registry = Registry(packages=False)
    found = conform(find("logit_std", registry), registry, [FAMILIES[0]])
    assert {f.verdict.state for f in found.findings if f.rule in ("trains", "owners", "resume", "weight-zero")} == {"pass"}


def test_pytest_shows_one_test_for_plugin_rule_and_family(tmp_path):
    words = [
        "-p",
        "kdbench.testing.options",
        "--pyargs",
        "kdbench.testing",
        "--plugin",
        str(FILE),
        "-vv",
        "-p",
        "no:cacheprovider",
        "-n0",
    ]
    words += ["-k", "careless and (order or valid) or exemptions"]
    own = {name: value for name, value in environment().items() if not name.startswith("PYTEST_")}  # it is no worker of ours
    made = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=tmp_path, capture_output=True, text=True, timeout=240, env=own
    )
    assert made.returncode == 1, made.stdout + made.stderr
    shown = dict(re.findall(r"::(test_\S+)(?: <- \S+)? (PASSED|FAILED)", made.stdout))  # pytest may say where a test lies
    assert shown["test_method[careless-order-retrieval]"] == "PASSED", made.stdout
    assert shown["test_method[careless-nothing-valid-retrieval]"] == shown["test_exemptions[careless]"] == "FAILED"
    assert "kd-order" not in made.stdout
    assert "mend: reduce with decisions.mean" in made.stdout and "Traceback" not in made.stdout
