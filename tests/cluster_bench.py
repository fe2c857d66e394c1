"""Real Ray clusters on this machine: nodes that are started, killed, or made to see none of a run's folders."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from processes import parent_of

SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
# A plugin for nodes to be sent, where they do not see the suite's folder.
MINE = """\
from kdbench.api import Method, Term


class Mine(Method):
    \"\"\"A method that is a file beside the suite.\"\"\"

    name = "mine"

    def terms(self, step):
        return {"task": Term(step.supervised)}
"""


class Cluster:
    """A head, which has no CPU to give unless it is given some, and the nodes that are added."""

    def __init__(self, head_cpus: int = 0, client: bool = False) -> None:
        os.environ.update(SETTINGS)
        from ray.cluster_utils import Cluster as Nodes

        head: dict[str, Any] = {"num_cpus": head_cpus, "include_dashboard": False}
        if client:
            self._door = head["ray_client_server_port"] = free_port()
        self._nodes = Nodes(initialize_head=True, head_node_args=head)
        self._others: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return self._nodes.address

    @property
    def client_address(self) -> str:
        return f"ray://127.0.0.1:{self._door}"

    def add(self, cpus: int = 1, **more: Any) -> Any:
        return self._nodes.add_node(num_cpus=cpus, **more)

    def kill(self, node: Any) -> None:
        self._nodes.remove_node(node, allow_graceful=False)

    def kill_node_of(self, pid: int) -> None:
        """Kill the node on which a process runs, by what Ray's own process there is."""
        while b"raylet/raylet" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            pid = parent_of(pid)
        for node in self._nodes.worker_nodes:
            if pid in [each.process.pid for each in node.all_processes["raylet"]]:
                return self.kill(node)
        os.kill(pid, signal.SIGKILL)

    def add_apart(self, *hidden: Path, cpus: int = 1) -> None:
        """A node with mounts of its own, in which an empty folder lies over each of `hidden`."""
        ray = Path(sys.executable).with_name("ray")
        mounts = "".join(f"mount -t tmpfs none '{folder}' && " for folder in hidden)
        command = f"{mounts}exec '{ray}' start --address={self.address} --num-cpus={cpus} --block"
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
        until = time.monotonic() + 90
        while len(self.alive()) == before:
            assert time.monotonic() < until, "the node did not come"
            time.sleep(0.2)

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


def free_port() -> int:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


@contextlib.contextmanager
def cluster(*cpus: int, head: int = 0, client: bool = False) -> Iterator[Cluster]:
    made = Cluster(head, client)
    try:
        for count in cpus:
            made.add(count)
        yield made
    finally:
        made.close()


def namespaces() -> bool:
    """Whether this container lets us have mounts of our own."""
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


def idle(folder: Path, seconds: float = 20.0) -> bool:
    """Whether, within that time, no job server is left of a run that was started in that folder."""
    until = time.monotonic() + seconds
    while (left := servers(folder)) and time.monotonic() < until:
        time.sleep(0.2)
    return not left


def servers(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and b"kdbench.execute.server" in (entry / "cmdline").read_bytes():
                found += [int(entry.name)] if os.readlink(entry / "cwd") == str(folder) else []
    return found
