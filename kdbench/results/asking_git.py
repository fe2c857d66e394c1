"""Runs git so that it only reads: whatever the checkout's own configuration says, no program of its choice is started.

A checkout that came as an archive brings its `.git/config` along, and git starts what stands there: a file system monitor and
content filters when it is asked what changed, a program for signatures in `log`, one that fetches what a partial clone lacks.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

QUIET = {
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "log.showSignature": "false",
    "diff.ignoreSubmodules": "dirty",  # git would look into each with the configuration that lies there
}
FILTERS = {"clean": "", "smudge": "", "process": "", "required": "false"}
STRANGERS = ("local", "worktree")  # scopes that come with the checkout; the user's own filters (git-lfs) stay


def ask(folder: Path | str, *words: str, given: bytes | None = None, seconds: float | None = None) -> subprocess.CompletedProcess:
    """What git answers in a folder, as bytes; raises what subprocess does where it cannot run."""
    return _run(folder, words, {**QUIET, **_filters(folder)}, given, seconds)


def nearest_folder(folder: Path) -> Path:
    """The folder itself or the first above it that is there: git can be asked only from one that is."""
    return next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.is_dir())


def batch(answer: bytes) -> Iterator[bytes | None]:
    """The contents that `cat-file --batch` answered, one after the other; None for what it has not, as in a partial clone."""
    at = 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        head, at = answer[at:end].split(), end + 1
        if len(head) != 3 or not head[2].isdigit():  # "<name> missing", "<name> ambiguous"
            yield None
            continue
        size = int(head[2])
        yield answer[at : at + size]
        at += size + 1


def _filters(folder: Path | str) -> dict[str, str]:
    """The settings that switch off each filter that the checkout itself names."""
    listed = _run(folder, ("config", "--list", "--show-scope", "--name-only", "-z"), QUIET).stdout.split(b"\0")
    names = [os.fsdecode(name) for scope, name in zip(listed[::2], listed[1::2]) if os.fsdecode(scope) in STRANGERS]
    own = {name.rpartition(".")[0] for name in names if name.startswith("filter.")}
    return {f"{driver}.{setting}": value for driver in own for setting, value in FILTERS.items()}


def _run(
    folder: Path | str, words: tuple[str, ...], settings: dict[str, str], given: bytes | None = None, seconds: float | None = None
) -> subprocess.CompletedProcess:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    return subprocess.run(command, input=given, capture_output=True, timeout=seconds, env=environment(settings), check=False)


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Without what a hook sets, which would answer for another repository, and without a way to any remote. Settings are told by
    variables, since on the command line a name with `=` in it would be taken for another."""
    told = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    told |= {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0"}
    told["GIT_CONFIG_COUNT"] = str(len(settings))
    for number, (name, value) in enumerate(settings.items()):
        told |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return told
