"""Options of `pytest --pyargs kdbench.testing`: which plugin files to look at beside what is installed."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kdbench")
    group.addoption("--plugin", action="append", default=[], metavar="FILE", help="a Python file with kdbench plugins")
