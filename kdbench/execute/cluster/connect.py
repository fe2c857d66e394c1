"""The way into a cluster: joins the one that is named, or starts one of this machine alone; and what there is in it."""

from __future__ import annotations

import logging
import os
import resource
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbench.execute.base import ExecutorError
from kdbench.execute.devices import default_workers

PATIENCE = 10.0  # seconds for a cluster to answer
VARIABLE = "RAY_ADDRESS"  # Ray's own


@dataclass(frozen=True)
class Capacity:
    """What a machine has in all."""

    cpus: int
    gpus: int
    memory: int


def connect(address: str | None = None) -> None:
    """Once in a process, which leaves the cluster (or ends its own) when it ends. Without an address, Ray's variable is asked."""
    address = address or os.environ.get(VARIABLE) or "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # which GPUs a job sees is said by its order
    try:
        import ray
    except ImportError as error:
        raise ExecutorError(f"--executor ray needs Ray, and there is none ({error}): pip install 'kdbench[ray]'") from error
    if ray.is_initialized():
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"num_cpus": default_workers(), "include_dashboard": False}
    ray._private.worker._worker_logs_enabled = False  # what becomes of nodes is told by us, and stdout may be for a program
    try:
        _call(address)
        ray.init(address, **options)
    except Exception as error:  # Ray has a class for each thing that can go wrong, and no common one
        why = " ".join(str(error).split())[:600] or type(error).__name__
        if address == "local":
            raise ExecutorError(f"no Ray could be started here: {why} {_advice()}") from error
        raise ExecutorError(f"no Ray cluster at {address!r} could be joined: {why}") from error


def _advice() -> str:
    """Of why it did not start Ray tells in its logs, but nothing of a limit at which the kernel ended it."""
    ways = [
        f"look into its logs ({Path(os.environ.get('RAY_TMPDIR') or tempfile.gettempdir(), 'ray/session_latest/logs')})",
        "join a cluster that runs (--address)",
        "or leave out --executor ray",
    ]
    if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
        ways.insert(0, "allow larger files, since Ray's store may be one larger than this process may write (ulimit -f)")
    return f"What to do: {', '.join(ways)}"


def _call(address: str) -> None:
    """An error where nobody answers; Ray itself would go on asking for minutes."""
    if address == "local":
        return
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address  # there is no public way to ask

        address = canonicalize_bootstrap_address(address) or ""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()


def capacities() -> list[Capacity]:
    """Of the cluster's machines."""
    import ray

    found = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [Capacity(int(has.get("CPU", 0)), int(has.get("GPU", 0)), int(has.get("memory", 0))) for has in found]
