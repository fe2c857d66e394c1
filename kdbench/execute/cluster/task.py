"""What a Ray worker does for one order: it has the job's process forked by a warm server, passes words on, and waits.

The job runs in a process of its own, and not in Ray's, for the same reasons as on one machine: a fork of Ray's would copy its
threads, and a job that crashes or hangs has to do so alone. The server dies with its worker, and the job with the server.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdbench.execute.cluster import node, parcel
from kdbench.execute.cluster.leavings import Leavings
from kdbench.execute.cluster.parcel import Stamp
from kdbench.execute.folders import PAYLOAD, leave_payload, make_job_dir
from kdbench.execute.link import ServerLink, start_method
from kdbench.execute.protocol import Order
from kdbench.execute.slots import WHOLE
from kdbench.execute.verdict import kernel_oom_kills
from kdbench.results import company

TICK = 0.1  # seconds between looks at the job's process
ASK = 0.5  # seconds between words with the run
PATIENCE = 30.0  # seconds without an answer, after which the run is taken to be gone

Sent = Mapping[str, tuple[Stamp, Any]]  # by place: stamp, and what Ray gets the content from
_servers: dict[tuple[str, ...], ServerLink] = {}  # the last one used: Ray's workers serve one order after the other


@dataclass(frozen=True)
class Terms:
    """What every task of a run is told."""

    run: str
    token: node.Token
    code: str
    preload: tuple[str, ...]
    folder: str  # where the run was started
    path: tuple[str, ...]  # where it looks for modules
    environ: Mapping[str, str]  # what it was told by variables of ours


class OtherCode(Exception):
    """This machine would not run what the run was planned with."""


def carry_out(
    terms: Terms, number: int, order: Order, payloads: Sequence[Mapping[str, Any]], sent: Sent | None, post: Any
) -> dict[str, Any]:
    """How the process ended, as a message of its link; {"apart": True} where the files of the job are neither here nor sent."""
    import ray

    if node.code() != terms.code:
        raise OtherCode(f"the kdbench on node {socket.gethostname()} is another one than where the run was started")
    shared = terms.token.seen()
    if not shared and sent is None:
        return {"apart": True}
    server = _server(terms)
    folders = [Path(job_dir) for _, job_dir in order.jobs]
    gathered = []
    if not shared:
        assert sent is not None
        payloads, folders = _unpack(terms.run, order, payloads, sent)
        gathered = [Leavings(payload, folder) for payload, folder in zip(payloads, folders)]
    order = replace(order, jobs=[(str(folder / PAYLOAD), str(folder)) for folder in folders], env=_environ(order))
    _note_company(order, folders)
    node_id = ray.get_runtime_context().get_node_id()
    news = Newspaper(post, number, gathered)
    try:
        return _follow(server, order, news, {"node": socket.gethostname(), "node_id": node_id, "shared": shared})
    except BaseException:  # nobody to work for any more, or Ray ends this process
        with contextlib.suppress(Exception):
            server.signal(order.key, signal.SIGKILL)
        _dismiss()
        raise


def _follow(server: ServerLink, order: Order, news: Newspaper, where: Mapping[str, Any]) -> dict[str, Any]:
    kills, server_pid = kernel_oom_kills(), server.pid
    server.start(order)
    while True:
        for message in server.poll(TICK):
            if "started" in message:
                news.add({**message, **where})
            elif "exited" in message:
                news.tell(over=True)
                return {**message, "oom_kills": kernel_oom_kills() - kills}
            elif "lost" in message:
                why = f"the job server {server_pid} on {where['node']} died (status {message['lost']}), and the job with it"
                _dismiss()
                news.tell(over=True)
                return {"gone": order.key, "why": why}
        for signum in news.due():
            server.signal(order.key, signum)


class Newspaper:
    """What a task has to say, and when."""

    def __init__(self, post: Any, number: int, gathered: Sequence[Leavings]) -> None:
        self._post, self._number, self._gathered = post, number, gathered
        self._news: list[dict[str, Any]] = []
        self._told = 0.0

    def add(self, message: dict[str, Any]) -> None:
        self._news.append(message)
        self._told = 0.0

    def due(self) -> list[int]:
        """The signals for the job, where it is time to ask for them again."""
        return self.tell() if time.monotonic() - self._told >= ASK else []

    def tell(self, over: bool = False) -> list[int]:
        import ray

        for index, leavings in enumerate(self._gathered):
            left = leavings.news(over)
            if left is not None:
                self._news.append({"left": index, **left})
        signals = ray.get(self._post.ask.remote(self._number, self._news), timeout=PATIENCE)
        self._news, self._told = [], time.monotonic()
        return signals


def _server(terms: Terms) -> ServerLink:
    import ray

    asked = (terms.run, terms.folder, *terms.preload)
    if asked not in _servers:
        _dismiss()
        os.environ.update(terms.environ)
        inside = Path(ray.__file__).parent  # what Ray adds for itself would hide other versions of the same libraries
        path = [entry for entry in dict.fromkeys((*sys.path, *terms.path)) if not Path(entry).is_relative_to(inside)]
        folder = Path(terms.folder) if Path(terms.folder).is_dir() else None
        _servers[asked] = ServerLink(node.scratch(terms.run), terms.preload, start_method(), path=path, folder=folder)
    return _servers[asked]


def _dismiss() -> None:
    for server in _servers.values():
        with contextlib.suppress(Exception):
            server.close()
    _servers.clear()


def _environ(order: Order) -> dict[str, str]:
    """The GPU that Ray chose. On CPU, none is to be seen."""
    import ray

    chosen = ray.get_runtime_context().get_accelerator_ids().get("GPU", []) if order.device != "cpu" else []
    return {**order.env, "CUDA_VISIBLE_DEVICES": ",".join(chosen)}


def _note_company(order: Order, folders: Sequence[Path]) -> None:
    """Who is beside a job that has a share of a GPU is Ray's knowledge; it counts as if there were as many as could be."""
    if 0 < order.share < WHOLE:
        for folder in folders:
            (folder / company.FILE).write_text(str(WHOLE // order.share))


def _unpack(run: str, order: Order, payloads: Sequence[Mapping[str, Any]], sent: Sent) -> tuple[list[dict[str, Any]], list[Path]]:
    top = node.scratch(run)
    for place, (stamp, reference) in sent.items():
        parcel.unpack(place, stamp, _getter(reference), top)
    new = [parcel.moved(payload, top) for payload in payloads]
    folders = [make_job_dir(top / parcel.HOME, Path(job_dir).name) for _, job_dir in order.jobs]
    for payload, folder in zip(new, folders):
        leave_payload(folder, payload)
    if "home" in new[0]:
        for name in (parcel.HOME, parcel.RESULTS):
            (top / name).mkdir(exist_ok=True)
    return new, folders


def _getter(reference: Any) -> Callable[[], bytes]:
    import ray

    return lambda: ray.get(reference)


def forget(run: str) -> None:
    """The run is over: its server on this machine ends, and its files go."""
    _dismiss()
    node.forget(run)
