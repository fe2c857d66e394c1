"""`kdbench` in processes forked from this one, in which torch is imported: the matrix starts some hundred runs, and most of a
small run is the import. The server of jobs is forked, too, but with KDBENCH_CHAOS_COLD=1, which starts it as its own program.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO

import matplotlib.pyplot
import torch
from cli_bench import PATIENCE, Bench, Done, environment

import kdbench.report.build
import kdbench.train.job
from kdbench.cli.app import main
from kdbench.execute import link, server

assert matplotlib and torch and kdbench


@dataclass
class Forked:
    """As much of subprocess.Popen as a bench asks for."""

    pid: int
    out: IO[str]
    err: IO[str]
    returncode: int | None = field(default=None)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode

    def communicate(self, timeout: float = PATIENCE) -> tuple[str, str]:
        until = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > until:
                self.kill()
            time.sleep(0.01)
        said = []
        for file in (self.out, self.err):
            file.seek(0)
            said.append(file.read())
        return said[0], said[1]

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def fork(words: tuple[str, ...], folder: Path, env: dict[str, str]) -> Forked:
    out, err = (tempfile.TemporaryFile("w+", errors="replace") for _ in range(2))  # noqa: SIM115
    pid = os.fork()
    if pid:
        return Forked(pid, out, err)
    code = 70
    try:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM):
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        sys.stdout, sys.stderr = (open(number, "w", buffering=1, closefd=False) for number in (1, 2))  # noqa: SIM115
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(env)
        if mark := os.environ.get("CHAOS_MARK"):  # the kernel goes on to show the variables that this process began with
            Path("/proc/self/comm").write_text(mark[:15])
        if not os.environ.get("KDBENCH_CHAOS_COLD"):
            link.subprocess = SimpleNamespace(PIPE=None, TimeoutExpired=subprocess.TimeoutExpired, Popen=WarmServer)  # type: ignore
        gc.freeze()
        sys.argv = ["kdbench", *words]
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


class WarmServer:
    """As much of subprocess.Popen as the link to a server asks for: a fork that becomes the server."""

    def __init__(self, command: list[str], stderr: IO[bytes], env: dict[str, str], **options: object) -> None:
        theirs, self.stdin = _pipe()
        self.stdout, back = _pipe()
        self.returncode: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.setsid()
                for number, file in enumerate((theirs, back, stderr)):
                    os.dup2(file.fileno(), number)
                for file in (self.stdin, self.stdout):
                    file.close()
                os.environ.clear()
                os.environ.update(env)
                sys.argv = command[2:]
                server.main()
            finally:
                os._exit(0)
        theirs.close()
        back.close()

    def wait(self, timeout: float = 60.0) -> int:
        until = time.monotonic() + timeout
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > until:
                raise subprocess.TimeoutExpired("server", timeout)
            else:
                time.sleep(0.005)
        return self.returncode

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)


def _pipe() -> tuple[IO[bytes], IO[bytes]]:
    readable, writable = os.pipe()
    return open(readable, "rb", buffering=0), open(writable, "wb", buffering=0)


class Warm(Bench):
    """A working folder in which commands start at once."""

    def start(self, *words: str, **env: str) -> Forked:  # type: ignore[override]
        return fork(words, self.folder, environment(**self.env, **env))

    def __call__(self, *words: str, code: int | None = None, **env: str) -> Done:
        process = self.start(*words, **env)
        out, err = process.communicate()
        assert process.returncode is not None
        done = Done(process.returncode, out, err)
        assert "Traceback" not in done.text and "\x1b" not in done.text, done.text
        if code is not None:
            assert done.code == code, f"exit code {done.code}, not {code}\n{done.text}"
        return done
