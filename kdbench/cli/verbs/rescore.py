"""kdbench rescore: today's metrics for results that are there, without training."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.options import OnlyOption, PluginOption, ProfileOption, ResultsOption, SuiteArgument
from kdbench.cli.session import open_suite
from kdbench.cli.text import count, wrapped

if TYPE_CHECKING:
    from kdbench.results.rescoring import Change, Rescored

SHOWN = 5  # records named under one cause


def rescore(
    suite: SuiteArgument,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", metavar="METRIC", help="Only this metric may change. May be repeated.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and write nothing.")] = False,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> int:
    """Compute the metrics of finished jobs anew, from their stored outputs.

    Exit code 3 when some could not be, since their outputs are gone.

    Example: kdbench rescore core --dry-run
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.metrics.catalogue import names
    from kdbench.results.outputs import OutputStore
    from kdbench.results.rescoring import rescore as again
    from kdbench.suite.metric_names import hint

    session = open_suite(suite, results, profile, only, plugin)
    families = session.families
    wanted = [name.strip() for given in metric or [] for name in given.split(",") if name.strip()]
    known = names(families.values())
    if unknown := [name for name in wanted if name not in known]:
        raise KdbenchError(f"no metric '{unknown[0]}' in this suite's tasks; {hint(unknown[0], known)}")
    records, store = session.records(), OutputStore(session.home)
    done = [record for record in records.values() if record.status == "done"]
    found = [again(record, families[record.task], records, store, wanted) for record in done]
    if not dry_run:
        for one in found:
            if one.changed:
                session.store.write(one.record)
        session.against.renew(families, records)
    tell(found, dry_run)
    return Exit.incomplete if any(gone(one) for one in found) else Exit.ok


def gone(one: Rescored) -> bool:
    """Whether more is missing than the teachers' answers on the distillation set, which older records never had."""
    from kdbench.results.rescoring import UNTAUGHT

    return any(why != UNTAUGHT for why in one.kept.values())


def tell(found: Sequence[Rescored], dry_run: bool) -> None:
    changed = [one for one in found if one.changed]
    verb = "would change" if dry_run else "changed"
    typer.echo(f"{count(len(found), 'record')}: {len(changed)} {verb}, {len(found) - len(changed)} as they were")
    groups: dict[tuple[str, str, str], list[tuple[Rescored, Change]]] = {}
    for one in changed:
        for change in one.changes:
            groups.setdefault((one.record.task, change.group, change.metric), []).append((one, change))
    for (task, group, metric), changes in sorted(groups.items()):
        one, largest = max(changes, key=lambda item: item[1].size if math.isfinite(item[1].size) else -1.0)
        example = f"{written(largest.old)} → {written(largest.new)} in {title(one)}"
        most = "most: " if len(changes) > 1 else ""
        typer.echo(wrapped(f"{count(len(changes), 'record')}, {most}{example}", 4, f"  {task} {group}.{metric}: "))
    fresh = sum(one.new_units for one in changed)
    if fresh:
        new = "would be new" if dry_run else "new"
        typer.echo(f"  statistics of single examples, for intervals: {new} in {count(fresh, 'record')}")
    tell_kept(found)


def tell_kept(found: Sequence[Rescored]) -> None:
    """What stayed as it was because it could not be computed, by cause."""
    causes = Counter((group, general(why)) for one in found for group, why in one.kept.items())
    for (group, why), number in causes.items():
        names = [title(one) for one in found if general(one.kept.get(group, "")) == why]
        named = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
        typer.echo(wrapped(f"{group} kept in {count(number, 'record')}: {why} ({named})", 2, "- "))


def general(why: str) -> str:
    """A cause without the name of the one file that it was met at."""
    return re.sub(r" ?[0-9a-f]{12,}(…|\.npy)?", "", why)


def title(one: Rescored) -> str:
    label = one.record.labels
    return f"{one.record.task} {label.get('cell', one.record.method)} seed {label.get('seed', '?')}"


def written(value: float | None) -> str:
    return "none" if value is None else "n/a" if math.isnan(value) else f"{value:.6g}"
