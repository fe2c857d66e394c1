"""The option --plugin of pytest: `pytest -p kdbench.testing.options --pyargs kdbench.testing --plugin FILE`.

A conftest.py would come too late: pytest reads those of named packages after its command line.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("kdbench")
    group.addoption("--plugin", action="append", default=[], metavar="FILE", help="a Python file with kdbench plugins")
