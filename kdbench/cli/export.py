"""kdbench export: take a trained student away."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from kdbench.cli.session import ResultsOption


def export(
    key: Annotated[str, typer.Argument(help="Key of a result, or its beginning.")],
    to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("student.safetensors"),
    results: ResultsOption = Path("results"),
) -> int:
    """Write the weights of a trained network as safetensors that load into the bare model.

    Example: kdbench export 3f2a9c --to student.safetensors
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.store import ResultStore

    store = ResultStore(results)
    matches = {k: r for k, r in store.scan().records.items() if k.startswith(key)}
    if len(matches) != 1:
        what = "no result" if not matches else f"{len(matches)} results"
        raise KdbenchError(f"{what} in {results} with a key that begins with {key!r}")
    found, record = next(iter(matches.items()))
    weights = store.home.weights / f"{found}.safetensors"
    if not weights.exists():
        raise KdbenchError(f"the weights of {found} are not in {store.home.weights}: made elsewhere, or removed")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, to)
    model = record.identity["student"]
    typer.echo(f"{to}: {record.labels['task']} {record.labels['cell']} seed {record.labels['seed']}")
    typer.echo(f"model {model['model']} with params {model['params'] or 'as by default'}")
    return 0
