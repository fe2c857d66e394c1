"""The accepted results of a suite: `<folder>/<suite>/<task>.csv`, and beside it what experiments those are, in words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.gate.baseline_file import HEADER, BaselineError, Line, read, write
from kdbench.jobs.job import Cell
from kdbench.results.files import write_atomically
from kdbench.results.record import folder_name
from kdbench.suite.errors import listing, nearest

IDENTITIES = ".identity.json"


@dataclass(frozen=True)
class Baseline:
    """Lines by cell. `identities` tell what a cell was when it was accepted (cell title -> identity without seeds); they explain
    a mismatch and decide nothing, since the keys do."""

    folder: Path
    cells: Mapping[Cell, tuple[Line, ...]] = field(default_factory=dict)
    identities: Mapping[str, Any] = field(default_factory=dict)

    def values(self, cell: Cell, metric: str) -> dict[int, float]:
        """A metric by seed."""
        return {line.seed: line.value for line in self.cells.get(cell, ()) if line.metric == metric}

    def runs(self, cell: Cell) -> dict[int, Line]:
        """A line for each seed, for what all its metrics share."""
        return {line.seed: line for line in self.cells.get(cell, ())}

    def metrics(self, cell: Cell) -> list[str]:
        return list(dict.fromkeys(line.metric for line in self.cells.get(cell, ())))


def load(root: Path, suite: str, tasks: Iterable[str]) -> Baseline:
    """The baselines of a suite's tasks, and of any that it no longer has. All mistakes of all files are one error."""
    folder = root / suite
    if not folder.is_dir() and any(map(is_baseline, root.glob("*.csv"))):
        raise KdbenchError(f"{root} is a suite's own folder of baselines; --baseline names the one above it: {root.parent}")
    known = {folder_name(task, "task"): task for task in tasks}
    cells: dict[Cell, list[Line]] = {}
    identities: dict[str, Any] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        task = known.get(path.stem, path.stem)
        try:
            for line in read(path.read_text(encoding="utf-8"), str(path)):
                cells.setdefault(Cell(task, line.pair, line.cell), []).append(line)
        except UnicodeDecodeError as error:
            problems.append(f"{path}:1: not UTF-8: {error.reason} at byte {error.start}")
        except BaselineError as error:
            problems.append(str(error))
        identities |= _identities(path.with_suffix(IDENTITIES))
    if problems:
        raise BaselineError("\n".join(problems))
    return Baseline(folder, {cell: tuple(lines) for cell, lines in cells.items()}, identities)


def is_baseline(path: Path) -> bool:
    return path.read_bytes().startswith(HEADER.encode())


def absent(folder: Path) -> str:
    """Why there is no baseline in a suite's folder, and what may have been meant."""
    root = folder.parent
    if not root.is_dir():
        return f"there is no folder {root}"
    others = sorted({path.parent.name for path in root.glob("*/*.csv")})
    if near := nearest(folder.name, others):
        return f"there is no folder {folder}; was the suite {near} renamed? Then: `git mv {root / near} {folder}`"
    there = f"; in {root} there is {listing(others)}" if others else ""
    return f"there is no folder {folder}{there}"


def save(baseline: Baseline) -> list[Path]:
    """Write the files whose content changed, remove those of tasks without a line, and say which."""
    tasks: dict[str, list[Cell]] = {}
    for cell, lines in baseline.cells.items():
        if lines:
            tasks.setdefault(cell.task, []).append(cell)
    texts: dict[Path, str] = {}
    for task, cells in tasks.items():
        path = baseline.folder / f"{folder_name(task, 'task')}.csv"
        texts[path] = write(line for cell in cells for line in baseline.cells[cell])
        known = {cell.title: baseline.identities[cell.title] for cell in cells if cell.title in baseline.identities}
        texts[path.with_suffix(IDENTITIES)] = json.dumps(known, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    changed = [path for path, text in texts.items() if not path.is_file() or path.read_bytes() != text.encode()]
    for path in changed:
        write_atomically(path, texts[path].encode())
    gone = [path for ending in ("*.csv", f"*{IDENTITIES}") for path in baseline.folder.glob(ending) if path not in texts]
    for path in gone:
        path.unlink()
    return sorted([*changed, *gone])


def _identities(path: Path) -> dict[str, Any]:
    """They only explain, so a file that is gone or damaged costs an explanation and no verdict."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
