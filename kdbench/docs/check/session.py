"""A reader's shell in a folder of its own: runs blocks one after the other, and says what went wrong."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from kdbench.docs.check.blocks import Block
from kdbench.docs.check.part import whole

SECONDS = 600.0  # of one block
TAIL = 25  # lines of output that a failure shows
LEFT = (".git", ".kdbench", ".venv", "__pycache__", "site", "build", "dist", "*.egg-info", ".*_cache", "node_modules")
# The block, the state of the shell before and after it, and the line that failed.
DRIVER = """\
[ -f "$2" ] && . "$2"
trap 'echo "$LINENO" >"$3"' ERR
trap '{ export -p; printf "cd %q\\n" "$PWD"; } >"$2"' EXIT
set -eE
. "$1"
"""


class Failed(Exception):
    """What a block did instead of what the page says."""


@dataclass
class Session:
    """`scratch` holds the reader's home, in which he is, and beside it what this check needs."""

    scratch: Path
    output: str = ""  # of what was run last
    number: int = 0
    groups: list[int] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.scratch / "home"

    def start(self, checkout: Path | None) -> None:
        if checkout is None:
            self.home.mkdir(parents=True)
        else:
            shutil.copytree(checkout, self.home, ignore=shutil.ignore_patterns(*LEFT))
        (self.scratch / "bin").mkdir()
        (self.scratch / "driver").write_text(DRIVER)
        own = Path(sys.executable).parent / "kdbench"
        if not own.exists():  # a checkout that is not installed
            shim = self.scratch / "bin" / "kdbench"
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m kdbench.cli.app "$@"\n')
            shim.chmod(0o755)

    def environment(self) -> dict[str, str]:
        """The variables of whoever runs this, but none of kdbench's, and a home of its own."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("KDBENCH_", "GIT_", "MLFLOW_", "COLUMNS"))
        }
        path = os.pathsep.join([str(self.scratch / "bin"), str(Path(sys.executable).parent), kept.get("PATH", "")])
        who = {"NAME": "Reader", "EMAIL": "reader@example.org"}
        git = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in who.items()}
        fonts = {"MPLCONFIGDIR": str(self.scratch.parent / "matplotlib")}
        return {**kept, **git, **fonts, "PATH": path, "HOME": str(self.home), "NO_COLOR": "1"}

    def do(self, block: Block) -> None:
        """Do what a block asks for. Raises Failed."""
        self.number += 1
        if block.title:
            path = self._here() / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
        elif block.language == "text":
            if block.output:
                self._compare(block)
        elif block.language == "bash":
            self._run(block, block.text)
        elif block.language == "python":
            self._run(block, f"python {self._file(block.text, '.py')}\n", lines=False)
        elif block.language == "yaml":
            self._run(block, f"kdbench check {self._file(whole(block.text), '.yaml')}\n", lines=False)

    def end(self) -> None:
        """Nothing that a page started outlives it."""
        for group in self.groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    def _run(self, block: Block, script: str, lines: bool = True) -> None:
        state, failed, log = (self.scratch / name for name in ("state", "failed", f"{self.number}.log"))
        failed.unlink(missing_ok=True)
        command = [
            "bash",
            "--noprofile",
            "--norc",
            str(self.scratch / "driver"),
            self._file(script, ".sh"),
            str(state),
            str(failed),
        ]
        with open(log, "wb") as out:  # not a pipe: what a page leaves in the background would keep it open
            child = subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
            self.groups.append(child.pid)
            try:
                code: int | None = child.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
                code = None
        self.output = log.read_text(encoding="utf-8", errors="replace")
        if code != block.exit:
            at = int(failed.read_text()) if lines and failed.exists() else 1
            told = f"still running after {SECONDS:g} s" if code is None else f"exit code {code}"
            wanted = f", not {block.exit}" if block.exit else ""
            raise Failed(f"{block.page}:{block.line + at - 1}: {told}{wanted}: {_line(block.text, at)}\n{self._tail()}")

    def _compare(self, block: Block) -> None:
        """Blanks are not compared: a table is as wide as it must be."""
        known = " ".join(self.output.split())
        for offset, line in enumerate(block.text.splitlines()):
            if line.strip() not in ("", "…") and " ".join(line.split()) not in known:
                raise Failed(f"{block.page}:{block.line + offset}: not in the output: {line.strip()}\n{self._tail()}")

    def _tail(self) -> str:
        return "\n".join(f"    {line}" for line in self.output.rstrip().splitlines()[-TAIL:])

    def _here(self) -> Path:
        """The folder that the shell is in."""
        state = self.scratch / "state"
        if not state.exists():
            return self.home
        command = ["bash", "-c", '. "$1"; pwd', "bash", str(state)]
        return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())

    def _file(self, text: str, ending: str) -> str:
        path = self.scratch / f"{self.number}{ending}"
        path.write_text(text, encoding="utf-8")
        return str(path)


def _line(text: str, number: int) -> str:
    """The command at a line of a block, whole where it goes on; the first one where there is no such line."""
    lines = text.splitlines()
    if not 1 <= number <= len(lines):
        return lines[0] if lines else ""
    found = lines[number - 1]
    for line in lines[number:]:
        if not found.endswith("\\"):
            break
        found = f"{found[:-1].rstrip()} {line.strip()}"
    return found.strip()
