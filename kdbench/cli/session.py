"""What most verbs begin with: find the suite, read it with its plugins, expand it to jobs, look at the results folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from kdbench.jobs.job import JobSet
    from kdbench.jobs.plan import Plan
    from kdbench.registry import Registry
    from kdbench.results.home import Home
    from kdbench.results.store import ResultStore, Scan
    from kdbench.suite.arm import Expansion
    from kdbench.suite.schema import Suite

SuiteArgument = Annotated[Path, typer.Argument(help="A suite file, or the name of a suite in ./suites.", metavar="SUITE")]
ProfileOption = Annotated[str | None, typer.Option("--profile", "-p", help="A profile of the suite, e.g. smoke.")]
OnlyOption = Annotated[str | None, typer.Option("--only", help="Only some arms, e.g. 'task=digits,method=kd|dkd,seed=0'.")]
PluginOption = Annotated[list[Path] | None, typer.Option("--plugin", help="A Python file with plugins. May be repeated.")]
ResultsOption = Annotated[Path, typer.Option("--results", help="Folder of results.")]
ReportsOption = Annotated[Path, typer.Option("--reports", help="Folder of reports.")]
TrackingOption = Annotated[str | None, typer.Option("--tracking-uri", help="MLflow server; default: sqlite in .kdbench.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass
class Session:
    """A suite as read, what it expands to, and where its results lie."""

    path: Path
    suite: Suite
    registry: Registry
    expansion: Expansion
    jobs: JobSet
    store: ResultStore
    profile: str | None

    @property
    def home(self) -> Home:
        return self.store.home

    def scan(self, set_aside: bool = False) -> Scan:
        """All records. Files that cannot be read are named, and moved out of the way where results are to be made."""
        found = self.store.scan()
        for path, why in found.broken:
            print(f"kdbench: {path}: {why}", file=sys.stderr)
            if set_aside:
                moved = self.store.set_aside(path, why)
                print(f"kdbench: set aside as {moved}; its job runs again", file=sys.stderr)
        return found

    def records(self, scan: Scan) -> dict[str, Any]:
        return {key: record for key, record in scan.records.items() if key in self.jobs.jobs}

    def plan(self, records: Mapping[str, Any], stale: Any = "keep") -> Plan:
        from kdbench.jobs.plan import modules_of, plan
        from kdbench.results.provenance import source_digest

        return plan(
            self.jobs, records, lambda job: source_digest(modules_of(job)), self.home.weights, self.failures(), stale
        )

    def failures(self) -> dict[str, str]:
        """What ended each failed job the last time: key → class and message."""
        from kdbench.execute import failures

        found = {}
        for key in self.jobs.jobs:
            failure = failures.read(self.home.jobs / key)
            if failure is not None:
                found[key] = f"{failure.failure_class} ({failure.message})" if failure.message else str(failure.failure_class)
        return found


def open_suite(
    suite: Path, results: Path, profile: str | None = None, only: str | None = None, plugins: list[Path] | None = None
) -> Session:
    """Read and expand; raises one error that names every mistake of the suite."""
    from kdbench.jobs.graph import graph
    from kdbench.registry import Registry
    from kdbench.results.store import ResultStore
    from kdbench.suite.expand import expand
    from kdbench.suite.read import read_suite

    path = find(suite)
    registry = Registry([*named_plugins(path), *(plugins or [])])
    for broken in registry.broken:
        print(f"kdbench: plugin {broken.origin} is broken and left out: {broken.error}", file=sys.stderr)
    read = read_suite(path, registry)
    expansion = expand(read, registry, profile=profile, only=only)
    jobs = graph(expansion.arms, registry, path.parent)
    return Session(path, read, registry, expansion, jobs, ResultStore(results), profile)


def named_plugins(path: Path) -> list[Path]:
    """The plugin files that a suite names, read leniently: whatever else is wrong with it is reported with their names known."""
    from kdbench.suite.yaml import load

    data = load(path).data
    named = data.get("plugins") if isinstance(data, dict) else None
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return [path.parent / name for name in names if isinstance(name, str) and name]


def find(suite: Path) -> Path:
    """A file as given, or the suite of that name in ./suites."""
    from kdbench.contract.errors import KdbenchError

    if suite.is_file() or suite.suffix in (".yaml", ".yml"):
        return suite
    named = Path("suites") / f"{suite}.yaml"
    if named.is_file():
        return named
    import difflib

    known = sorted(str(p.relative_to("suites").with_suffix("")) for p in Path("suites").rglob("*.yaml"))
    near = difflib.get_close_matches(str(suite), known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else f"; ./suites has {', '.join(known)}" if known else ""
    raise KdbenchError(f"no suite {str(suite)!r}{hint}")
