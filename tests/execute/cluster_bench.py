"""Real Ray clusters on this machine: nodes that are started, killed, or made to see none of a run's folders."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from execute_bench import wait_for

SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}


class Cluster:
    """Nodes by the names that they were given, each with CPUs of its own; the head has none, unless it is given some."""

    def __init__(self, head_cpus: int = 0) -> None:
        os.environ.update(SETTINGS)
        from ray.cluster_utils import Cluster as Nodes

        self._nodes = Nodes(initialize_head=True, head_node_args={"num_cpus": head_cpus, "include_dashboard": False})
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return self._nodes.address

    def add(self, cpus: int = 1, **more: Any) -> Any:
        return self._nodes.add_node(num_cpus=cpus, **more)

    def kill(self, node: Any) -> None:
        self._nodes.remove_node(node, allow_graceful=False)

    def add_apart(self, hidden: Path, cpus: int = 1) -> None:
        """A node with mounts of its own, in which an empty folder lies over `hidden`."""
        ray = Path(sys.executable).with_name("ray")
        command = f"mount -t tmpfs none '{hidden}' && exec '{ray}' start --address={self.address} --num-cpus={cpus} --block"
        before = len(self.alive())
        self._others.append(
            subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        )
        wait_for(lambda: len(self.alive()) > before, seconds=60)

    def alive(self) -> list[str]:
        return [node["NodeID"] for node in self._nodes.global_state.node_table() if node["Alive"]]

    def close(self) -> None:
        import ray

        for process in self._others:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        ray.shutdown()  # this process may be a driver itself
        self._nodes.shutdown()


@contextlib.contextmanager
def cluster(*cpus: int) -> Iterator[Cluster]:
    made = Cluster()
    try:
        for count in cpus:
            made.add(count)
        yield made
    finally:
        made.close()


def namespaces() -> bool:
    """Whether this container lets us have mounts of our own."""
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def idle(seconds: float = 20.0) -> bool:
    """Whether, within that time, no process of a job or of a job server of ours is left on this machine."""
    until = time.monotonic() + seconds
    while (left := servers()) and time.monotonic() < until:
        time.sleep(0.2)
    return not left


def servers() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and b"kdbench.execute.server" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found
