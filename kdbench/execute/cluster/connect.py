"""The way into a cluster: joins the one that is named, or starts one of this machine alone; and what there is in it."""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import dataclass
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
        why = " ".join(str(error).split())
        raise ExecutorError(f"no Ray cluster at {address!r} could be joined: {why[:600] or type(error).__name__}") from error


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
