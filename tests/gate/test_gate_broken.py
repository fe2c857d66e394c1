"""The study of broken methods is what it says: the same jobs by name and version, other code; and its page tells every case."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdbench.cli.session import open_suite

HERE = Path(__file__).parent / "broken"
PAGE = Path(__file__).parents[2] / "docs" / "gate-broken.md"
sys.path.insert(0, str(HERE))
import study  # noqa: E402


@pytest.mark.parametrize("case", study.CASES, ids=lambda case: f"{case.plugin}{case.profile}")
def test_a_broken_method_takes_the_place_of_the_intact_one(case: study.Case, tmp_path: Path):
    def jobs(plugin: str) -> dict[str, str]:
        session = open_suite(HERE / f"{case.suite}.yaml", tmp_path, case.profile or None, None, [HERE / f"{plugin}.py"])
        assert not session.registry.broken and not session.jobs.refusals
        return {key: " ".join(job.targets.values()) for key, job in session.jobs.jobs.items()}

    intact, broken = jobs("intact"), jobs(case.plugin)
    assert intact.keys() == broken.keys()
    assert (intact == broken) == (case.plugin == "intact")


def test_every_file_is_studied_and_every_case_is_told():
    assert {case.plugin for case in study.CASES} == {path.stem for path in HERE.glob("*.py")} - {"study"}
    text = PAGE.read_text(encoding="utf-8")
    assert text.startswith(study.HEAD)
    for case in study.CASES:
        assert f"\n| {case.what} | " in text, case.what


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_study(tmp_path: Path):
    """Ten minutes on two cores: what must be caught is, and nothing else alarms."""
    study.main(tmp_path, tmp_path / "page.md")
    rows = {
        line.split(" | ")[0].strip("| "): line for line in (tmp_path / "page.md").read_text().splitlines() if line[:2] == "| "
    }
    for case in study.CASES:
        if case.plugin == "intact":
            assert "caught" not in rows[case.what]
    assert "caught" in rows["T² dropped"] and "caught" in rows["teacher left in train mode"]
