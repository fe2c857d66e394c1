"""Where a result comes from: code, libraries, machine; never a host name, user, environment variable or credential."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import inspect
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from kdbench.results import asking_git

PACKAGES = ("kdbench", "torch", "numpy", "timm")


def now() -> str:
    """This moment in UTC, to the millisecond; the form of `started` and `finished`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def collect(started: str | None = None, sources: Iterable[Any] = (), folder: str | Path = ".") -> dict[str, Any]:
    """The provenance of a record that is finished now; `sources` are the plugins and modules that made it.

    `git` is the checkout of the working folder (suites, own plugins), `code` that of kdbench, where it is another one.
    """
    own = _checkout(Path(__file__)) if "site-packages" not in Path(__file__).parts else None
    found: dict[str, Any] = {"git": git_state(folder), "machine": machine(), "versions": versions()}
    if own is not None and own != _checkout(Path(folder)):
        found["code"] = git_state(own)
    found["sources"] = source_digest(sources)
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


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    system = f"{platform.system()} {platform.machine()}"
    return {"platform": system, "kernel": platform.release(), "cpu": _cpu_model(), "cores": cores} | _gpus()


def machine() -> dict[str, Any]:
    """Platform, processor, usable cores and GPUs, as anyone with the same hardware would read them."""
    found = _machine()
    return {**found, "gpus": list(found["gpus"])}


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        with suppress(OSError, subprocess.SubprocessError):
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
    return platform.processor() or platform.machine()


def _gpus() -> dict[str, Any]:
    """GPU names and driver through NVML, which makes no CUDA context."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no library, no driver, no permission: there is no GPU for us
        return {"gpus": []}
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = [_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
        return {"gpus": names, "driver": _text(pynvml.nvmlSystemGetDriverVersion())}
    except pynvml.NVMLError:
        return {"gpus": []}
    finally:
        with suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def source_digest(sources: Iterable[Any]) -> dict[str, str]:
    """{name: sha256 of its source file} for modules, classes, functions, instances, dotted module names and paths.

    A dotted name is found on disk without importing the module, so that `status` can compare digests and import no
    torch. Line ends are made uniform, because a checkout may have changed them. What is built in is left out.
    """
    found: dict[str, str] = {}
    for source in sources:
        name, path = _locate(source)
        if path is not None:
            with suppress(OSError):
                state = os.stat(path)
                found[name] = _digest(str(path), state.st_mtime_ns, state.st_size)
    return dict(sorted(found.items()))


@lru_cache(maxsize=1024)
def _digest(path: str, mtime_ns: int, size: int) -> str:
    return hashlib.sha256(Path(path).read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _locate(source: Any) -> tuple[str, Path | None]:
    if isinstance(source, Path):
        return source.name, source
    if isinstance(source, str):
        return source, _module_file(source)
    if isinstance(source, ModuleType):
        return source.__name__, _python_file(getattr(source, "__file__", None))
    owner = source if inspect.isclass(source) or inspect.isroutine(source) else type(source)
    module = getattr(owner, "__module__", None) or ""
    return module, _python_file(getattr(sys.modules.get(module), "__file__", None))


def _module_file(name: str) -> Path | None:
    """The file of a dotted module name; only the top package, which imports nothing heavy, may be imported to find it."""
    top, *rest = name.split(".")
    with suppress(ImportError, ValueError):
        spec = importlib.util.find_spec(top)
        if spec is not None and not rest:
            return _python_file(spec.origin)
        for root in (spec.submodule_search_locations or []) if spec is not None else []:
            for path in (Path(root, *rest).with_suffix(".py"), Path(root, *rest, "__init__.py")):
                if path.is_file():
                    return path
    return None


def _python_file(name: str | None) -> Path | None:
    return Path(name) if name and name.endswith(".py") else None
