"""What CI servers read: JUnit XML, GitHub's annotations and summary, the badge; and what a person reads in a terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from gate_bench import Bench, moved

from kdbench.gate.badge import message
from kdbench.gate.github import MOST, command, workflow_commands
from kdbench.gate.junit import junit
from kdbench.gate.markdown import markdown
from kdbench.gate.terminal import terminal
from kdbench.gate.verdicts import CellVerdict, ClaimVerdict, GateReport, Verdict, worst
from kdbench.jobs.job import Cell
from kdbench.stats.claims import Judgement
from kdbench.stats.intervals import Interval
from kdbench.suite.arm import ArmClaim


def fabricated(*verdicts: Verdict, why: str = "because", cell: str = "kd") -> GateReport:
    cells = [
        CellVerdict(Cell("digits", "default", f"{cell}{number}"), "classification", verdict, why)
        for number, verdict in enumerate(verdicts)
    ]
    return GateReport("made", "baselines/made", tuple(cells), (), 0.05, (3, 6, 10), 40)


def test_worst_is_the_first_of_the_order():
    assert worst([Verdict.passed, Verdict.inconclusive, Verdict.improved]) is Verdict.inconclusive
    assert worst([Verdict.missing, Verdict.regressed]) is Verdict.regressed and worst([Verdict.identical]) is Verdict.identical


def test_junit_has_a_case_a_cell(bench: Bench, capsys):
    bench.baseline()
    bench.fill(moved("kd", accuracy=-0.05), salt=2)
    assert bench("gate", "made.yaml", "--junit", "out/gate.xml") == 1
    root = ElementTree.parse(bench.folder / "out" / "gate.xml").getroot()
    cases = {case.get("name"): case for case in root.iter("testcase")}
    assert set(cases) == {"none", "kd", "dkd"} and cases["kd"].get("classname") == "made.digits"
    failure = cases["kd"].find("failure")
    assert (
        failure is not None and failure.get("message", "").startswith("regressed: accuracy worse by") and "noise" in failure.text
    )
    assert root.get("tests") == "3" and root.get("failures") == "1" and root.find("testsuite").get("failures") == "1"
    first = (bench.folder / "out" / "gate.xml").read_bytes()
    bench("gate", "made.yaml", "--junit", "out/gate.xml")
    assert (bench.folder / "out" / "gate.xml").read_bytes() == first  # no times, no host


@pytest.mark.parametrize(
    "verdict, tag, strict",
    [
        ("regressed", "failure", "failure"),
        ("missing", "error", "error"),
        ("stale", "error", "error"),
        ("incomparable", "error", "error"),
        ("removed", "error", "error"),
        ("unjudged", "error", "error"),
        ("drifted", None, "failure"),
        ("inconclusive", "skipped", "failure"),
        ("new", "skipped", "skipped"),
        ("improved", None, None),
        ("passed", None, None),
        ("identical", None, None),
    ],
)
def test_junit_outcomes(verdict: str, tag: str | None, strict: str | None):
    for given, wanted in ((False, tag), (True, strict)):
        root = ElementTree.fromstring(junit(fabricated(Verdict(verdict)), strict=given))
        case = next(root.iter("testcase"))
        assert [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None] == ([wanted] if wanted else [])
        assert verdict in ElementTree.tostring(case, encoding="unicode")


def test_junit_survives_any_label():
    root = ElementTree.fromstring(junit(fabricated(Verdict.regressed, cell='k<"&\x00\x1b\ud800·')))
    assert next(root.iter("testcase")).get("name") == 'k<"&\ufffd\ufffd\ufffd·0'


def test_annotations_are_ten_at_most_and_worst_first():
    many = fabricated(*[Verdict.inconclusive] * 8, *[Verdict.regressed] * 7, *[Verdict.improved] * 2, Verdict.passed)
    lines = workflow_commands(many)
    assert len(lines) == MOST == 10 and all(line.startswith("::error ") for line in lines[:7])
    assert "and 8 more" in lines[-1] and lines[-1].startswith("::warning ")
    assert workflow_commands(fabricated(Verdict.passed, Verdict.identical)) == []
    assert len(workflow_commands(fabricated(*[Verdict.missing] * 10))) == 10


def test_annotations_cannot_be_broken_out_of():
    line = command("error", "a:b,c\n::error::x", "100 %\r\n::set-output name=x::y")
    assert line == "::error title=a%3Ab%2Cc%0A%3A%3Aerror%3A%3Ax::100 %25%0D%0A::set-output name=x::y" and "\n" not in line
    assert command("notice", "t", "m", "a,b:c.yaml") == "::notice file=a%2Cb%3Ac.yaml,title=t::m"


def test_annotations_name_the_suite_where_github_can_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    report = fabricated(Verdict.regressed)
    for suite, said in ((Path("suites/a.yaml"), "file=suites/a.yaml,title="), (tmp_path.parent / "a.yaml", " title=")):
        assert said in workflow_commands(report, suite)[0]


def test_github_gets_summary_and_annotations(bench: Bench, capsys, monkeypatch: pytest.MonkeyPatch):
    bench.baseline()
    bench.fill(moved("kd", accuracy=-0.05), salt=2)
    capsys.readouterr()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(bench.folder / "summary.md"))
    (bench.folder / "summary.md").write_text("# before\n")
    assert bench("gate", "made.yaml", "--github", "--json") == 1
    done = capsys.readouterr()
    assert json.loads(done.out)["exit_code"] == 1  # JSON stays JSON: the annotations go to the other stream
    assert done.err.startswith("::error file=made.yaml,title=regressed%3A digits kd::accuracy worse by")
    text = (bench.folder / "summary.md").read_text()
    assert text.startswith("# before\n## kdbench gate: made") and "| regressed | `kd` | 3/5 | −" in text and "](http" not in text
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert bench("gate", "made.yaml", "--github") == 1 and "::error file=made.yaml,title=regressed" in capsys.readouterr().out


def test_the_summary_fits():
    huge = fabricated(*[Verdict.regressed] * 3000, why="because " * 60)
    assert 900_000 < len(markdown(huge).encode()) < 2**20 and "and more" in markdown(huge)
    escaped = markdown(fabricated(Verdict.regressed, cell="a|b<c", why="x|y<z"))
    assert "`a\\|b<c0`" in escaped and "x\\|y&lt;z" in escaped


@pytest.mark.parametrize(
    "verdicts, words, colour",
    [
        (("passed", "identical"), "2 passed", "brightgreen"),
        (("passed", "inconclusive"), "1 inconclusive, 1 passed", "yellow"),
        (("passed", "regressed", "new"), "1 regressed, 1 new, 1 passed", "red"),
        (("passed", "stale"), "1 stale, 1 passed", "red"),
        (("passed", "unjudged"), "1 unjudged, 1 passed", "red"),
        (("passed", "removed"), "1 removed, 1 passed", "red"),
        (("new", "new"), "2 new", "lightgrey"),
        ((), "nothing to judge", "lightgrey"),
        (("improved", "passed"), "1 improved, 1 passed", "brightgreen"),
    ],
)
def test_badge(verdicts: tuple[str, ...], words: str, colour: str):
    report = fabricated(*map(Verdict, verdicts))
    assert message(report) == (words, colour)


def test_badge_as_a_file(bench: Bench, capsys):
    bench.baseline()
    bench.fill(salt=1)
    assert bench("gate", "made.yaml", "--badge", "badge.json") == 0
    found = json.loads((bench.folder / "badge.json").read_text())
    assert found == {"schemaVersion": 1, "label": "gate made", "message": "3 passed", "color": "brightgreen"}


def test_the_terminal_tells_what_is_wrong_and_what_to_type(bench: Bench, capsys):
    bench.baseline()
    bench.fill(moved("kd", accuracy=-0.05), salt=2)
    capsys.readouterr()
    bench("gate", "made.yaml")
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert lines[0].startswith("gate made: 3 cells against baselines/made: 1 regressed")
    assert "alarms in at most 5 % of the cases" in out and lines[1:3] == ["", "digits"]
    assert "accuracy worse by" in out and "3 against 5 seeds, noise 0.2" in out
    assert re.search(r"\n  +smallest loss seen +1\.\d\d +0\.9\d", out)
    assert re.search(r"\n  +loss that may pass +0\.\d\d +0\.\d\d", out)
    assert "--decide` adds 6 seeds to 2 undecided cells" in out
    narrow = terminal(fabricated(Verdict.stale, cell="a" * 200), 100, "kdbench run made.yaml")
    table = [line for line in narrow.splitlines() if line.startswith("  ")]
    assert max(map(len, table)) <= 100 and "--stale=rerun" in narrow


def test_equal_reasons_are_told_once():
    text = terminal(fabricated(*[Verdict.new] * 30, why="no baseline"), 100, "kdbench run made.yaml")
    assert "30 cells: no baseline" in text and text.count("no baseline") == 1


def test_the_gate_imports_nothing_heavy():
    code = (
        "import sys; from kdbench.cli.verbs import gate, baseline, history; light = set(sys.modules)\n"
        "import kdbench.gate.build, kdbench.gate.terminal, kdbench.gate.junit, kdbench.gate.github, kdbench.gate.markdown\n"
        "import kdbench.gate.steps\n"
        "print(sorted({'numpy', 'scipy', 'kdbench.gate.rule'} & light), sorted({'torch', 'pandas', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


def interval(low: float, high: float) -> Interval:
    return Interval(low, (low + high) / 2, high, 5, "made up")


@pytest.mark.parametrize(
    "over, pair, crossed, words",
    [
        ("none", None, None, "kd − none in accuracy at least +2.00 pp: +2.30 [+1.90, +2.70] pp over 5 seeds: because"),
        ("none", "small", (0.015, 0.031), "kd − none (small) in"),
        ("none", None, (0.015, 0.031), "pp over 5 seeds, [+1.50, +3.10] pp over test examples, too: because"),
        (None, None, None, "kd in accuracy at least 2.00 pp: 2.30 [1.90, 2.70] pp over 5 seeds: because"),
    ],
)
def test_claims_are_told_with_their_intervals(over: str | None, pair: str | None, crossed: tuple | None, words: str):
    claim = ArmClaim("helps", "digits", "default", "kd", over, "accuracy", 0.02, None, "x", None, pair)
    wide = None if crossed is None else interval(*crossed)
    told = ClaimVerdict(claim, Judgement("undecided", 0.023, interval(0.019, 0.027), 5, 4, "because", wide))
    report = GateReport("made", "baselines/made", (), (told,), 0.05, (3, 6, 10), 0)
    line = next(line for line in terminal(report, 1000, "kdbench run made.yaml").splitlines() if "helps" in line)
    assert line.startswith("undecided     claim helps: digits kd") and words in line
    plain = report.data()["claims"][0]
    assert plain["over_pair"] == pair and plain["crossed"] == (None if crossed is None else list(crossed))
