"""Exit codes: each has one meaning, where several hold one order decides, and README and --help say both."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest

from kdbench.cli.app import app, explain
from kdbench.cli.exits import Exit, worst
from kdbench.contract.errors import DataError

README = Path(__file__).parents[2] / "README.md"
ORDER = [2, 3, 1, 4, 5]


def test_the_first_in_the_order_is_told():
    for size in range(len(ORDER) + 1):
        for held in combinations(ORDER, size):
            assert worst([Exit.ok, *map(Exit, reversed(held))]) == (held[0] if held else 0)


@pytest.mark.parametrize("text", [README.read_text(encoding="utf-8"), app.info.epilog], ids=["README", "help"])
def test_codes_and_order_are_documented(text: str):
    told = re.search(r"Exit codes: (.*?)\. Where several hold: ([\d, ]+)\.", " ".join(text.split()))
    assert told is not None
    assert [int(part.split()[0]) for part in re.split(r" · |, (?=\d)", told[1])] == [int(code) for code in Exit]
    assert [int(code) for code in told[2].split(", ")] == ORDER


@pytest.mark.parametrize(
    "error, code",
    [(DataError("the data are gone"), 2), (FileNotFoundError(2, "No such file", "x.yaml"), 2), (ZeroDivisionError(), 70)],
)
def test_errors_have_their_codes(error: Exception, code: int, capsys: pytest.CaptureFixture[str]):
    assert explain(error) == code
    assert capsys.readouterr().err.startswith("kdbench: ")
