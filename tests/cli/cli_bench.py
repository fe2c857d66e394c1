"""A working folder with the real `kdbench` in it, as a person has it: commands as processes, files as they lie."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdbench.results.record import Record, canonical, comparable
from kdbench.results.store import ResultStore

MANY = """\
import contextlib, io, json, sys
from kdbench.cli.app import main
ends = []
for words in json.load(sys.stdin):
    sys.argv, out, err = ["kdbench", *words], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            ends.append([int(stop.code or 0), out.getvalue(), err.getvalue()])
json.dump(ends, sys.stdout)
"""
KDBENCH = str(Path(sys.executable).with_name("kdbench"))
PLUGINS = Path(__file__).with_name("plugins")
PATIENCE = 240.0  # seconds; the machine may be busy


def environment(**more: str) -> dict[str, str]:
    """Without what the tests' own surroundings might set."""
    dropped = ("KDBENCH_", "COLUMNS", "NO_COLOR", "FORCE_COLOR", "MLFLOW_")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | {"OMP_NUM_THREADS": "1"} | more


# `long` takes a second or two: long enough to be interrupted.
TINY = """\
version: 1
name: tiny
seeds: 2
tasks:
  - task: digits
    recipe: {steps: 12}
    teachers: {pool: 2, recipe: {steps: 12}}
methods:
  - method: kd
    params: {weight: 0.8}
  - {method: kd, name: long, params: {weight: 0.6}, seeds: [0], recipe: {steps: 150}}
claims:
  - {id: sane, task: digits, arm: "kd[weight=0.8]", over: none, metric: accuracy, at_least: -1, source: no arm loses all}
"""


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass
class Bench:
    """One working folder."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def plugin(self, name: str) -> Path:
        return Path(shutil.copy(PLUGINS / name, self.folder / name))

    def __call__(self, *words: str, code: int | None = None, **env: str) -> Done:
        """Run kdbench. No command may ever show a traceback, or escape codes where there is no terminal."""
        given = environment(**self.env, **env)
        made = subprocess.run(
            [KDBENCH, *words],
            cwd=self.folder,
            env=given,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )
        done = Done(made.returncode, made.stdout, made.stderr)
        assert "Traceback" not in done.text, done.text
        assert "\x1b" not in done.text, done.text
        if code is not None:
            assert done.code == code, f"exit code {done.code}, not {code}\n{done.text}"
        return done

    def many(self, *commands: str, **env: str) -> list[Done]:
        """Several commands that only look, one after another in one process: what they import is paid once."""
        given = environment(**self.env, **env)
        asked = json.dumps([shlex.split(command) for command in commands])
        how: dict[str, Any] = {"capture_output": True, "text": True, "timeout": PATIENCE, "input": asked}
        made = subprocess.run([sys.executable, "-c", MANY], cwd=self.folder, env=given, **how)
        assert made.returncode == 0, made.stderr
        ends = [Done(*end) for end in json.loads(made.stdout)]
        for command, done in zip(commands, ends, strict=True):
            assert "Traceback" not in done.text and "\x1b" not in done.text, f"{command}: {done.text}"
        return ends

    def start(self, *words: str, **env: str) -> subprocess.Popen[str]:
        given = environment(**self.env, **env)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen([KDBENCH, *words], cwd=self.folder, env=given, text=True, **pipes)

    def plan(self, *words: str) -> dict[str, dict[str, Any]]:
        """Jobs by key, as `plan --json` tells them."""
        done = self("plan", *words, "--json")
        return {job["key"]: job for job in json.loads(done.out)["jobs"]}

    def states(self, *words: str) -> dict[str, str]:
        """`cell seed` → state."""
        return {f"{job['cell']} {job['seed']}": job["state"] for job in self.plan(*words).values()}

    def records(self) -> dict[str, Record]:
        scan = ResultStore(self.folder / "results").scan()
        assert not scan.broken
        return scan.records

    def comparable(self) -> dict[str, str]:
        """Every record as the bytes that must not depend on when, where and how it was made."""
        return {key: canonical(comparable(record)) for key, record in self.records().items()}

    def path_of(self, key: str) -> Path:
        return next((self.folder / "results").glob(f"*/*/{key}.json"))

    def stamps(self) -> dict[str, int]:
        """When each result file was written, so that a test sees which were written again."""
        return {p.stem: p.stat().st_mtime_ns for p in (self.folder / "results").glob("*/*/*.json")}

    def events(self, key: str) -> list[dict[str, Any]]:
        path = self.folder / ".kdbench" / "jobs" / key / "events.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def when_training(self, key: str, process: subprocess.Popen[str], after: int = 0) -> int:
        """Wait until a job has trained for a while, not counting its first events; its process id."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            events = self.events(key)[after:]
            if sum(event["event"] == "metric" for event in events) >= 2:
                return next((event["pid"] for event in events if "pid" in event), process.pid)
            assert process.poll() is None, "".join(process.communicate())
            time.sleep(0.05)
        process.kill()
        raise AssertionError(f"{key} did not begin to train")


def finish(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in out + err, out + err
    return Done(process.returncode, out, err)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
