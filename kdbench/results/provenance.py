"""Where a result comes from: code, libraries, machine; never a host name, user, environment variable or credential."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from kdbench.results import asking_git
from kdbench.results.machine import machine

PACKAGES = ("kdbench", "torch", "numpy", "timm")


def now() -> str:
    """This moment in UTC, to the millisecond; the form of `started` and `finished`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def collect(started: str | None = None, sources: Mapping[str, str] | None = None, folder: str | Path = ".") -> dict[str, Any]:
    """The provenance of a record that is finished now; `sources` are the digests of the code that made it.

    `git` is the checkout of the working folder (suites, own plugins), `code` that of kdbench, where it is another one.
    """
    own = _checkout(Path(__file__)) if "site-packages" not in Path(__file__).parts else None
    found: dict[str, Any] = {"git": git_state(folder), "machine": machine(), "versions": versions()}
    if own is not None and own != _checkout(Path(folder)):
        found["code"] = git_state(own)
    found["sources"] = dict(sources or {})
    return found | ({"started": started} if started else {}) | {"finished": now()}


@lru_cache(maxsize=64)
def _git_state(folder: str) -> dict[str, Any] | None:
    status = _git(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    if status is None:
        return None
    lines = status.splitlines()
    head = {line.split()[1]: line.split(maxsplit=2)[2] for line in lines if line.startswith("# branch.")}
    commit, branch = head.get("branch.oid"), head.get("branch.head")
    return {
        "commit": None if commit == "(initial)" else commit,
        "branch": None if branch == "(detached)" else branch,
        "dirty": any(not line.startswith("#") for line in lines),
        "remote": public_url((_git(folder, "config", "--get", "remote.origin.url") or "").strip()),
    }


def git_state(folder: str | Path = ".") -> dict[str, Any] | None:
    """Commit, branch, whether tracked files were changed, and remote of the checkout around `folder`; None outside of git.

    Asked once per process: what ran is what was there when it started.
    """
    root = _checkout(Path(folder))
    state = _git_state(str(root)) if root is not None else None
    return dict(state) if state is not None else None


def _checkout(inside: Path) -> Path | None:
    inside = inside.resolve()
    return next((folder for folder in (inside, *inside.parents) if (folder / ".git").exists()), None)


def _git(folder: str, *arguments: str) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        done = asking_git.ask(folder, *arguments, seconds=10)
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
    return None


def public_url(url: str) -> str | None:
    """A remote without user, password, token or query; None for a path on this machine, which would tell the user's name."""
    if match := re.fullmatch(r"(https?|ssh|git)://(?:.*@)?([^/?#@]+)(/[^?#]*)?.*", url):
        return f"{match[1]}://{match[2]}{match[3] or ''}"
    if match := re.fullmatch(r"(?:.*@)?([^/@:\s]+):(?!//|:)([^@?#\\]+)", url):  # git@host:owner/name
        return f"ssh://{match[1]}/{match[2].lstrip('/')}"
    return None


@lru_cache(maxsize=1)
def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found.append((name, importlib.metadata.version(name)))
    return (("python", platform.python_version()), *found)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that can change numbers, read from their metadata (nothing is imported)."""
    return dict(_versions())
