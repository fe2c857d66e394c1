"""kdbench results gc: what .kdbench holds, and less of it where it takes too much room."""

from __future__ import annotations

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.text import count, near, sized, wrapped

if TYPE_CHECKING:
    from kdbench.results.home import Home
    from kdbench.results.record import Record
    from kdbench.results.trimming import Thing


class Kind(StrEnum):
    """What can be trimmed."""

    signals = "signals"
    outputs = "outputs"
    weights = "weights"
    checkpoints = "checkpoints"


BudgetOption = Annotated[
    str | None, typer.Option("--budget", metavar="SIZE", help="How much may stay, e.g. 20G. Without it, nothing is removed.")
]
OnlyKindOption = Annotated[
    list[Kind] | None,
    typer.Option("--only", metavar="KIND", help="signals, outputs, weights or checkpoints alone. May be repeated."),
]
NeededOption = Annotated[bool, typer.Option("--needed", help="Also outputs and weights that records need, after all else.")]
DryOption = Annotated[bool, typer.Option("--dry", "--dry-run", help="Say what would be removed, and remove nothing.")]
FoldersOption = Annotated[
    list[Path] | None,
    typer.Option("--results", metavar="FOLDER", help="Folder of results. Name all of them, where several share a KDBENCH_HOME."),
]
WHAT = {"signals": "table", "outputs": "file", "weights": "file", "checkpoints": "job"}


def gc(
    budget: BudgetOption = None,
    only: OnlyKindOption = None,
    needed: NeededOption = False,
    dry: DryOption = False,
    results: FoldersOption = None,
) -> int:
    """Say what .kdbench holds, and trim it to a size.

    Stored signals, checkpoints, and outputs and weights that no record names go, the longest unused first. What is in use, and
    what was written within the last hour (a job may be running), stays. What records need goes only with --needed: it takes a new
    run to have it again. Results themselves are never touched.

    Example: kdbench results gc --budget 20G --only signals --dry-run
    """
    from kdbench.results.leftovers import folders_of, sweep
    from kdbench.results.trimming import KINDS, chosen, inventory, remove
    from kdbench.tasks.data.cache_budget import in_bytes

    most = None if budget is None else in_bytes(budget, "--budget")
    folders = results or [Path("results")]
    kinds = tuple(kind.value for kind in only) if only else KINDS
    home = home_of(folders)
    things = [thing for thing in inventory(home, records_of(folders, kinds, home)) if thing.kind in kinds]
    show(home, things, kinds)
    show_cache()
    if most is None:
        return Exit.ok
    going = chosen(things, most, needed)
    gone = going if dry else [thing for thing in going if remove(thing, home)]
    torn = 0 if dry else sum(sweep(folders_of(home, folder, os.listdir(home.jobs))) for folder in folders if home.jobs.is_dir())
    if torn:
        typer.echo(f"removed {count(torn, 'file')} that killed runs left half written")
    left = sum(thing.size for thing in things) - sum(thing.size for thing in gone)
    for kind in kinds:
        those = [thing for thing in gone if thing.kind == kind]
        if those:
            size = sized(sum(thing.size for thing in those))
            typer.echo(f"{'would remove' if dry else 'removed'} {kind}: {count(len(those), WHAT[kind])}, {size}")
    typer.echo(f"{sized(left)} {'would be' if dry else 'are'} left, the budget is {sized(most)}")
    if left > most:
        typer.echo(wrapped(f"what is left {why(things, gone, needed)}"))
    return Exit.ok


def home_of(folders: Sequence[Path]) -> Home:
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.home import Home

    homes = {Home.beside(folder) for folder in folders}
    if len(homes) > 1:
        raise KdbenchError("these folders have a .kdbench each; trim one after another")
    return homes.pop()


def records_of(folders: Sequence[Path], kinds: Sequence[str], home: Home) -> list[Record]:
    """All records that may need something; where they cannot all be known, nothing that they might need is removed."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.store import ResultStore
    from kdbench.results.trimming import NEEDED

    found: list[Record] = []
    if not set(kinds) & set(NEEDED):
        return found
    other = "or trim other kinds (--only signals)"
    for folder in folders:
        if not folder.is_dir() and any(any(part.glob("*")) for part in (home.outputs, home.weights)):
            raise KdbenchError(f"no folder {folder}: what its records need cannot be known; name it with --results, {other}")
        scan = ResultStore(folder, home).scan(archive=True)
        if scan.broken:
            path, why = scan.broken[0]
            more = f", and {len(scan.broken) - 1} more" if len(scan.broken) > 1 else ""
            raise KdbenchError(f"{near(path)}: {why}{more}: what it needs cannot be known; mend or remove it, {other}")
        found += [*scan.records.values(), *(archived.record for archived in scan.archived)]
    return found


def show(home: Home, things: Sequence[Thing], kinds: Sequence[str]) -> None:
    typer.echo(f"{near(home.path)}: {sized(sum(thing.size for thing in things))}")
    for kind in kinds:
        those = [thing for thing in things if thing.kind == kind]
        kept = sum(thing.size for thing in those if thing.needed)
        needed = f", {sized(kept)} needed by records" if kept else ""
        size = sized(sum(thing.size for thing in those))
        typer.echo(f"  {kind:11}  {size:>9}  {count(len(those), WHAT[kind])}{needed}")


def show_cache() -> None:
    """The decoded data of all folders, which lie elsewhere."""
    from kdbench.tasks.data import array_cache
    from kdbench.tasks.data.cache_budget import allocated

    cache = array_cache.folder()
    size = sum(allocated(path) for path in cache.rglob("*") if path.is_file()) if cache.is_dir() else 0
    if size:
        note = "decoded data of all suites (KDBENCH_CACHE); may be deleted while nothing runs, no budget here touches it"
        typer.echo(wrapped(f"{cache}: {sized(size)}: {note}"))


def why(things: Sequence[Thing], gone: Sequence[Thing], needed: bool) -> str:
    left = [thing for thing in things if thing not in gone]
    reasons = ["is in use or was written within the last hour"] if any(not thing.needed or needed for thing in left) else []
    reasons += ["is needed by records (--needed removes that too)"] if any(thing.needed for thing in left) and not needed else []
    return ", or ".join(reasons)
