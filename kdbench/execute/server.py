"""The warm process from which jobs fork: imports are paid once, yet every job lives and dies alone.

`python -m kdbench.execute.server` reads orders on stdin and writes what became of them on stdout, a JSON object a line.
It never touches CUDA, so that a forked job can. When stdin ends its parent is gone, and it ends every job.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import sys
import time
import traceback
from typing import Any

from kdbench.execute import child
from kdbench.execute.folders import read_payload
from kdbench.execute.log import forgive
from kdbench.execute.own_process import die_with, limit_threads
from kdbench.execute.protocol import EXIT_CODES, STOP_SIGNALS, UNHEARD_BY_SERVER, Order


class Server:
    def __init__(self, commands: int, replies: int, start: str) -> None:
        self._commands = commands
        self._replies = replies
        self._start = start
        self._keys: dict[int, str] = {}  # pid, which is the process group too, to job
        self._private = [commands, replies]  # descriptors that no job may hold

    def say(self, **message: Any) -> None:
        line = (json.dumps(message) + "\n").encode()
        with contextlib.suppress(BrokenPipeError):  # the parent is gone; the end of stdin will say so too
            while line:
                line = line[os.write(self._replies, line) :]

    def serve(self) -> None:
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        selector = selectors.DefaultSelector()
        selector.register(self._commands, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        self._private += [woken, wake, selector.fileno()]  # type: ignore[attr-defined]
        pending = b""
        try:
            while True:
                ready = {key.fd for key, _ in selector.select()}
                if woken in ready:
                    os.read(woken, 4096)
                    self._reap()
                if self._commands in ready:
                    data = os.read(self._commands, 65536)
                    if not data:
                        return
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        self._obey(json.loads(line))
        finally:
            for pid in self._keys:
                _signal_group(pid, signal.SIGKILL)

    def _obey(self, message: dict[str, Any]) -> None:
        if message["cmd"] == "start":
            order = Order.from_json(json.dumps(message["order"]))
            if self._start == "fork":
                prepare(order)
            try:
                pid = self._fork(order) if self._start == "fork" else self._spawn(order)
            except OSError as error:
                self.say(exited=order.key, error=f"no process could be started: {error}")
                return
            self._keys[pid] = order.key
            self.say(started=order.key, pid=pid)
            return
        for pid in [pid for pid, key in self._keys.items() if key == message["key"]]:
            if message["signum"] == signal.SIGKILL:
                _signal_group(pid, signal.SIGKILL)
            else:  # the job itself decides what becomes of its helpers; they must not die while it checkpoints
                os.kill(pid, message["signum"])

    def _fork(self, order: Order) -> int:
        server = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)  # kept for the child until it can hear them
        try:
            pid = os.fork()
            if pid == 0:
                self._become(order, server)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
        with contextlib.suppress(OSError):  # whoever comes first, parent or child, makes the group
            os.setpgid(pid, pid)
        return pid

    def _become(self, order: Order, server: int) -> None:
        """In the forked child: shed what belongs to the server, then be the job. Never returns."""
        code = EXIT_CODES["error"]
        try:
            os.setpgid(0, 0)
            die_with(server)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in self._private:
                os.close(descriptor)
            code = child.execute(order)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def _spawn(self, order: Order) -> int:
        command = [sys.executable, "-m", "kdbench.execute.child", order.to_json(), str(os.getpid())]
        environ = {**os.environ, **order.env}
        # Blocked, and so kept until it can hear them, as in a fork.
        return os.posix_spawn(sys.executable, command, environ, setpgroup=0, setsigdef=STOP_SIGNALS, setsigmask=STOP_SIGNALS)

    def _reap(self) -> None:
        while self._keys:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            _signal_group(pid, signal.SIGKILL)  # helpers that the job left behind
            key = self._keys.pop(pid, None)
            if key is None:
                continue
            if os.WIFSIGNALED(status):
                self.say(exited=key, signal=os.WTERMSIG(status))
            else:
                self.say(exited=key, code=os.WEXITSTATUS(status))


def _signal_group(group: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
        os.killpg(group, signum)


def preload(modules: list[str]) -> None:
    """Import what jobs will need. One that fails is no reason to stop: its job will say why, in its own log."""
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:
            traceback.print_exc()
    limit_threads(1)
    gc.collect()
    gc.freeze()  # the collector would otherwise write to, and so copy, every page that a job inherits


def prepare(order: Order) -> None:
    """Let the entry's module make here what many jobs share (generated data): each job inherits it."""
    module = sys.modules.get(order.entry.partition(":")[0])
    share = getattr(module, "prepare", None)
    if share is None:
        return
    try:
        made = share(read_payload(order.jobs[0][0]))
    except Exception:  # the job will meet the same error, in its own process and log
        traceback.print_exc()
        return
    if made:
        gc.collect()
        gc.freeze()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m kdbench.execute.server")
    parser.add_argument("--preload", default="torch,kdbench.train.job", help="modules to import first, with commas")
    parser.add_argument("--start", choices=("fork", "spawn"), default="fork")
    options = parser.parse_args()
    # What imports print must not reach the protocol, nor may jobs read orders.
    commands, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    forgive()
    for number in UNHEARD_BY_SERVER:
        signal.signal(number, signal.SIG_IGN)  # jobs inherit it until they listen
    signal.pthread_sigmask(signal.SIG_UNBLOCK, UNHEARD_BY_SERVER)
    limit_threads(1)
    # Lets torch count GPUs without a CUDA context, which no forked job could use.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    began = time.monotonic()
    if options.start == "fork":
        preload([module for module in options.preload.split(",") if module])
    server = Server(commands, replies, options.start)
    server.say(ready=os.getpid(), seconds=round(time.monotonic() - began, 3))
    server.serve()


if __name__ == "__main__":
    main()
