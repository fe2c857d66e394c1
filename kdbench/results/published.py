"""Figures of the literature as committed tables: `<task>.csv` in a folder, a line a figure, read strictly.

What a figure means depends on how it was made, so a line carries that too: budget, last or best epoch, runs, settings, data.
`?` stands for what its source does not tell; a name that begins with `~` is one that kdbench need not have. Shares are in
percent, as papers print them, and fractions once read. The columns are explained in baselines/README.md.
"""

from __future__ import annotations

from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.registry import Registry
from kdbench.results.figure import Figure
from kdbench.results.names import unknown
from kdbench.results.published_row import Row
from kdbench.tasks.data.csv_rows import with_header

HERE = Path("baselines/published")
PACKAGED = Path(__file__).parents[1] / "published"  # the same folder; a wheel carries its files
COLUMNS = (
    "task", "teacher", "student", "method", "metric", "value", "spread", "runs", "teacher_value", "student_value", "epochs",
    "steps", "epoch", "params", "recipe", "data", "differs", "source",
)  # fmt: skip


def find(folder: Path | None = None) -> Path | None:
    """The folder that is meant: the one given, else that of the working directory, else the one that came with kdbench."""
    if folder is None:
        return next((known for known in (HERE, PACKAGED) if known.is_dir()), None)
    if not folder.is_dir():
        raise DataError(f"no folder {folder}; published figures are one CSV file a task, as in {HERE}")
    if not any(folder.glob("*.csv")):
        raise DataError(f"{folder} has no CSV file; published figures are one a task, as in {HERE}")
    return folder


def read(folder: Path, registry: Registry) -> list[Figure]:
    """Every figure of a folder; one error names all lines that are wrong."""
    found: list[Figure] = []
    faults: list[str] = []
    for path in sorted(folder.glob("*.csv")):
        try:
            found += figures(path, registry, faults)
        except DataError as error:  # the file as a whole
            faults.append(str(error))
    if faults:
        raise DataError("\n".join(faults))
    return found


def figures(path: Path, registry: Registry, faults: list[str]) -> list[Figure]:
    """The figures of one file; what is wrong with its lines goes to `faults`."""
    found: list[Figure] = []
    seen: dict[tuple[str, ...], str] = {}
    for place, row in with_header(path, COLUMNS):
        if extra := [name for name in row if name not in COLUMNS]:
            raise DataError(unknown(f"{path}:1", "column", extra[0], COLUMNS))
        told = tuple(text for name, text in row.items() if name not in ("value", "spread"))
        try:
            if told in seen:
                raise DataError(
                    f"{place}: the same as {seen[told]}; what two figures of one source differ in is told in 'differs'"
                )
            found.append(Row(place, row, path.stem, registry).figure())
        except DataError as error:
            faults.append(str(error))
        seen[told] = place
    return found
