"""The crash matrix: what it stands on, and the table that it ends with."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))

from chaos_bench import EXECUTORS, Executor, add, lost, new, victim, without
from forked import Warm as Bench

Count = Callable[..., None]


@pytest.fixture(params=EXECUTORS)
def executor(request: pytest.FixtureRequest) -> Executor:
    return EXECUTORS[request.param]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """The suite run from nothing, undisturbed."""
    bench = new(tmp_path_factory.mktemp("whole"))
    EXECUTORS["fork"](bench, code=0)
    return bench


@pytest.fixture
def whole(finished: Bench) -> dict[str, str]:
    """What every record must be in the end."""
    return finished.comparable()


@pytest.fixture
def bench(finished: Bench, tmp_path: Path) -> Bench:
    """All is done but the victim's job."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    bench = Bench(tmp_path)
    bench.victim = victim(bench)  # type: ignore[attr-defined]
    without(bench, bench.victim)  # type: ignore[attr-defined]
    return bench


@pytest.fixture
def count(request: pytest.FixtureRequest, record_property: Callable[[str, object], None], whole: dict[str, str]) -> Count:
    """Notes for the table what was lost in the end, and fails where anything was."""

    def note(fault: str, bench: Bench, tries: int = 1) -> None:
        found = lost(bench, whole)
        add(record_property, request, fault, tries, found)
        assert found == 0

    return note


def pytest_terminal_summary(terminalreporter) -> None:
    """Fault × executor: tries, and lost results, as each test counted them."""
    table: dict[str, dict[str, list[int]]] = defaultdict(dict)
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    for report in reports:
        for name, value in getattr(report, "user_properties", ()):
            if name == "chaos" and report.when == "call":
                fault, executor, tries, found = value
                cell = table[fault].setdefault(executor, [0, 0])
                cell[0], cell[1] = cell[0] + tries, cell[1] + found
    if not table:
        return
    names = [name for name in EXECUTORS if any(name in row for row in table.values())]
    names += sorted({name for row in table.values() for name in row} - {*names})
    terminalreporter.section("chaos: tries / lost results")
    terminalreporter.write_line("".join([f"{'fault':<44}", *(f"{name:>14}" for name in names)]))
    for fault, row in sorted(table.items()):
        cells = [f"{row[name][0]} / {row[name][1]}" if name in row else "·" for name in names]
        terminalreporter.write_line("".join([f"{fault:<44}", *(f"{cell:>14}" for cell in cells)]))
    tries, found = (sum(cell[n] for row in table.values() for cell in row.values()) for n in (0, 1))
    terminalreporter.write_line(f"{tries} tries, {found} lost")
