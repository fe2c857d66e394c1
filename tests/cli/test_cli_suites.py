"""What a person writes wrongly is told before anything runs: in suites, in names, in options."""

from __future__ import annotations

import re

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


VERBS = ("check", "plan", "run", "status", "report", "track sync")


def test_five_mistakes_five_places(bench: Bench):
    bench.write("five.yaml", FIVE)
    first = bench("check", "five.yaml", code=2)
    places = [("3", "1"), ("6", "21"), ("8", "13"), ("10", "14"), ("11", "1")]
    assert re.findall(r"^five\.yaml:(\d+):(\d+): ", first.err, re.MULTILINE) == places
    assert "did you mean 'seeds'?" in first.err and "did you mean 'kd'?" in first.err and "5 problems" in first.err
    assert all(done == first for done in bench.many(*(f"{verb} five.yaml" for verb in VERBS)))
    assert first.out == ""


def test_what_cannot_run_is_refused_before_anything_runs(bench: Bench):
    bench.write("sounds.yaml", SOUNDS)
    reason = "needs one class per decision, the task decides on independent tags"
    check, plan, run, status = bench.many(*(f"{verb} sounds.yaml" for verb in ("check", "plan", "run", "status")))
    assert [done.code for done in (check, plan, run, status)] == [2, 2, 2, 3]
    assert all(f"refused  sounds dkd\n         {reason}" in text for text in (check.out, plan.out, run.err, status.out))
    assert "exclude" in run.err and run.out == ""
    assert sorted(p.name for p in bench.folder.iterdir()) == ["sounds.yaml"]


def test_an_exclude_with_its_reason_makes_it_pass(bench: Bench):
    bench.write("sounds.yaml", SOUNDS + EXCLUDE)
    bench.write("silent.yaml", SOUNDS + "exclude:\n  - {task: sounds, method: dkd}\n")
    check, plan, silent = bench.many("check sounds.yaml", "plan sounds.yaml", "check silent.yaml")
    assert (check.code, plan.code, silent.code) == (0, 0, 2)
    assert "ok: 5 cells, 7 jobs (2 teachers)" in check.out
    assert re.search(r"skipped +sounds: dkd \(seed 0\): tags have no target class", plan.out)
    assert "'reason' is missing" in silent.err


def test_names_of_suites(bench: Bench):
    (bench.folder / "folder.yaml").mkdir()
    ours, meant, other, missing, folder = bench.many(
        "plan quickstart", "plan quickstrat", "plan other", "plan missing.yaml", "plan folder.yaml"
    )
    assert [done.code for done in (ours, meant, other, missing, folder)] == [0, 2, 2, 2, 2]
    assert "29 jobs" in ours.out  # it comes with kdbench
    assert "did you mean 'quickstart'?" in meant.err
    assert "no suite 'other'; kdbench list suites" in other.err and "kdbench init" in other.err
    bench.write("other.yaml", "version: 1\nname: mine\ntasks: [digits]\n")
    assert "did you mean 'other.yaml'?" in bench("plan", "other", code=2).err
    (bench.folder / "suites").mkdir()
    for n in range(300):  # a folder may hold much that is no suite
        bench.write(f"a{n}.yaml", "name: zebra crossing\nsteps: [1]\n")
    (bench.folder / "b.yaml").write_bytes(b"version: 1\nname: \xff\xfe\n")
    bench.write("suites/u.yml", 'version: 1\nname: "my-uda"  # ours\ntasks: [digits]\n')
    said = bench.many("plan my-uda", "plan my-udaa", "plan otheryaml", "plan a7", "plan 'zebra crossing'")
    assert [re.search("mean '(.*)'", one.err)[1] for one in said[:4]] == ["suites/u.yml", "suites/u.yml", "other.yaml", "a7.yaml"]
    assert "did you mean" not in said[4].err
    bench.write("suites/quickstart.yaml", "version: 1\nname: mine\ntasks: [digits]\n")
    assert "29 jobs" not in bench("plan", "quickstart", code=0).out  # one's own comes first
    assert "there is no such file" in missing.err
    assert folder.err.startswith("folder.yaml: is a folder")


USAGE = {
    "runn": "Did you mean 'run'?",
    "run tiny.yaml --worker 2": "--worker",
    "run": "Missing argument 'SUITE'",
    "run tiny.yaml --workers 0": "--workers",
    "run tiny.yaml --timeout -1": "--timeout",
    "run tiny.yaml --stale perhaps": "'keep', 'rerun', 'fail'",
    "run tiny.yaml --executor slurm": "'local', 'ray', 'inline'",
    "run tiny.yaml --device gpu": "auto, cpu, cuda or cuda:N",
    "run tiny.yaml --device mps": "only cpu and cuda are tested",
    "list methodz": "did you mean 'methods'?",
    "describe method kdd": "did you mean 'kd'?",
    "describe methd kd": "did you mean 'method'?",
    "describe method kd --sample x.png": "describes a task",
    "describe method self_training": "no method 'self_training'; did you mean 'preset self_training'?",
    "track snyc tiny.yaml": "sync",
    "export abc --to x.pt": ".pt2",
    "export abc": "begins with 'abc'",
}


def test_wrong_usage_is_exit_code_2_and_says_the_way_out(tiny: Bench):
    assert tiny("runn").code == 2
    for (words, said), done in zip(USAGE.items(), tiny.many(*USAGE), strict=True):
        assert done.code == 2 and said in done.err, f"{words}: {done}"
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


def test_options_of_other_tools_are_answered_with_the_way_here(bench: Bench):
    bench.write("five.yaml", FIVE)
    asked = {
        "run five.yaml --epochs 3": "recipe: {steps: 2000",
        "run five.yaml --lr 0.1": "recipe: {steps: 2000",
        "run five.yaml --seeds 5": "`seeds: 3`",
        "run five.yaml --gpu 0": "--device cuda:0",
        "run -c five.yaml": "kdbench run suite.yaml",
        "--list": "kdbench list methods",
    }
    for words, end in zip(asked, bench.many(*asked)):
        assert end.code == 2 and asked[words] in end.err and "Possible options" not in end.err, words


def test_a_shipped_suite_is_not_a_file_here(bench: Bench):
    [end] = bench.many("run suites/quickstart.yaml")
    assert end.code == 2 and "called 'quickstart'" in end.err


def test_a_name_that_a_broken_plugin_may_have(bench: Bench):
    bench.write("mine.py", "import nothing_of_that_name\n")
    bench.write("x.yaml", "version: 1\nname: x\nplugins: mine.py\ntasks: [digits]\nmethods: [mine]\n")
    [end] = bench.many("check x.yaml")
    assert end.code == 2 and "mine.py is broken and left out: line 1: ModuleNotFoundError" in end.err
    assert "expected it in" in end.err and "which is broken and was left out" in end.err and "56 more" not in end.err


def test_a_plugin_that_breaks_is_no_bug_of_ours(bench: Bench):
    bench.write(
        "mine.py",
        "from kdbench.tasks.classification import Digits\n\n\nclass Mine(Digits):\n    name = 'mine'\n\n    def describe(self):\n"
        "        return self.nothing\n",
    )
    [end] = bench.many("describe task mine --plugin mine.py")
    assert end.code == 2 and "a plugin broke: mine.py:8: AttributeError" in end.err and "this is a bug" not in end.err
