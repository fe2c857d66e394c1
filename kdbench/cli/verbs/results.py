"""kdbench results: numbers of runs made elsewhere, brought in with a mark on them; and less of what lies beside the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.help import Verbs
from kdbench.cli.options import PluginOption, ResultsOption
from kdbench.cli.session import known_plugins
from kdbench.cli.text import count, wrapped
from kdbench.cli.verbs.results_gc import gc

if TYPE_CHECKING:
    from kdbench.results.imported import Import
    from kdbench.results.record import Record
    from kdbench.results.store import ResultStore

app = Verbs()


@app.callback()
def results() -> None:
    """The results folder and what lies beside it: bring in runs made elsewhere, trim .kdbench."""


app.command("gc")(gc)


@app.command("import")
def import_runs(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.csv", help="A line a run; --template prints one to fill in.")
    ] = None,
    template: Annotated[bool, typer.Option("--template", help="Print such a file, and do nothing else.")] = False,
    dry: Annotated[bool, typer.Option("--dry", "--dry-run", help="Say what would be brought in, and write nothing.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Also runs that are there with other numbers.")] = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> int:
    """Bring in runs made elsewhere, from a CSV file.

    Columns: task, method, seed, source (where the numbers come from), then `teacher` and `student` (networks) or `pair` (as a
    suite calls it), and one a metric, e.g. accuracy; shares are fractions. A name that kdbench does not have begins with ~.

    They lie under results/imported/, are marked in tables, reports and comparisons, never count as results of a suite's jobs, and
    never become a baseline of the gate. The same file again changes nothing.

    Example: kdbench results import elsewhere.csv --dry
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.imported import TEMPLATE, compared, read
    from kdbench.results.store import ResultStore

    if template:
        typer.echo(TEMPLATE, nl=False)
        return Exit.ok
    if file is None:
        raise KdbenchError("which file? `kdbench results import --template > runs.csv` writes one to fill in")
    store = ResultStore(results)
    found = compared(read(file, known_plugins(plugin or []), families_in(store)), store)
    tell(found, dry, replace)
    if found.changed and not replace:
        raise KdbenchError(f"{count(len(found.changed), 'run')} would get other numbers; nothing was written, --replace does it")
    if not dry:
        for record in (*found.new, *(new for _, new in found.changed)):
            store.write(record)
    return Exit.ok


def families_in(store: ResultStore) -> dict[str, str]:
    """The tasks that the results folder knows by a suite's names, with their families."""
    from kdbench.compare.cells import family_of

    found = store.scan()
    families = {record.task: family_of(record) for record in found.records.values()}
    return {task: family for task, family in families.items() if family is not None}


def tell(found: Import, dry: bool, replace: bool) -> None:
    for record in found.new:
        typer.echo(wrapped(said(record), 10, "would add" if dry else "added"))
    for old, new in found.changed:
        done = "differs" if not replace else "would replace" if dry else "replaced"
        typer.echo(wrapped(f"{said(new)}; there: {numbers(old)}", 10, done))
    parts = [f"{count(len(found.new), 'run')} {'to add' if dry else 'added'}", f"{len(found.known)} there already"]
    typer.echo(", ".join(parts) + (f", {len(found.changed)} with other numbers" if found.changed else ""))


def said(record: Record) -> str:
    from kdbench.jobs.job import where

    label = record.labels
    return f"{where(record.task, label['pair'])} {label['cell']} seed {label['seed']}: {numbers(record)}"


def numbers(record: Record) -> str:
    return ", ".join(f"{name} {value:g}" for values in record.metrics.values() for name, value in values.items())
