"""Results as an MLflow store holds them: the record of each run, checked against the digest that the run bears."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from kdbench.contract.errors import KdbenchError
from kdbench.results.record import Record, RecordError
from kdbench.track.address import Unusable, check, sqlite_path
from kdbench.track.entries import digest
from kdbench.track.mlflow import RECORD, active_runs
from kdbench.track.redact import reason, redact
from kdbench.track.surroundings import open_client, quiet

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

AT_A_TIME = 8  # downloads: a server answers each in a fraction of a second, and a suite has hundreds
ANEW = "`kdbench track sync` writes it again"


@dataclass
class Pulled:
    """The records by key, and the runs that gave none, each with its reason."""

    records: dict[str, Record] = field(default_factory=dict)
    broken: list[tuple[str, str]] = field(default_factory=list)


def pull(uri: str, experiment: str) -> Pulled:
    """Every record of an experiment. Unusable where the store cannot be read, KdbenchError where it has no such experiment."""
    path = sqlite_path(uri)
    if path is not None and not path.is_file():
        raise Unusable(f"there is no {path}")
    check(uri)
    with quiet():
        try:
            client = open_client(uri)
            runs = active_runs(client, _experiment(client, experiment, uri))
            return _read(client, [run for run in runs if run.data.tags.get("kdbench.kind")])
        except KdbenchError:
            raise
        except Exception as error:  # whatever a tracker, its network or its database may raise
            raise Unusable(f"{redact(uri)}: {reason(error, uri)}") from error


def _experiment(client: MlflowClient, name: str, uri: str) -> str:
    """Its id."""
    from kdbench.suite.errors import nearest

    found = client.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage == "active":
        return found.experiment_id
    names = sorted(one.name for one in client.search_experiments())
    near = nearest(name, names)
    hint = f"did you mean '{near}'?" if near else f"it has {', '.join(names)}"
    raise KdbenchError(f"{redact(uri)} has no experiment '{name}'; {hint}")


def _read(client: MlflowClient, runs: Iterable[Any]) -> Pulled:
    found = Pulled()
    newest_last = sorted(runs, key=lambda run: (run.info.end_time or 0, run.info.run_id))
    with TemporaryDirectory() as folder, ThreadPoolExecutor(AT_A_TIME) as pool:
        folders = [Path(folder, str(number)) for number in range(len(newest_last))]  # not by names that a server gives
        for run, read in zip(newest_last, pool.map(partial(_record, client), newest_last, folders)):
            if isinstance(read, Record):
                found.records[read.key] = read
            else:
                found.broken.append((run.info.run_name or run.info.run_id, read))
    return found


def _record(client: MlflowClient, run: Any, own: Path) -> Record | str:
    """A run's record, or why it has none that can be trusted."""
    told = run.data.tags.get("kdbench.digest")
    if told is None:
        return f"it was cut short while it was written; {ANEW}"
    own.mkdir()
    try:
        record = Record.loads(Path(client.download_artifacts(run.info.run_id, RECORD, str(own))).read_bytes())
    except RecordError as error:
        return f"{RECORD}: {error}; {ANEW}"
    except Exception as error:  # the artifacts of a store may lie anywhere, on anything
        return f"{RECORD} cannot be read ({reason(error)}); {ANEW}"
    return record if digest(record) == told else f"{RECORD} is not what was logged; {ANEW}"
