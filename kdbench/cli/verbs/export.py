"""kdbench export: take a trained network away."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.options import ResultsOption
from kdbench.cli.text import near, plain

if TYPE_CHECKING:
    from kdbench.results.record import Record

SHOWN = 8
SUFFIX = ".safetensors"


def export(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of a result, or its beginning; kdbench plan shows keys.")],
    to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("student.safetensors"),
    results: ResultsOption = Path("results"),
) -> int:
    """Write a trained network that loads into the bare model.

    Example: kdbench export 3f2a9c --to student.safetensors
    """
    from kdbench.contract.errors import DataError, KdbenchError
    from kdbench.results.files import write_atomically
    from kdbench.results.outputs import sha256_of
    from kdbench.results.store import ResultStore

    if to.suffix != SUFFIX:
        raise KdbenchError(f"--to {to}: the file's name must end in {SUFFIX}")
    store = ResultStore(results)
    record = the_one(store.scan().records, key, results)
    if record.status == "diverged":
        raise KdbenchError(f"{title(record)} diverged, so there are no weights")
    weights = store.home.weights / f"{record.key}{SUFFIX}"
    if not weights.is_file():
        raise KdbenchError(f"the weights of {record.key} are not in {near(store.home.weights)}: made elsewhere, or removed")
    if sha256_of(weights) != record.weights:
        raise DataError(f"{near(weights)} is not what its record says; delete {store.path(record)} and run again")
    write_atomically(to, weights.read_bytes())
    student = record.identity["student"]
    typer.echo(f"{to}: {title(record)}")
    typer.echo(f"model {student['model']}, params {plain(student['params']) or 'as by default'}")
    return 0


def the_one(records: dict[str, Record], key: str, results: Path) -> Record:
    """The record whose key begins so."""
    from kdbench.contract.errors import KdbenchError

    matches = [record for found, record in records.items() if found.startswith(key)]
    if not matches:
        raise KdbenchError(f"no result in {results} has a key that begins with '{key}'; kdbench plan SUITE shows keys")
    if len(matches) > 1:
        lines = [f"  {record.key[:12]}  {title(record)}" for record in matches[:SHOWN]]
        more = [f"  and {len(matches) - SHOWN} more"] if len(matches) > SHOWN else []
        raise KdbenchError("\n".join([f"{len(matches)} results have a key that begins with '{key}':", *lines, *more]))
    return matches[0]


def title(record: Record) -> str:
    labels = record.labels
    return f"{labels['task']} {labels.get('cell', labels['method'])} seed {labels.get('seed')}"
