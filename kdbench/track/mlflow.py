"""Shows results in MLflow: replays records and their events into a tracking store, which may be deleted and rebuilt at any time.

Only the parent process writes, after the jobs, because processes race on a fresh sqlite store; and a tracker that is down costs a
message, never a result. MLflow is imported only when something is to be written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbench.results.home import Home
from kdbench.results.record import Record
from kdbench.track.address import Held, Unusable, check, held_by_sqlite, sqlite_path
from kdbench.track.entries import Defaults, Entry, digest, entry, none_known
from kdbench.track.redact import reason, redact
from kdbench.track.surroundings import one_writer, open_client, quiet, unsynced

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

RECORD = "record.json"  # artifact of a run: the record itself, from which the gate can judge
_MOST_METRICS, _MOST_PARAMS = 800, 100  # MLflow takes 1000 of all kinds in a call


@dataclass(frozen=True)
class SyncReport:
    """What a sync did; `failed` says why it stopped, if it did. Runs written before that stay and are not written again."""

    uri: str  # without credentials
    created: int = 0
    skipped: int = 0
    failed: str | None = None


def default_uri(home: Home) -> str:
    """kdbench's own store, which one may delete at any time."""
    return f"sqlite:///{home.path.absolute() / 'mlflow.db'}"


def experiment_of(suite: str, profile: str | None = None) -> str:
    """One for each profile: a rehearsal is another experiment than what it rehearses."""
    return f"kdbench/{suite}-{profile}" if profile else f"kdbench/{suite}"


def sync(
    records: Iterable[Record],
    home: Home,
    suite_name: str,
    tracking_uri: str | None = None,
    report_paths: Sequence[str | Path] = (),
    *,
    profile: str | None = None,
    defaults: Defaults = none_known,
) -> SyncReport:
    """Bring experiment `kdbench/<suite>` (of a profile, `kdbench/<suite>-<profile>`) up to these records: one parent run, and
    under it a run a record, tagged `kdbench.key`.

    A run holds its record as an artifact. One whose digest equals its record's is skipped; one that was cut short or belongs to
    an older record of the same job is replaced. Reports are artifacts of the parent run, sent again when they change. Never
    raises.
    """
    uri = tracking_uri or default_uri(home)
    done = _Progress()
    try:
        found = sorted(records, key=lambda record: record.key)
        work = _Work(suite_name, found, home, [Path(path) for path in report_paths], profile, defaults)
        path = sqlite_path(uri)
        if path is not None and work.is_held(held_by_sqlite(path, work.experiment)):
            return SyncReport(redact(uri), 0, len(found))
        check(uri)
        with one_writer(home), quiet(), unsynced(uri == default_uri(home)):
            _write(uri, work, done)
    except Exception as error:  # whatever a tracker, its network or its database may raise
        if "<html" in str(error).lower():
            hint = "; it answers with a web page: give the address of the tracking server itself, as http://host:port"
            return SyncReport(redact(uri), done.created, done.skipped, f"{redact(uri)} is no tracking server{hint}")
        hint = "; it can be deleted: the next run rebuilds it" if "malformed" in str(error) and uri == default_uri(home) else ""
        return SyncReport(redact(uri), done.created, done.skipped, reason(error, uri) + hint)
    return SyncReport(redact(uri), done.created, done.skipped)


@dataclass
class _Progress:
    created: int = 0
    skipped: int = 0


class _Work:
    """What the store should hold."""

    def __init__(
        self, suite: str, records: list[Record], home: Home, reports: list[Path], profile: str | None, defaults: Defaults
    ) -> None:
        self.experiment, self.suite, self.records, self.home = experiment_of(suite, profile), suite, records, home
        self.profile, self.defaults = profile, defaults
        self.digests = {record.key: digest(record) for record in records}
        self.reports = [path for path in reports if path.exists()]
        self.reports_digest = _digest_of(self.reports) if self.reports else ""

    def is_held(self, held: Held | None) -> bool:
        return (
            held is not None
            and self.digests.items() <= held.runs.items()
            and (not self.reports or held.reports == self.reports_digest)
        )

    def entry(self, record: Record) -> Entry:
        return entry(record, self.home.events(record.key), self.defaults, self.profile)


def _write(uri: str, work: _Work, done: _Progress) -> None:
    client = open_client(uri)
    experiment = _experiment(client, work.experiment, work.home if sqlite_path(uri) is not None else None)
    runs = active_runs(client, experiment)
    present = {run.data.tags.get("kdbench.key"): run for run in runs}
    parent, sent = _parent(client, experiment, work, runs)
    last: list[int] = []
    for record in work.records:
        run = present.get(record.key)
        if run is not None:
            if run.data.tags.get("kdbench.digest") == work.digests[record.key]:
                done.skipped += 1
                continue
            client.delete_run(run.info.run_id)
        made = work.entry(record)
        _write_run(client, experiment, parent, made, record)
        done.created += 1
        last.append(made.finished)
    if work.reports and sent != work.reports_digest:
        for path in work.reports:
            (client.log_artifacts if path.is_dir() else client.log_artifact)(parent, str(path), *_below(path))
        client.set_tag(parent, "kdbench.reports", work.reports_digest)
    client.set_terminated(parent, end_time=max([*last, *(run.info.end_time or 0 for run in runs)], default=0))


def _experiment(client: MlflowClient, name: str, home: Home | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        # A server knows where its artifacts go; for our own store they lie beside it.
        place = (home.path.absolute() / "mlartifacts").as_uri() if home is not None else None
        return client.create_experiment(name, artifact_location=place)
    if found.lifecycle_stage != "active":
        raise Unusable(f"experiment {name!r} was deleted; `mlflow experiments restore -x {found.experiment_id}` brings it back")
    return found.experiment_id


def active_runs(client: MlflowClient, experiment: str) -> list[Any]:
    """All of them, however many pages they fill."""
    runs: list[Any] = []
    token = None
    while True:
        page = client.search_runs([experiment], max_results=5000, page_token=token)
        runs += page
        token = page.token
        if not token:
            return runs


def _parent(client: MlflowClient, experiment: str, work: _Work, runs: list[Any]) -> tuple[str, str]:
    """The suite's own run and the digest of the reports that it holds."""
    for run in runs:
        if run.data.tags.get("kdbench.role") == "suite":
            return run.info.run_id, run.data.tags.get("kdbench.reports", "")
    started = min((work.entry(record).started for record in work.records), default=0)
    tags = {"kdbench.role": "suite", "kdbench.suite": work.suite, "kdbench.profile": work.profile or "none"}
    return client.create_run(experiment, start_time=started, tags=tags, run_name=work.suite).info.run_id, ""


def _write_run(client: MlflowClient, experiment: str, parent: str, made: Entry, record: Record) -> None:
    from mlflow.entities import Metric, Param, RunTag

    tags = made.tags | {"mlflow.parentRunId": parent}
    run = client.create_run(experiment, start_time=made.started, tags=tags, run_name=made.name).info.run_id
    client.set_terminated(run, status="FAILED" if made.failed else "FINISHED", end_time=made.finished)
    params = [Param(name, value) for name, value in made.params.items()]
    metrics = [Metric(p.name, p.value, p.milliseconds, p.step) for p in made.points]
    while len(params) > _MOST_PARAMS or len(metrics) > _MOST_METRICS:
        client.log_batch(run, metrics[:_MOST_METRICS], params[:_MOST_PARAMS])
        del metrics[:_MOST_METRICS], params[:_MOST_PARAMS]
    client.log_text(run, record.dumps(), RECORD)
    # The digest goes in with the last of it: a run that bears one is complete.
    client.log_batch(run, metrics, params, [RunTag("kdbench.digest", made.digest)])


def _below(path: Path) -> tuple[str, ...]:
    return (path.name,) if path.is_dir() else ()


def _digest_of(paths: Sequence[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
            found.update(f"{path.name}/{file.relative_to(path).as_posix()}\0".encode())
            found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()
