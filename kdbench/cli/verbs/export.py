"""kdbench export: take a trained network away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdbench.cli.options import PluginOption, ResultsOption
from kdbench.cli.text import near, plain, wrapped

if TYPE_CHECKING:
    from kdbench.results.home import Home
    from kdbench.results.record import Record
    from kdbench.results.store import ResultStore

SHOWN = 8
WEIGHTS, PROGRAM = ".safetensors", ".pt2"


def export(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of a result, or its beginning; kdbench plan shows keys.")],
    to: Annotated[
        Path, typer.Option("--to", help="File to write: a program (.pt2) or the bare network's weights (.safetensors).")
    ] = Path("student.pt2"),
    root: Annotated[str, typer.Option("--root", help="Folder of the task's data, if not where the run found it.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> int:
    """Write a trained network for use elsewhere.

    NAME.pt2 is a program, preparation and network together, for plain PyTorch (torch.export.load), without kdbench.
    NAME.safetensors are the weights of the bare network, for timm, for kdbench.load_student, or to start from. Both bear a card:
    classes in order, how an input is made, what it scored.

    Example: kdbench export 3f2a9c --to student.pt2
    """
    from kdbench.cli.session import known_plugins
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.store import ResultStore

    if to.suffix not in (WEIGHTS, PROGRAM):
        raise KdbenchError(f"--to {to}: the file's name must end in {PROGRAM} (a program) or {WEIGHTS} (weights)")
    if to.exists() and not force:
        raise KdbenchError(f"{to} exists; --force overwrites it, --to names another")
    store = ResultStore(results)
    record = the_one(store.scan().records, key, results)
    weights = weights_of(record, store)

    from kdbench.ship import leave
    from kdbench.ship.card import of_record

    places = {"root": root} if root else places_of(record, store.home)
    card, note = of_record(record), ""
    try:
        found = leave.trained(record, weights, known_plugins(plugin or []), places)
        card = found.student.card
        if to.suffix == PROGRAM:
            leave.write_program(to, found)
    except (KdbenchError, KeyError) as error:
        note = str(error) if isinstance(error, KdbenchError) else f"{error} is not known here; --plugin names its file"
        if to.suffix == PROGRAM:
            raise KdbenchError(f"no program of {title(record)}: {note}; --to NAME{WEIGHTS} writes its weights") from error
        card["lacks"] = note
    if to.suffix == WEIGHTS:
        leave.write_weights(to, weights, card)
    typer.echo(f"{to}: {title(record)}")
    for line in told(card):
        typer.echo(wrapped(line))
    if note:
        typer.echo(wrapped(f"its card names neither input nor answers, and kdbench.load_student does not load it: {note}"))
    elif to.suffix == PROGRAM:
        typer.echo(f'load it with torch.export.load("{to}").module()')
    else:
        typer.echo(f'load it with kdbench.load_student("{to}")')
    return 0


def weights_of(record: Record, store: ResultStore) -> Path:
    """The file of a record's weights, if it is here and what the record says."""
    from kdbench.contract.errors import DataError, KdbenchError
    from kdbench.results.outputs import sha256_of

    if record.status == "diverged":
        raise KdbenchError(f"{title(record)} diverged, so there are no weights")
    weights = store.home.weights / f"{record.key}{WEIGHTS}"
    anew = f"To train it again: rm {near(store.path(record))}, then kdbench run"
    if not weights.is_file():
        where = near(store.home.weights)
        raise KdbenchError(f"the weights of {record.key} are not in {where}: made elsewhere, or removed. {anew}")
    if sha256_of(weights) != record.weights:
        raise DataError(f"{near(weights)} is not what its record says. {anew}")
    return weights


def places_of(record: Record, home: Home) -> dict[str, Any]:
    """Where the run found its data, which is no part of a result: left in the folder of its job, if that is still there."""
    from kdbench.execute.folders import PAYLOAD, job_dir, read_payload

    try:
        params = read_payload(str(job_dir(home.path, record.key) / PAYLOAD))["spec"]["task"]["params"]
        return {name: value for name, value in params.items() if name not in record.identity["task"]["params"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def scored(truth: Mapping[str, float]) -> str:
    """The first of the truth metrics that a family is judged by: whoever takes the wrong student sees it here."""
    from kdbench.metrics.catalogue import FAMILIES, primary

    found = [f"; on test {name} {truth[name]:.3f}" for name in (primary(family)[0].name for family in FAMILIES) if name in truth]
    return found[0] if found else ""


def told(card: dict[str, Any]) -> list[str]:
    """What one wants to see of a card at once."""
    lines = [f"trained {card['steps']:,} steps{scored(card['metrics']['test'])}"]
    lines += [f"model {card['model']}, params {plain(card['params']) or 'as by default'}"]
    if "inputs" in card:
        shapes = [f"{name} {'×'.join(map(str, each['shape']))} {each['dtype']}" for name, each in card["inputs"].items()]
        lines += [f"input: {', '.join(shapes)}" + (f": {card['input']}" if "input" in card else "")]
        lines += [f"output: {card['output']}"]
    if answers := card.get("answers"):
        more = f", … ({len(answers)})" if len(answers) > SHOWN else ""
        lines.append(f"answers in order: {', '.join(answers[:SHOWN])}{more}")
    return lines


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
