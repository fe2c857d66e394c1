"""kdbench export: take a trained network away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.options import ResultsOption
from kdbench.cli.text import cut

if TYPE_CHECKING:
    from kdbench.results.record import Record

SHOWN = 8


def export(
    key: Annotated[str, typer.Argument(help="Key of a result, or its beginning (kdbench plan shows keys).")],
    to: Annotated[Path, typer.Option("--to", help="File to write.")] = Path("student.safetensors"),
    results: ResultsOption = Path("results"),
) -> int:
    """Write a trained network as safetensors that load into the bare model.

    Example: kdbench export 3f2a9c --to student.safetensors
    """
    from kdbench.contract.errors import DataError, KdbenchError
    from kdbench.models_file import digest
    from kdbench.results.store import ResultStore

    store = ResultStore(results)
    found, record = one(store.scan().records, key, results)
    if record.status == "diverged":
        raise KdbenchError(f"{found} diverged, so it has no weights")
    weights = store.home.weights / f"{found}.safetensors"
    if not weights.exists():
        raise KdbenchError(f"the weights of {found} are not in {store.home.weights}: made elsewhere, or removed")
    if to.suffix != ".safetensors":
        raise KdbenchError(f"--to {to}: the file's name must end in .safetensors")
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(weights, to)
    return 0
