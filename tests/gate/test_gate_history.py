"""The past of a suite, from a real git repository: what each commit brought, where the level stepped, what cannot be read."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from gate_bench import Bench, moved

from kdbench.gate.history import Value
from kdbench.gate.plot import ticks
from kdbench.gate.steps import levels, other_experiment, spread, tracks


def git(folder: Path, *words: str) -> str:
    given = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false", *words]
    return subprocess.run(given, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repo(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    git(bench.folder, "init", "-q", "-b", "main")
    return bench


def commit(bench: Bench, message: str, *paths: str) -> str:
    git(bench.folder, "add", *(paths or ("baselines",)))
    git(bench.folder, "commit", "-q", "-m", message)
    return git(bench.folder, "rev-parse", "HEAD").strip()


def accepted(bench: Bench, message: str, **fill) -> str:
    """New results, accepted and committed."""
    bench.empty()
    bench.fill(**fill)
    assert bench("baseline", "accept", "made.yaml", "--reason", message) == 0
    return commit(bench, message)


def series(bench: Bench, capsys, *words: str) -> dict[str, dict]:
    capsys.readouterr()
    assert bench("history", "made.yaml", "--json", *words) == 0
    return {f"{one['cell']} {one['metric']}": one for one in json.loads(capsys.readouterr().out)["series"]}


def test_steps_are_found_where_they_were_made(repo: Bench, capsys):
    repo.suite(5)
    shas = [
        accepted(repo, "first", salt=1),
        accepted(repo, "noise only", salt=2, torch="2.16.0"),
        accepted(repo, "kd is worse", change=moved("kd", accuracy=-0.03), salt=3, torch="2.17.0"),
        accepted(repo, "and stays so", change=moved("kd", accuracy=-0.03), salt=4, torch="2.18.0"),
    ]
    found = series(repo, capsys)
    assert set(found) == {"none accuracy", "kd accuracy", "dkd accuracy"}  # the primary truth metric, unless another is asked for
    kd = found["kd accuracy"]
    assert [point["commit"] for point in kd["points"]] == shas and all(len(point["values"]) == 5 for point in kd["points"])
    assert [(level["start"], level["began"]) for level in kd["levels"]] == [(0, None), (2, "step")]
    assert kd["levels"][1]["change"] == pytest.approx(-0.03, abs=0.005) and kd["levels"][0]["noise"] == pytest.approx(
        0.0025, rel=0.6
    )
    assert [len(found[name]["levels"]) for name in ("none accuracy", "dkd accuracy")] == [1, 1]


def test_a_commit_is_a_point_only_for_what_it_brought(repo: Bench, capsys):
    first = accepted(repo, "first", salt=1)
    repo.suite("[3, 4]")
    second = accepted(repo, "two more seeds", salt=1)
    third = accepted(repo, "only dkd", change=moved("dkd", accuracy=0.01), salt=1)
    found = series(repo, capsys)
    kd, dkd = found["kd accuracy"], found["dkd accuracy"]
    assert [(p["commit"], [v["seed"] for v in p["values"]]) for p in kd["points"]] == [(first, [0, 1, 2]), (second, [3, 4])]
    assert dkd["points"][-1]["commit"] == third and dkd["points"][-1]["subject"] == "only dkd"


def test_committed_results_count_once_with_their_baseline(repo: Bench, capsys):
    repo.fill(salt=1)
    sha = commit(repo, "results", "results")
    assert repo("baseline", "accept", "made.yaml", "--reason", "x") == 0
    commit(repo, "the same as baseline")
    found = series(repo, capsys, "--metric", "agreement", "--metric", "log_kl")
    assert set(found) == {"kd agreement", "kd log_kl", "dkd agreement", "dkd log_kl"}
    assert [(p["commit"], p["origin"]) for p in found["kd agreement"]["points"]] == [(sha, "results")]


def test_another_experiment_is_a_break_and_no_step(repo: Bench, capsys):
    accepted(repo, "first", salt=1)
    repo.edit(repo.folder / "made.yaml", "task: digits", "task: digits\n    recipe: {lr: 0.0123}")
    repo.fill(moved("kd", accuracy=-0.2), salt=2)
    assert repo("baseline", "accept", "made.yaml", "--reason", "y", "--replace") == 0
    commit(repo, "another recipe")
    assert [level["began"] for level in series(repo, capsys)["kd accuracy"]["levels"]] == [None, "another experiment"]


def test_the_table_and_the_page(repo: Bench, capsys):
    repo.suite(5)
    accepted(repo, "first <b>", salt=1)
    accepted(repo, "worse", change=moved("kd", accuracy=-0.03), salt=3)
    capsys.readouterr()
    assert repo("history", "made.yaml") == 0
    out = capsys.readouterr().out
    assert (
        "digits kd: accuracy" in out and re.search(r"step −3\.\d\d pp, worse", out) and "plot: reports/made/history.html" in out
    )
    page = (repo.folder / "reports" / "made" / "history.html").read_text()
    assert (
        page.count("<svg") == 3
        and page.count('path class="step worse"') == 1
        and 'class="band"' in page
        and "first &lt;b&gt;" in page
    )
    assert "http" not in page and "<b>" not in page  # loads nothing, and shows messages as text
    repo("history", "made.yaml")
    assert (repo.folder / "reports" / "made" / "history.html").read_text() == page


def test_the_table_fits_a_terminal(repo: Bench, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "80")
    repo.suite(5)
    accepted(repo, "the first baseline, of which there is much to say", salt=1)
    accepted(repo, "a change that made it worse", change=moved("kd", accuracy=-0.03, log_kl=0.5), salt=3)
    repo.edit(repo.folder / "made.yaml", "task: digits", "task: digits\n    recipe: {lr: 0.0123}")
    repo.fill(salt=5)
    repo("baseline", "accept", "made.yaml", "--reason", "y", "--replace")
    commit(repo, "another recipe, since the old one was bad")
    capsys.readouterr()
    assert repo("history", "made.yaml", "--metric", "accuracy", "--metric", "log_kl") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80 and any("another experiment" in line for line in lines)
    assert sum(bool(re.search(r"step \S+( pp)?, worse +a", line)) for line in lines) == 2


def test_a_file_that_was_broken_once_is_told_and_passed_over(repo: Bench, capsys):
    accepted(repo, "first", salt=1)
    whole = repo.csv.read_text()
    repo.csv.write_text(whole.replace(",digits", ",", 1) + "<<<<<<< HEAD\n")
    commit(repo, "oops")
    repo.csv.write_text(whole)
    commit(repo, "mended")
    capsys.readouterr()
    assert repo("history", "made.yaml") == 0
    done = capsys.readouterr()
    assert "left out: " in done.err and "conflict marker" in done.err and done.out.count("first") >= 3


def test_no_history_is_told(repo: Bench, capsys):
    assert repo("history", "made.yaml") == 4 and "git knows no baseline" in capsys.readouterr().err


def test_no_repository_is_told(bench: Bench, capsys, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(bench.folder.parent))
    assert bench("history", "made.yaml") == 2 and "history is read from git" in capsys.readouterr().err


def test_an_unknown_metric_is_told(repo: Bench, capsys):
    assert repo("history", "made.yaml", "--metric", "acuracy") == 2 and "did you mean 'accuracy'" in capsys.readouterr().err


def test_single_runs_claim_no_step_unless_the_noise_is_known(repo: Bench, capsys):
    repo.suite(1)
    accepted(repo, "first", salt=1)
    accepted(repo, "worse", change=moved("kd", accuracy=-0.2), salt=2)
    assert [len(one["levels"]) for one in series(repo, capsys).values()] == [1, 1, 1]
    repo.suite(5)
    accepted(repo, "five seeds", salt=3)
    assert [level["began"] for level in series(repo, capsys)["kd accuracy"]["levels"]] == [None, "step", "step"]


def test_other_keys_at_equal_seeds_are_another_experiment():
    before, after = [Value(0, 0.5, "aa", "c")], [Value(1, 0.5, "bb", "c")]
    assert not other_experiment(before, after) and other_experiment(before, [Value(0, 0.5, "bb", "c")])
    assert ticks(0.8528, 0.8648) == pytest.approx([0.855, 0.86]) and ticks(-1.0, 1.0) == [-1, 0, 1]
    assert tracks({}) == [] and spread([]).freedom == 0 and levels([], spread([]), 0, spread([]).freedom, 0.01) == []
