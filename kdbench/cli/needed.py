"""Whether the data that jobs would read are here, found out before the first one begins. Nothing of it needs torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

from kdbench.cli.session import Session
from kdbench.cli.text import wrapped

if TYPE_CHECKING:
    from kdbench.jobs.job import Job


def lacking(session: Session, jobs: Iterable[Job]) -> list[str]:
    """Why the sets of these jobs cannot be read here, each reason once, after the tasks that need them."""
    from kdbench.jobs.identity import canonical
    from kdbench.registry import load_target
    from kdbench.tasks.data.meant import wrong

    tasks = {canonical(job.spec["task"]): job for job in jobs}  # of many jobs few tasks, and of these few folders
    told: dict[str, list[str]] = {}
    for job in tasks.values():
        said = job.spec["task"]
        info = session.registry.task(said["name"])
        if info.facts.get("reader"):
            sets = load_target(info.facts["reader"])(info.name, {**info.defaults, **said["params"]})
            for why in wrong(sets):
                told.setdefault(why, []).append(job.labels["task"])
    return [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in told.items()]


def tell(reasons: Sequence[str], what: str) -> None:
    for reason in reasons:
        typer.echo(wrapped(reason, 9, "no data  "), err=True)
    if reasons:
        typer.echo(f"kdbench: {what}", err=True)
