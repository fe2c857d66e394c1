"""The parent's end of the server: starts it, gives it orders, and hears what became of them."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kdbench.execute.base import ExecutorError
from kdbench.execute.protocol import UNHEARD_BY_SERVER, Order


@contextlib.contextmanager
def _held() -> Iterator[None]:
    """A process that starts now is sent no signal before it can say that it ignores it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, UNHEARD_BY_SERVER)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_method(given: str | None = None) -> str:
    """How processes begin on this machine: as given, as KDBENCH_START says, else forked where that is safe."""
    start = given or os.environ.get("KDBENCH_START") or ("fork" if sys.platform == "linux" else "spawn")
    if start not in ("fork", "spawn"):
        raise ExecutorError(f"KDBENCH_START must be fork or spawn, not {start!r}")
    return start


class ServerLink:
    """One server process. `poll` yields its messages; after its death the last one is {"lost": exit status}."""

    def __init__(
        self, home: Path, preload: Sequence[str], start: str, *, path: Sequence[str] | None = None, folder: Path | None = None
    ) -> None:
        """`path`: where its jobs look for modules, if not where this process does; `folder`: where they stand."""
        home.mkdir(parents=True, exist_ok=True)
        self.log = home / "server.log"
        if self.log.is_symlink():  # of a home that came as an archive; what it points at is not ours to write to
            self.log.unlink()
        command = [sys.executable, "-m", "kdbench.execute.server", "--start", start, "--preload", ",".join(preload)]
        # Jobs must find what this process finds (plugins given as files among it), wherever they run, and must not
        # differ by the order of their sets.
        entries = os.pathsep.join(os.path.abspath(entry) for entry in (sys.path if path is None else path))
        environ = {**os.environ, "PYTHONPATH": entries, "PYTHONSAFEPATH": "1", "PYTHONHASHSEED": "0"}
        with open(self.log, "ab") as log, _held():
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environ,
                cwd=folder,
                bufsize=0,
                start_new_session=True,  # out of reach of the terminal's Ctrl-C, which is for this process to handle
            )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._replies = self._process.stdin, self._process.stdout
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._replies, selectors.EVENT_READ)
        self._pending = b""

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, order: Order) -> None:
        self._send({"cmd": "start", "order": json.loads(order.to_json())})

    def signal(self, key: str, signum: int) -> None:
        self._send({"cmd": "signal", "key": key, "signum": int(signum)})

    def poll(self, timeout: float) -> list[dict[str, Any]]:
        """What the server has said, waiting at most so long for it."""
        if not self._selector.select(timeout):
            return []
        data = os.read(self._replies.fileno(), 65536)
        *lines, self._pending = (self._pending + data).split(b"\n")
        messages = [json.loads(line) for line in lines]
        if not data:
            messages.append({"lost": self._process.wait()})
        return messages

    def close(self) -> None:
        """Closing its stdin ends the server, and it ends its jobs."""
        self._selector.close()
        self._orders.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._replies.close()

    def last_words(self) -> str:
        """The end of the server's log, to explain why it died."""
        with contextlib.suppress(OSError):
            return f"{self.log} ends:\n{self.log.read_text(errors='replace')[-2000:].strip()}"
        return f"{self.log} cannot be read"

    def _send(self, message: dict[str, Any]) -> None:
        line = (json.dumps(message) + "\n").encode()
        with contextlib.suppress(BrokenPipeError):  # it just died; `poll` will say so
            while line:
                line = line[self._orders.write(line) :]
