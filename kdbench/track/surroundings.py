"""What MLflow needs around it to behave: one writer at a time, silence, short waits, and a store that it does not mistake."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdbench.results.home import Home
from kdbench.track.address import Unusable, sqlite_path

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

LOCK_SECONDS = 20
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


@contextmanager
def one_writer(home: Home) -> Iterator[None]:
    from filelock import FileLock, Timeout

    home.ensure()
    try:
        with FileLock(home.path / "mlflow.lock", timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise Unusable(f"another kdbench has been writing to the tracker for {LOCK_SECONDS} s") from None


@contextmanager
def unsynced(own: bool) -> Iterator[None]:
    """Spare our own store the wait for the disk at each of six commits a run: it can be rebuilt, so it need not be durable."""
    if not own:
        yield
        return
    from sqlalchemy import Engine, event

    def relax(connection: Any, _: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", relax)
    try:
        yield
    finally:
        event.remove(Engine, "connect", relax)


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow's settings for the time of a sync (the user's own win), and neither its logs nor its warnings."""
    added = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    loggers = [logging.getLogger(name) for name in ("mlflow", "alembic", "sqlalchemy", "urllib3")]
    levels = [logger.level for logger in loggers]
    os.environ.update(added)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


_seen: dict[Path, tuple[tuple[int, int] | None, int]] = {}


def open_client(uri: str) -> MlflowClient:
    from mlflow.tracking import MlflowClient

    path = sqlite_path(uri)
    return MlflowClient(tracking_uri=uri if path is None else _spelled_anew(uri, path))


def _spelled_anew(uri: str, path: Path) -> str:
    """The URI, in another spelling when its file is another one than last time.

    MLflow keeps one connection a URI for the life of the process, and would write into a deleted file for ever.
    """
    state = path.stat()
    last, spelling = _seen.get(path, (None, 0))
    now = (state.st_dev, state.st_ino) if state.st_size else None  # empty: `check` has just made it
    if now is None or (last is not None and now != last):
        spelling += 1
    _seen[path] = ((state.st_dev, state.st_ino), spelling)
    return uri.replace(str(path), f"{path.parent}{'/.' * spelling}/{path.name}")
