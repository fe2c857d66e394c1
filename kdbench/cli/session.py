"""What most verbs begin with: find the suite, read it with its plugins, expand it to jobs, look at the results folder."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdbench.cli.text import near

if TYPE_CHECKING:
    from kdbench.compare.cells import Group
    from kdbench.execute.failures import Failure
    from kdbench.execute.standing import Standing
    from kdbench.jobs.job import Job, JobSet
    from kdbench.jobs.plan import Plan, StalePolicy
    from kdbench.registry import Broken, Registry
    from kdbench.results.against import Against
    from kdbench.results.home import Home
    from kdbench.results.older import Older
    from kdbench.results.outline import Outline
    from kdbench.results.past import Past
    from kdbench.results.readings import Readings
    from kdbench.results.record import Record
    from kdbench.results.store import Broken as Fault
    from kdbench.results.store import ResultStore
    from kdbench.results.unit_reader import UnitReader
    from kdbench.suite.arm import Expansion
    from kdbench.suite.schema import Suite


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
    only: str | None = None
    typed: str = ""  # what the suite was called by: a name, or its path

    @property
    def home(self) -> Home:
        return self.store.home

    @functools.cached_property
    def against(self) -> Against:
        """Readings of students against teachers that they never had."""
        from kdbench.results.against import Against
        from kdbench.results.outputs import OutputStore

        return Against(self.store.folder, OutputStore(self.home))

    @functools.cached_property
    def families(self) -> dict[str, str]:
        """The family of each task that the suite plans, by its label."""
        plugins = {arm.task["name"]: arm.task["plugin"] for arm in self.expansion.arms}
        return {name: self.registry.task(plugin).facts["family"] for name, plugin in plugins.items()}

    def read(self, records: Mapping[str, Record]) -> tuple[Readings, UnitReader]:
        """Every number of the suite's cells, and what reads the examples that they stand on."""
        from kdbench.results.readings import read
        from kdbench.results.unit_reader import UnitReader

        return read(self.jobs, records, self.against, self.families), UnitReader(records, self.against)

    def command(self, verb: str) -> str:
        """What to type to do something with this suite."""
        chosen = ["--profile", self.profile] if self.profile else []
        chosen += ["--only", self.only] if self.only else []
        named = self.typed or str(self.path)  # which may hold whatever a file's name may
        return f"kdbench {verb} {shlex.join([named, *chosen])}"

    def records(self, set_aside: bool = False) -> dict[str, Record]:
        """This suite's records. Files that cannot be read are named; where results are to be made, those that stand in the way
        of this suite's own are set aside. Whatever else lies in the folder is not ours to move.
        """
        found = self.store.scan(only=self.jobs.jobs)
        self.tell(found.broken, set_aside)
        return {key: record for key, record in found.records.items() if key in self.jobs.jobs}

    def outlines(self, set_aside: bool = False) -> dict[str, Outline]:
        """As much of this suite's records as planning asks for."""
        found, broken = self.store.outlines(self.jobs.jobs)
        self.tell(broken, set_aside)
        return {key: found[key] for key in self.jobs.jobs if key in found}

    def tell(self, faults: Sequence[Fault], set_aside: bool) -> None:
        for path, why in faults:
            print(f"kdbench: {path}: {why}", file=sys.stderr)
            if set_aside and path.stem in self.jobs.jobs:
                moved = near(self.store.set_aside(path, why))
                print(f"kdbench: set aside as {moved}; its job runs again", file=sys.stderr)

    def past(self, gpus: Sequence[str]) -> Past:
        """What the results folder, other suites' results included, tells of the time and memory of jobs on this machine."""
        from kdbench.results.machine import machine
        from kdbench.results.past import Here, Past

        facts = machine()
        here = Here(frozenset(facts["gpus"] if gpus else ("cpu",)), facts["cpu"])
        return Past(self.store.each(), here, self.jobs.jobs.values())

    def settled(self, records: Mapping[str, Record]) -> Session:
        """The same suite with the settings that these records choose."""
        from kdbench.jobs.of_suite import jobs_of

        expansion, jobs = jobs_of(self.suite, self.registry, self.path.parent, self.profile, self.only, lambda: records)
        return replace(self, expansion=expansion, jobs=jobs)

    def groups(self, records: Mapping[str, Record]) -> list[Group]:
        """The suite's cells as they are compared."""
        from kdbench.compare.cells import of_suite

        return of_suite(self.expansion.arms, self.jobs, *self.read(records), self.registry.aliases(), self.older(records))

    def older(self, records: Mapping[str, Record | Outline]) -> Older:
        """The results that older code made, to be marked wherever their numbers are shown."""
        from kdbench.jobs.sources import outdated, reason
        from kdbench.results.older import Older

        present, jobs = self.digests(), self.jobs.jobs
        changes = {key: outdated(record, present(jobs[key])) for key, record in records.items() if key in jobs}
        return Older({key: reason(names) for key, names in changes.items() if names}, f"{self.command('run')} --stale=rerun")

    def digests(self) -> Callable[[Job], Mapping[str, str]]:
        """What gives a job's present source digests, each of them looked up once: 10,000 jobs share a handful of sources."""
        from kdbench.jobs.sources import modules_of
        from kdbench.results.source_digests import source_digest

        digest = functools.cache(source_digest)
        return lambda job: digest(modules_of(job))

    def imported(self) -> list[Group]:
        """Runs made elsewhere that are of this suite's tasks and pairs; no job, plan or gate ever sees them."""
        from kdbench.compare.cells import of_imported

        found = self.store.imported()
        for path, why in found.broken:
            print(f"kdbench: {path}: {why}", file=sys.stderr)
        return of_imported(found.records.values(), self.expansion.arms, self.families, self.against)

    def plan(self, records: Mapping[str, Record | Outline], stale: StalePolicy = "keep") -> Plan:
        from kdbench.jobs.plan import plan

        attempts = {key: f"failed: {failure.failure_class}" for key, failure in self.failures(records).items()}
        attempts |= {key: each.words for key, each in self.standings(records).items()}
        return plan(self.jobs, records, self.digests(), self.kept, attempts, stale)

    def kept(self, key: str) -> bool:
        """Whether a student can still learn from this job, and be scored against it."""
        from kdbench.contract.errors import DataError
        from kdbench.results.outputs import OutputStore

        try:
            record = self.store.read(key)
        except DataError:
            return False
        outputs = OutputStore(self.home)
        return (self.home.weights / f"{key}.safetensors").exists() and all(map(outputs.has, record.outputs.values()))

    def failures(self, records: Container[str]) -> dict[str, Failure]:
        """What ended each failed job the last time."""
        from kdbench.execute import failures

        found = {key: failures.read(self.home.jobs / key) for key in self.unfinished(self.home.jobs, records)}
        return {key: failure for key, failure in found.items() if failure is not None}

    def standings(self, records: Container[str]) -> dict[str, Standing]:
        """How far jobs without a result have come: in a process that is at them now, or up to their checkpoints."""
        from kdbench.execute.standing import standings

        folders = (self.home.jobs, self.home.checkpoints)
        keys = dict.fromkeys(key for folder in folders for key in self.unfinished(folder, records))
        return standings(self.home, ((key, self.jobs.jobs[key].spec["recipe"]["steps"]) for key in keys))

    def unfinished(self, folder: Path, records: Container[str]) -> list[str]:
        """The jobs without a result that have a part in a folder; one look at it, since a suite may have 10,000."""
        try:
            there = set(os.listdir(folder))
        except OSError:
            return []
        return [key for key in self.jobs.jobs if key in there and key not in records]


def open_suite(
    suite: Path, results: Path, profile: str | None = None, only: str | None = None, plugins: list[Path] | None = None
) -> Session:
    """Read and expand; raises one error that names every mistake of the suite."""
    from kdbench.jobs.of_suite import jobs_of
    from kdbench.results.store import ResultStore
    from kdbench.suite.read import named_plugins, read_suite

    path = find(suite)
    tell_results_elsewhere(path, results)
    registry = known_plugins([*named_plugins(path), *(plugins or [])])
    with broken_told(registry):
        read = read_suite(path, registry)
    store = ResultStore(results)
    expansion, jobs = jobs_of(read, registry, path.parent, profile, only, lambda: store.scan().records)
    return Session(path, read, registry, expansion, jobs, store, profile, only, str(suite))


def tell_results_elsewhere(suite: Path, results: Path) -> None:
    """Where all would be done anew because one stands in another folder than the last time."""
    theirs = suite.parent / results
    if results.is_absolute() or any(results.glob("*/*/*.json")) or not any(theirs.glob("*/*/*.json")):
        return
    print(
        f"kdbench: no results here, but there are some beside the suite: cd {shlex.quote(str(suite.parent))} first",
        file=sys.stderr,
    )


def known_plugins(files: Sequence[Path] = ()) -> Registry:
    """The plugins that there are. A person is told of what is not kdbench's own before it runs, since a plugin is code: whoever
    gave it, or gave the suite that names it, may do with this machine what its user may."""
    from kdbench.registry import Registry

    return Registry(files, tell=lambda origin: print(f"kdbench: runs the code of plugin {origin}", file=sys.stderr))


@contextmanager
def broken_told(registry: Registry) -> Iterator[None]:
    """Tell of broken plugins once it is known which are wanted, also where that ends in an error, which they may explain."""
    try:
        yield
    finally:
        for broken in registry.broken:
            tell_broken(broken)


def tell_broken(broken: Broken) -> None:
    print(f"kdbench: plugin {broken.origin} is broken and left out: {broken.error}", file=sys.stderr)
    if os.environ.get("KDBENCH_DEBUG") and broken.trace:
        print(broken.trace, file=sys.stderr)


def find(suite: Path) -> Path:
    """A file as given, or the suite of that name."""
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite import likely, shipped

    known = shipped.names()
    ours = suite.with_suffix("").as_posix().removeprefix("suites/")
    if suite.suffix in (".yaml", ".yml") and not suite.exists() and ours in known:
        raise KdbenchError(f"{suite}: there is no such file here; kdbench brings a suite of that name, called '{ours}'")
    if suite.is_file() or suite.suffix in (".yaml", ".yml"):
        return suite
    if suite.as_posix() in known:
        return known[suite.as_posix()]
    near = likely.meant(str(suite))
    hint = f"did you mean '{near}'?" if near else "kdbench list suites tells them, and kdbench init writes one"
    raise KdbenchError(f"no suite '{suite}'; {hint}")
