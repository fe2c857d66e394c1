"""The run's end of a cluster: hands each order to a task of Ray's, and hears what became of it."""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdbench.contract.errors import KdbenchError
from kdbench.execute import failures
from kdbench.execute.base import ExecutorError, FailureClass
from kdbench.execute.cluster import leavings, node, parcel, task
from kdbench.execute.cluster.connect import Capacity
from kdbench.execute.cluster.parcel import Stamp
from kdbench.execute.cluster.post import Post
from kdbench.execute.folders import read_payload
from kdbench.execute.protocol import EXIT_CODES, Order
from kdbench.execute.slots import WHOLE
from kdbench.results.home import VARIABLE
from kdbench.results.store import record_path

CLEANING = 30.0  # seconds for the nodes to remove what they were sent


@dataclass
class Held:
    """An order at work on some node."""

    number: int
    order: Order
    payloads: list[dict[str, Any]]
    before: list[Stamp | None]  # the stamps of its jobs' records when it began; None for those that have none
    started: bool = False
    cancelled: bool = False
    refused: str = ""  # why something that it sent could not be kept

    @property
    def done(self) -> list[str]:
        """Those of its jobs whose records were written meanwhile."""
        after = [record_stamp(payload) for payload in self.payloads]
        return [p["key"] for p, old, new in zip(self.payloads, self.before, after) if new is not None and new != old]


class RayLink:
    """A link as the local executor has one, with tasks of Ray's for processes."""

    def __init__(self, home: Path, results: Path | None, preload: Sequence[str], nodes: Sequence[Capacity]) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self._ray, self._beside = ray, NodeAffinitySchedulingStrategy
        self._largest = Capacity(*(max(sizes) for sizes in zip(*((n.cpus, n.gpus, n.memory) for n in nodes))))
        environ = {name: value for name, value in os.environ.items() if name.startswith("KDBENCH_") and name != VARIABLE}
        self._terms = task.Terms(
            run=secrets.token_hex(8),
            token=node.Token.leave([home] if results is None else [home, results]),
            code=node.code(),
            preload=tuple(preload),
            folder=os.getcwd(),
            path=tuple(map(os.path.abspath, sys.path)),
            environ=environ,
        )
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self._post: Any = ray.remote(Post).options(num_cpus=0, scheduling_strategy=here).remote()
        self._carry_out = ray.remote(task.carry_out)
        self._numbers = itertools.count()
        self._held: dict[Any, Held] = {}  # by the reference of the task
        self._apart = False  # whether some node does not see the run's folders, so that files are sent
        self._sent: dict[Path, tuple[Stamp, Any]] = {}
        self._nodes: set[str] = set()  # that have run something

    def start(self, order: Order) -> None:
        payloads = [read_payload(path) for path, _ in order.jobs]
        self._submit(Held(next(self._numbers), order, payloads, [record_stamp(payload) for payload in payloads]))

    def _submit(self, held: Held) -> None:
        order, largest = held.order, self._largest
        options: dict[str, Any] = {"num_cpus": min(order.room, largest.cpus or order.room), "max_retries": 0}
        if order.device != "cpu":
            options["num_gpus"] = whole = order.share / WHOLE
            if whole > largest.gpus:
                raise ExecutorError(f"a job on {whole:g} GPUs: no node of the cluster has more than {largest.gpus}")
        elif order.memory:
            options["memory"] = min(order.memory, largest.memory or order.memory)
        sent = self._pack(held) if self._apart else None
        how = self._carry_out.options(name=f"kdbench {order.key[:12]}", **options)
        self._held[how.remote(self._terms, held.number, order, held.payloads, sent, self._post)] = held

    def _pack(self, held: Held) -> task.Sent:
        """What its jobs read, put into Ray's store once for all who read it."""
        sent: dict[str, tuple[Stamp, Any]] = {}
        for place, path in (item for payload in held.payloads for item in parcel.reads(payload).items()):
            stamp = parcel.stamp_of(path)
            if stamp is None:  # gone meanwhile: the job will say so
                continue
            if self._sent.get(path, (None,))[0] != stamp:
                self._sent[path] = stamp, self._ray.put(path.read_bytes())
            sent[place] = self._sent[path]
        return sent

    def signal(self, key: str, signum: int) -> None:
        for reference, held in self._held.items():
            if held.order.key != key:
                continue
            if held.started:
                self._post.signal.remote(held.number, int(signum))
            elif signum in (signal.SIGTERM, signal.SIGKILL):  # no job to hear it yet
                held.cancelled = True
                self._ray.cancel(reference, force=True)

    def poll(self, timeout: float) -> list[dict[str, Any]]:
        """What became of the orders, waiting at most so long for one to end."""
        try:
            ended = self._wait(timeout)
            messages = list(self._hear())
            return messages + [message for reference in ended for message in self._end(reference)]
        except (self._ray.exceptions.RayError, ConnectionError) as error:
            why = " ".join(str(error).split())[:600]
            raise ExecutorError(f"the Ray cluster is lost; what is done is kept, and the same command goes on: {why}") from error

    def _wait(self, timeout: float) -> list[Any]:
        if not self._held:
            time.sleep(timeout)
            return []
        return self._ray.wait(list(self._held), timeout=timeout)[0]

    def _hear(self) -> Iterator[dict[str, Any]]:
        at_work = {held.number: held for held in self._held.values()}
        for number, message in self._ray.get(self._post.collect.remote()):
            held = at_work.get(number)
            if held is None:  # its node was thought dead, and its job runs elsewhere
                continue
            if "started" in message:
                held.started = True
                self._nodes.add(message.pop("node_id"))
                if not message.pop("shared"):
                    for _, directory in held.order.jobs:
                        failures.clear(Path(directory))
                yield message
            else:
                self._keep(held, message)

    def _keep(self, held: Held, message: dict[str, Any]) -> None:
        index = message["left"]
        try:
            leavings.keep(message, held.payloads[index], Path(held.order.jobs[index][1]))
        except (KdbenchError, OSError) as error:
            held.refused = str(error)
            self._post.signal.remote(held.number, int(signal.SIGKILL))

    def _end(self, reference: Any) -> Iterator[dict[str, Any]]:
        held = self._held.pop(reference)
        key, known = held.order.key, self._ray.exceptions
        try:
            end = self._ray.get(reference)
        except known.RayTaskError as error:
            end = self._failed(held, error)
        except known.RayError as error:
            end = self._lost(held, error)
        if end.get("apart"):
            self._apart = True
            self._submit(held)
        elif held.refused:
            yield {"exited": key, "error": held.refused}
        else:
            yield end

    def _failed(self, held: Held, error: Any) -> dict[str, Any]:
        """The task itself failed, before its job could begin."""
        cause = error.cause
        if isinstance(cause, self._ray.exceptions.GetTimeoutError):
            return {"gone": held.order.key, "why": "its node could not reach the run any more", "done": held.done}
        if isinstance(cause, (KdbenchError, OSError)) and not isinstance(cause, ImportError):
            return {"exited": held.order.key, "error": f"its node could not serve it: {cause}"}
        told = cause if isinstance(cause, task.OtherCode) else f"a node cannot run jobs of kdbench: {cause or error}"
        raise ExecutorError(f"{told}; all nodes need the same kdbench, Python and Ray")

    def _lost(self, held: Held, error: Any) -> dict[str, Any]:
        """The task is no more, and so is its job."""
        key, known = held.order.key, self._ray.exceptions
        if held.cancelled:
            return {"exited": key, "code": EXIT_CODES["interrupted"]}
        why = " ".join(str(error).split())
        if isinstance(error, known.OutOfMemoryError):
            for _, directory in held.order.jobs:
                failures.write(Path(directory), failures.Failure(FailureClass.oom, why[:600]))
            return {"exited": key, "code": EXIT_CODES["oom"]}
        self._post.signal.remote(held.number, int(signal.SIGKILL))  # should it be at work there all the same
        what = "Ray's worker for it" if isinstance(error, known.WorkerCrashedError) else "its node"
        return {"gone": key, "why": f"{what} died ({type(error).__name__})", "done": held.done}

    def close(self) -> None:
        """End what still runs, and leave nothing on the nodes."""
        known = self._ray.exceptions
        with contextlib.suppress(known.RayError, ConnectionError):
            for reference in self._held:
                self._ray.cancel(reference, force=True)
            alive = {each["NodeID"] for each in self._ray.nodes() if each["Alive"]}
            self._forget(sorted(alive & self._nodes))
            self._ray.kill(self._post)
        self._terms.token.remove()

    def _forget(self, nodes: list[str]) -> None:
        """Of what lies on the nodes for this run, nothing is needed any more."""
        forget = self._ray.remote(task.forget)
        there = [forget.options(num_cpus=0, scheduling_strategy=self._beside(name, soft=False)) for name in nodes]
        if there:
            self._ray.wait([each.remote(self._terms.run) for each in there], num_returns=len(there), timeout=CLEANING)

    def last_words(self) -> str:
        return "Ray's logs tell more"


def record_stamp(payload: dict[str, Any]) -> Stamp | None:
    """By which a new record is told from an older one of the same job."""
    return parcel.stamp_of(record_path(payload)) if "results" in payload else None
