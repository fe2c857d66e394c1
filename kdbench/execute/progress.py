"""What a person, a log or a program sees of a running suite: a live table, a line a job, or JSON lines."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TextIO

from kdbench.contract.text import shown
from kdbench.execute.base import Event
from kdbench.execute.events import plain
from kdbench.execute.tally import Running, Tally

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

Mode = Literal["auto", "live", "plain", "json"]
ROWS = 24  # running jobs shown; the rest are counted
REDRAW = 0.25  # seconds
STATE_STYLES = {
    "done": "green",
    "diverged": "yellow",
    "failed": "red",
    "interrupted": "yellow",
    "not begun": "dim",
    "blocked": "magenta",
}


@contextmanager
def reporter(mode: Mode = "auto", stream: TextIO | None = None) -> Iterator[Callable[[Event], None]]:
    """A function to hand to an executor as `on_event`. `auto` is live on a terminal and plain elsewhere."""
    stream = stream or sys.stderr
    if mode == "auto":
        mode = "live" if stream.isatty() and os.environ.get("TERM") != "dumb" else "plain"
    if mode == "json":
        yield JsonLines(stream)
    elif mode == "plain":
        yield PlainLines(stream)
    else:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=getattr(stream, "bare", stream))  # honours NO_COLOR; moves the cursor, so what it shows is cleaned
        with Live(console=console, auto_refresh=False, transient=True) as live:
            yield LiveTable(live)


class PlainLines:
    """One line for each job that ended, and for what a reader of the log must know beside that."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._tally = Tally()

    def __call__(self, event: Event) -> None:
        running = self._tally.running.get(event.job.key) if event.job else None
        self._tally(event)
        for line in describe(event, self._tally, running):
            print(line, file=self._stream, flush=True)


class JsonLines:
    """Every event as one JSON object a line, for programs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        if event.kind != "tick":
            print(json.dumps(as_record(event)), file=self._stream, flush=True)


class LiveTable:
    """A table of the running jobs that redraws itself; jobs that ended go up into the scrollback."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._tally = Tally()
        self._drawn = 0.0

    def __call__(self, event: Event) -> None:
        from rich.text import Text

        running = self._tally.running.get(event.job.key) if event.job else None
        self._tally(event)
        if lines := describe(event, self._tally, running):
            self._live.update(self.picture())  # what is printed above it is redrawn with it: both must count the same
        for line in lines:
            style = STATE_STYLES[event.outcome.state] if event.outcome else "bold"
            self._live.console.print(Text(shown(line), style="" if style == "green" else style))
        if time.monotonic() - self._drawn > REDRAW:
            self._live.update(self.picture(), refresh=True)
            self._drawn = time.monotonic()

    def picture(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False)
        table.add_column("running", no_wrap=True, overflow="ellipsis")
        table.add_column("step", justify="right", no_wrap=True)
        table.add_column("time", justify="right", no_wrap=True)
        table.add_column("latest", no_wrap=True)
        jobs = sorted(self._tally.running.values(), key=lambda job: job.since)
        for job in jobs[:ROWS]:
            # As texts, since rich would take what stands in brackets for its own marks.
            table.add_row(*map(Text, map(shown, (job.spec.title, job.far, duration(self._tally.elapsed(job)), latest(job)))))
        if len(jobs) > ROWS:
            table.add_row(f"and {len(jobs) - ROWS} more")
        return Group(Text(summary(self._tally), style="bold"), table)


def describe(event: Event, tally: Tally, running: Running | None) -> list[str]:
    """The lines that an event is worth in a log; `running` is its job as it was before the event."""
    title = event.job.title if event.job else ""
    if event.kind == "finished" and event.outcome is not None:
        outcome = event.outcome
        if not outcome.begun:
            return []  # there may be thousands; they are counted
        width = len(str(tally.total))
        parts = [f"[{tally.settled:{width}}/{tally.total}] {outcome.state:<11} {title}"]
        if outcome.seconds:
            share = f" (its share of {running.gang} in lockstep)" if running is not None and running.gang > 1 else ""
            parts.append(duration(outcome.seconds) + share)
        if outcome.state == "done" and running is not None and (metrics := latest(running)):
            parts.append(metrics)
        if outcome.failure is not None and outcome.state == "failed":
            parts.append(f"{outcome.failure}: {outcome.message.splitlines()[0] if outcome.message else ''}")
            if outcome.log_path is not None:
                parts.append(f"log {outcome.log_path}")
        elif outcome.message:
            parts.append(outcome.message)
        return ["  ".join(parts)]
    if event.kind == "retry":
        return [f"{title}: {event.data['why']}"]
    if event.kind == "note":
        return [str(event.data["message"])]
    if event.kind == "stopping":
        count = event.data["running"]
        if event.data["kill"]:
            return [f"ending {count} running jobs now"]
        return [f"stopping: {count} running jobs save a checkpoint; nothing more is started (Ctrl-C again ends them now)"]
    return []


def as_record(event: Event) -> dict[str, Any]:
    record: dict[str, Any] = {"t": round(event.t, 3), "kind": event.kind}
    if event.job is not None:
        record |= {"key": event.job.key, "title": event.job.title}
    if event.data:
        record["data"] = event.data
    if (outcome := event.outcome) is not None:
        record |= {"state": outcome.state, "failure": outcome.failure, "message": outcome.message, "seconds": outcome.seconds}
        record["log"] = str(outcome.log_path) if outcome.log_path else None
    return plain(record)


def summary(tally: Tally) -> str:
    counts = ", ".join(f"{tally.counts[state]} {state}" for state in STATE_STYLES if tally.counts[state])
    parts = [f"{tally.settled}/{tally.total} jobs", counts, f"{len(tally.running)} running", f"{len(tally.waiting)} waiting"]
    if eta := tally.eta():
        parts.append(f"about {duration(eta)} left")
    return " · ".join(part for part in parts if part)


def latest(job: Running, most: int = 3) -> str:
    """What a job told last of a few of its numbers, always in the order in which it first told of them."""
    return "  ".join(f"{name} {value:.4g}" for name, value in list(job.metrics.items())[:most])


def duration(seconds: float) -> str:
    """As short as it is useful: 0.4 s, 12 s, 3:07, 1:02:03."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
