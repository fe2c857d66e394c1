"""kdbench compare: a method against baselines, or one set of results against another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli import complete, verdicts
from kdbench.cli.compare_published import beside_published
from kdbench.cli.exits import Exit
from kdbench.cli.options import JsonOption, OnlyOption, PluginOption, ProfileOption, ResultsOption
from kdbench.cli.session import Session, find, open_suite

if TYPE_CHECKING:
    from kdbench.compare.cells import Group
    from kdbench.results.home import Home
    from kdbench.results.older import Older
    from kdbench.results.record import Record
    from kdbench.results.store import ResultStore

GIVEN = "results"


def compare(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SUITE] [CELL]...",
            autocompletion=complete.suites,
            help="A suite (or a folder of results), then the candidate and its baselines, by label, name or method. "
            "One cell alone is compared with 'none'.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="DIR|git:REV", help="Compare the results with those of a folder or a git revision."),
    ] = None,
    published: Annotated[bool, typer.Option("--published", help="Set the results beside published figures.")] = False,
    published_in: Annotated[
        Path | None,
        typer.Option(
            "--published-in", metavar="FOLDER", help="The same, with the figures of a folder; default: baselines/published."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", "-m", metavar="METRIC", help="A metric instead of the primary ones, e.g. kl. May be repeated."),
    ] = None,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path(GIVEN),
    as_json: JsonOption = False,
) -> int:
    """Say which differences are real: a method against baselines, or results against older ones.

    Exit code 0 when something could be compared, 4 when nothing could.

    \b
    kdbench compare core "kd[T=8]" -m accuracy    one cell against the control
    kdbench compare results dkd kd                no suite, a results folder
    kdbench compare --against git:main            results here and on main
    kdbench compare core --against ../old/results one suite, two folders
    kdbench compare cifar100/crd --published      ours beside the literature's
    kdbench compare core kd imported:kd           ours beside runs made elsewhere

    Example: kdbench compare core dkd kd none
    """
    from kdbench.compare.comparison import against as compare_with
    from kdbench.compare.comparison import check_metrics, within
    from kdbench.contract.errors import KdbenchError
    from kdbench.stats.crossed_store import CrossedStore

    alone = against is not None or published or published_in is not None
    suite, folder, names = sort_out(list(words or []), results, alone)
    metrics = [name.strip() for given in metric or [] for name in given.split(",") if name.strip()]
    session = open_suite(suite, folder, profile, only, plugin) if suite is not None else None
    if session is None and (profile or only):
        raise KdbenchError("--profile and --only choose from a suite; name one before the cells")
    if published or published_in is not None:
        if against is not None or metrics:
            raise KdbenchError(
                "--published sets results beside the figures that are there; --against and --metric do not go with it"
            )
        return beside_published(session, folder, names, published_in, as_json)
    home, ours, older = groups_here(session, folder, elsewhere=against is None)
    if against is None and len(names) < 2:
        if not names:
            raise KdbenchError(f"which cells? There are {listing_of(ours)}; {example(words or [], ours)}")
        names.append("none")
    check_names(names, ours)
    check_metrics(metrics, (group.family for group in ours))
    store = CrossedStore(home)
    if against is None:
        found = within(ours, names, metrics, store)
    else:
        chosen = meant(names, ours) if names else ours
        theirs = groups_there(against, folder, home)
        found = compare_with(chosen, theirs, metrics, store, whole=session is None and not names)
    shown = {(side.task, side.pair, name) for side in found.lines for name in (side.candidate.cell, side.baseline.cell)}
    rows = {r.key: f"{g.place} {g.name}" for g in ours if (g.task, g.pair, g.cell) in shown for r in g.readings}
    found.warnings += [said] if (said := older.said(rows)) else []
    typer.echo(verdicts.as_json(found) if as_json else verdicts.as_text(found, against))
    return Exit.ok if found.compared else Exit.incomparable


def sort_out(words: list[str], results: Path, alone: bool) -> tuple[Path | None, Path, list[str]]:
    """The suite if one is named, the folder of results, and the names of cells. `alone`: neither need be named."""
    from kdbench.contract.errors import KdbenchError

    if not words:
        if not alone:
            raise KdbenchError("name a suite (or a folder of results) and cells, or a folder with --against")
        return None, results, []
    first = Path(words[0])
    if first.is_dir():
        if results != Path(GIVEN) and results != first:
            raise KdbenchError(f"two folders of results, {first} and --results {results}; the one to compare with is --against")
        return None, first, words[1:]
    return find(first), results, words[1:]


def groups_here(session: Session | None, folder: Path, elsewhere: bool = False) -> tuple[Home, list[Group], Older]:
    """The cells of the suite, else of the folder, and what of them older code made: without a suite nobody knows. `elsewhere`:
    also runs that were made elsewhere and imported."""
    from kdbench.compare.cells import of_folder
    from kdbench.results.against import Against
    from kdbench.results.older import Older
    from kdbench.results.outputs import OutputStore
    from kdbench.results.store import ResultStore
    from kdbench.results.unit_reader import UnitReader

    if session is None:
        store = ResultStore(folder)
        reader = UnitReader(scanned(store, elsewhere), Against(store.folder, OutputStore(store.home)))
        return store.home, of_folder(reader), Older()
    records = session.records()
    groups = session.groups(records) + (session.imported() if elsewhere else [])
    return session.home, groups, session.older(records)


def groups_there(against: str, folder: Path, home: Home) -> list[Group]:
    """The cells of what is compared with; raw outputs of a revision are looked for in this machine's store, where they are
    known by their content."""
    from kdbench.compare.cells import of_folder
    from kdbench.compare.revision import PREFIX, records_at
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.against import Against
    from kdbench.results.outputs import OutputStore
    from kdbench.results.store import ResultStore
    from kdbench.results.unit_reader import UnitReader

    if against.startswith(PREFIX):
        records, broken = records_at(against.removeprefix(PREFIX), folder)
        for path, why in broken:
            typer.echo(f"kdbench: {path}: {why}", err=True)
        return of_folder(UnitReader(records, Against(folder, OutputStore(home))))
    other = Path(against)
    if not other.is_dir():
        raise KdbenchError(f"--against {against}: no such folder; a git revision is written git:{against}")
    if other.resolve() == folder.resolve():
        raise KdbenchError(f"--against {against}: that is the same folder of results")
    store = ResultStore(other)
    return of_folder(UnitReader(scanned(store), Against(store.folder, OutputStore(store.home))))


def scanned(store: ResultStore, elsewhere: bool = False) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for found in (store.scan(), *((store.imported(),) if elsewhere else ())):
        for path, why in found.broken:
            typer.echo(f"kdbench: {path}: {why}", err=True)
        records |= found.records
    return records


def check_names(names: Sequence[str], groups: Sequence[Group]) -> None:
    """Each name must mean a cell somewhere."""
    from kdbench.compare.cells import named
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite.errors import nearest

    for name in names:
        if not named(name, groups):
            known = sorted({called for group in groups for names_of in group.called for called in names_of})
            near = nearest(name, known)
            hint = f"did you mean '{near}'?" if near else f"there are {listing_of(groups)}"
            raise KdbenchError(f"no cell '{name}'; {hint}")


def meant(names: Sequence[str], groups: Sequence[Group]) -> list[Group]:
    """The cells that names mean, place by place; here a name may mean several."""
    from kdbench.compare.cells import named

    found = []
    for place in dict.fromkeys(group.place for group in groups):
        here = [group for group in groups if group.place == place]
        wanted = [group for name in names for group in named(name, here)]
        found += [group for group in here if group in wanted]
    return found


def example(words: Sequence[str], groups: Sequence[Group]) -> str:
    """What to type, with cells of the first task; a control comes last, since it is what the others are compared with."""
    import shlex

    here = [group for group in groups if group.place == groups[0].place]
    named = [group.name for group in sorted(here, key=lambda group: "none" in group.called.method)]
    return f"for example: kdbench compare {shlex.join([*words[:1], *dict.fromkeys([*named[:1], *named[-1:]])])}"


def listing_of(groups: Sequence[Group]) -> str:
    from kdbench.suite.errors import listing

    return listing(list(dict.fromkeys(group.cell for group in groups)))
