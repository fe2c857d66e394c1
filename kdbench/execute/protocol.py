"""What the parent and the processes that do its jobs tell each other: orders, signals, messages, exit codes."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

# By status. 0 is none: a library that calls exit(0) in the middle of a job must not look like success.
EXIT_CODES: Mapping[str, int] = {
    "done": 40,
    "diverged": 41,
    "error": 42,
    "oom": 43,
    "data": 44,
    "timeout": 45,
    "killed": 46,
    "busy": 47,
    "interrupted": 75,  # EX_TEMPFAIL: try again later
}
STATUSES = {code: status for status, code in EXIT_CODES.items()}
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})  # either asks a job to save where it is, and to end
UNHEARD_BY_SERVER = STOP_SIGNALS | {signal.SIGUSR1}  # a cluster sends them to everybody; when to end is the parent's word
LATER = "later"  # the status of a member for which a gang had no room; a process has no such end


@dataclass(frozen=True)
class Order:
    """Everything a process needs, as the server gets it on its line and a spawned child in its arguments.

    `jobs` are payload and directory of each; where there are several, the entry's module runs them `together`. It computes on
    `cpus`; `room` (CPUs kept for it), `share` (of a GPU, in thousandths) and `memory` (bytes that a job like it held) are for
    those who choose the machine.
    """

    key: str
    entry: str
    jobs: Sequence[tuple[str, str]]
    device: str = "cpu"
    cpus: int = 1
    env: dict[str, str] = field(default_factory=dict)
    room: int = 1
    share: int = 0
    memory: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Order:
        return cls(**json.loads(text))


class Link(Protocol):
    """Where processes are started, each for one job or a gang. `poll` yields what became of them, as messages of

    {started: key, pid: …, perhaps more}, {exited: key, code | signal | error: …}, {gone: key, why: …} for one that ended by no
    fault of its own, perhaps with those of its jobs that are done, and {lost: status} after its own death.
    """

    def start(self, order: Order) -> None: ...
    def signal(self, key: str, signum: int) -> None: ...
    def poll(self, timeout: float) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...
    def last_words(self) -> str:
        """What tells a person why it died."""
