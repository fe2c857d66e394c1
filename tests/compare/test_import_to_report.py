"""Runs made elsewhere from a file to a report: marked everywhere, a result of no job, a baseline of no gate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from made_up_results import make
from typer.testing import CliRunner

from kdbench.cli.app import app
from kdbench.cli.session import open_suite
from kdbench.contract.errors import KdbenchError

RUNS = """\
task,method,seed,accuracy,source
digits,kd,0,0.91,torchdistill
digits,kd,1,0.93,torchdistill
digits,~sskd,0,0.95,its own code
"""


def ask(words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, words.split(), standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return int(done.return_value or 0), " ".join(done.output.split())


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("KDBENCH_HOME", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    (tmp_path / "runs.csv").write_text(RUNS)
    return tmp_path


def test_importing_twice_is_importing_once_and_looking_is_nothing(folder: Path) -> None:
    before = files(folder / "results")
    dry = ask("results import runs.csv --dry")[1]
    assert dry.count("would add") == 3 and "digits imported:kd (torchdistill) seed 1: accuracy 0.93" in dry
    assert files(folder / "results") == before
    assert "3 runs added, 0 there already" in ask("results import runs.csv")[1]
    after = files(folder / "results")
    assert {name: after[name] for name in before} == before and len(after) == len(before) + 3
    assert all(name.startswith("imported/digits/") for name in after.keys() - before.keys())
    assert "0 runs added, 3 there already" in ask("results import runs.csv")[1]
    assert files(folder / "results") == after


def test_other_numbers_are_refused_unless_asked_for(folder: Path) -> None:
    ask("results import runs.csv")
    kept = files(folder / "results")
    (folder / "runs.csv").write_text(RUNS.replace("0.93", "0.94") + "digits,kd,2,0.9,torchdistill\n")
    with pytest.raises(KdbenchError, match="1 run would get other numbers; nothing was written"):
        ask("results import runs.csv")
    assert files(folder / "results") == kept
    assert "1 run added, 2 there already, 1 with other numbers" in ask("results import runs.csv --replace")[1]
    assert "0 runs added, 4 there already" in ask("results import runs.csv")[1]


def test_they_are_shown_with_a_mark(folder: Path) -> None:
    ask("report made-up.yaml --reports before")
    ask("results import runs.csv")
    code, out = ask("report made-up.yaml")
    assert code == 0 and "imported:kd" in out and "imported:sskd" in out
    text = (folder / "reports/made-up/report.md").read_text()
    assert "| `imported:kd (torchdistill)` | 2 | 92.0 ± 1.4 |" in text and "2 rows marked imported were made elsewhere" in text
    page = (folder / "reports/made-up/index.html").read_text()
    assert page.count('<span class="tag">imported</span>') == 2
    added = {line for line in text.splitlines() if "imported" in line}
    without = (folder / "before/made-up/report.md").read_text().splitlines()
    assert [line for line in text.splitlines() if line not in added] == without  # and nothing else is another


def test_they_are_compared_where_they_are_named(folder: Path) -> None:
    ask("results import runs.csv")
    code, out = ask("compare made-up.yaml kd imported:kd")
    assert code == 0 and "cannot be checked here; seeds are not paired" in out
    assert "accuracy %" in out and "agreement" not in out and "imported" not in out.split("cost of")[1].split("- digits")[0]
    (line,) = json.loads(CliRunner().invoke(app, ["compare", "made-up.yaml", "kd", "imported:kd", "--json"]).output)["lines"]
    assert (line["candidate"]["seeds"], line["baseline"]["seeds"]) == (5, 2) and line["interval"]["how"].startswith("Welch")
    assert ask("compare results imported:kd dkd")[0] == 0
    assert ask("compare made-up.yaml kd dkd")[1].count("imported") == 0
    with pytest.raises(KdbenchError, match="no cell 'imported:dkd'"):
        ask("compare made-up.yaml kd imported:dkd")
    (folder / "more.csv").write_text("task,method,seed,accuracy,source\ndigits,kd,0,0.9,another\n")
    ask("results import more.csv")
    code, out = ask("compare made-up.yaml kd imported:kd")
    assert code == 4 and "'imported:kd' means imported:kd (torchdistill), imported:kd (another)" in out


def test_they_are_no_result_of_a_job_and_no_baseline(folder: Path) -> None:
    session = open_suite(Path("made-up.yaml"), Path("results"))
    before = session.records()
    ask("results import runs.csv")
    assert session.records() == before
    assert not session.plan(session.records()).in_state("run", "blocked")
    (folder / "results/digits/kd").rename(folder / "away")
    lacking = open_suite(Path("made-up.yaml"), Path("results"))
    to_run = [planned.job for planned in lacking.plan(lacking.records()).jobs if planned.state != "cached"]
    assert sum(job.kind == "student" for job in to_run) == 10  # the cells kd and hot: what was imported stands for none
    (folder / "away").rename(folder / "results/digits/kd")
    assert {group.cell for group in session.imported()} == {"imported:kd (torchdistill)", "imported:sskd (its own code)"}
    ask("baseline accept made-up.yaml --reason test")
    accepted = "".join(path.read_text() for path in (folder / "baselines").rglob("*.*"))
    assert "imported" not in accepted and "torchdistill" not in accepted and "sskd" not in accepted
