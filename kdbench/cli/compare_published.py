"""kdbench compare --published: results beside the figures of the literature."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.session import Session, known_plugins
from kdbench.cli.text import wrapped
from kdbench.cli.verdicts import finite

if TYPE_CHECKING:
    from kdbench.compare.beside import Beside


def beside_published(session: Session | None, results: Path, names: Sequence[str], folder: Path | None, as_json: bool) -> int:
    """Print a line for each cell and figure of it; exit code 4 where none can be compared."""
    from kdbench.cli.verbs.compare import check_names, groups_here, meant
    from kdbench.compare.beside import beside
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.published import HERE, find, read

    place = find(folder)
    if place is None:
        raise KdbenchError(f"there is no folder {HERE} here; --published-in names another")
    registry = session.registry if session else known_plugins()
    _, groups, _ = groups_here(session, results)
    check_names(names, groups)
    chosen = meant(names, groups) if names else groups
    lines = beside(chosen, read(place, registry), registry)
    typer.echo(as_data(lines) if as_json else as_text(lines, place))
    return Exit.ok if any(line.interval is not None for line in lines) else Exit.incomparable


def as_text(lines: Sequence[Beside], place: Path) -> str:
    from kdbench.report.published import ABOUT, in_short, rows

    if not lines:
        return f"no figure in {place} is of a cell with results here: of its task, networks and method"
    shown = rows(lines)
    parts = []
    for where in dict.fromkeys(row.place for row in shown):
        parts.append(where)
        for row in (row for row in shown if row.place == where):
            values = f"{row.metric} {row.ours} ({row.seeds}), theirs {row.theirs} ({row.made})"
            found = f"{row.verdict} {row.difference}".rstrip()
            parts.append(wrapped(f"{row.cell}: {values}: {found}: {row.why}. {row.source}", 4, "  "))
    return "\n".join([*parts, "", in_short(lines), wrapped(" ".join(ABOUT))])


def as_data(lines: Sequence[Beside]) -> str:
    found = []
    for line in lines:
        plain = asdict(line)
        plain["figure"]["metric"] = line.metric.name
        found.append({**plain, "metric": line.metric.name, "unit": line.metric.unit})
    return json.dumps(finite({"lines": found}), indent=1, ensure_ascii=False)
