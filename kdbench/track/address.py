"""What a tracking URI points at, found out without MLflow: whether it can be used, why not, and what a sqlite store holds.

MLflow itself retries a bad database for a minute and more, and its import costs a second, so both questions come first.
"""

from __future__ import annotations

import re
import socket
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import urlsplit

from kdbench.track.redact import redact

PATIENCE_SECONDS = 3.0
_PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306, "mssql": 1433}
_OTHERS = ("databricks", "databricks-uc", "uc")  # schemes that MLflow has and that name no host and port
_EXPECTED = "http://host:port, https://host, sqlite:///path/to/mlflow.db, postgresql://…, mysql://… or mssql://…"
_FILE_STORE = (
    "MLflow's file store is in maintenance mode and raises an error unless MLFLOW_ALLOW_FILE_STORE is set; "
    "use sqlite:///path/to/mlflow.db (`mlflow migrate-filestore` carries old runs over)"
)


class Unusable(Exception):
    """The tracker cannot be written, in words that name no credential."""


@dataclass(frozen=True)
class Held:
    """What a store holds of one experiment: the digest of each complete run by its key, and the digest of the reports."""

    runs: dict[str, str]
    reports: str


def sqlite_path(uri: str) -> Path | None:
    """The file of a sqlite URI; None for any other kind of store."""
    if not uri.startswith("sqlite:"):
        return None
    match = re.fullmatch(r"sqlite:///([^?]+)(\?.*)?", uri)
    if match is None or match[1] == ":memory:":
        raise Unusable(f"{redact(uri)} names no file; use sqlite:///path/to/mlflow.db")
    return Path(match[1])


def check(uri: str) -> None:
    """Raise Unusable, within seconds, for a store that MLflow would refuse or wait for."""
    path = sqlite_path(uri)
    if path is not None:
        _check_sqlite(path)
        return
    if bare := re.fullmatch(r"([\w.-]+:\d+)(/.*)?", uri):
        raise Unusable(f"{bare[1]} lacks what stands before a host; a server is http://{bare[1]}")
    scheme = uri.partition(":")[0].partition("+")[0].lower() if ":" in uri else ""
    if scheme in ("", "file"):
        raise Unusable(f"{redact(uri) or 'an empty URI'} is a folder: {_FILE_STORE}")
    if scheme in _PORTS:
        _check_port(uri, scheme)
    elif scheme not in _OTHERS and scheme not in entry_points(group="mlflow.tracking_store").names:
        raise Unusable(f"unsupported URI {redact(uri)}: expected {_EXPECTED}")


def _check_port(uri: str, scheme: str) -> None:
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port or _PORTS[scheme]
        rest = uri.partition(parts.netloc)[2] if parts.netloc else ""
    except ValueError:
        host, port, rest = None, 0, "@"
    if "@" in rest:  # a password cut in half: what seems host and port is a part of it
        raise Unusable(f"this is no URI of the form {scheme}://host:port; in a password, / ? # [ ] and @ are written as codes")
    if not host:
        raise Unusable(f"{redact(uri)} names no host")
    try:
        socket.create_connection((host, port), timeout=PATIENCE_SECONDS).close()
    except OSError as error:
        raise Unusable(f"{host}:{port} does not answer ({error.strerror or error})") from None


def _check_sqlite(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PATIENCE_SECONDS, isolation_level=None)) as store:
            store.execute("BEGIN IMMEDIATE")  # takes the lock that a writer needs, and lets it go
            store.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        hint = ": another program is writing to it" if "locked" in str(error) else ""
        raise Unusable(f"cannot write {path}: {error}{hint}") from None


def held_by_sqlite(path: Path, experiment: str) -> Held | None:
    """What kdbench left in a sqlite store; None where there is none, or where its tables are not those we know."""
    if not path.is_file():
        return None
    readonly = f"{path.absolute().as_uri()}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(readonly, uri=True, timeout=0.5)) as store:
        runs = store.execute(
            "SELECT k.value, d.value FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
            " JOIN tags k ON k.run_uuid = r.run_uuid AND k.key = 'kdbench.key'"
            " JOIN tags d ON d.run_uuid = r.run_uuid AND d.key = 'kdbench.digest'"
            " WHERE e.name = ? AND e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active'",
            [experiment],
        ).fetchall()
        reports = store.execute(
            "SELECT d.value FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
            " JOIN tags d ON d.run_uuid = r.run_uuid AND d.key = 'kdbench.reports'"
            " WHERE e.name = ? AND e.lifecycle_stage = 'active' AND r.lifecycle_stage = 'active'",
            [experiment],
        ).fetchall()
        return Held(dict(runs), reports[0][0] if reports else "")
    return None
