"""kdbench doctor: what this machine has, and what would not work on it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
from pathlib import Path

import typer

from kdbench.cli.exits import Exit
from kdbench.cli.options import ResultsOption
from kdbench.cli.session import known_plugins
from kdbench.cli.text import wrapped

LIBRARIES = ("torch", "timm", "torchmetrics", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "mlflow", "pydantic")
OPTIONAL = {"ray": "several machines", "transformers": "text encoders from local folders"}
ENOUGH_DISK = 2 * 2**30
COLUMN = 14


def doctor(results: ResultsOption = Path("results")) -> int:
    """Check this machine: libraries, devices, disk, plugins.

    Exit code 2 if something would not work.

    Example: kdbench doctor
    """
    problems: list[str] = []
    line("kdbench", version("kdbench") or "not installed")
    line("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    if platform.system() == "Windows":
        problems.append("Windows is not supported yet; WSL works as Linux does")
    for name in LIBRARIES:
        found = version(name)
        line(name, found or "missing")
        if found is None:
            problems.append(f"{name} is missing; kdbench installed anew brings it")
    for name, what in OPTIONAL.items():
        there = importlib.util.find_spec(name) is not None
        line(name, f"{version(name) or 'installed' if there else 'not installed'} (optional: {what})")
    problems += devices()
    problems += space(results)
    problems += plugins()
    for problem in problems:
        typer.echo(wrapped(problem, COLUMN, "problem"))
    typer.echo("ok" if not problems else f"{len(problems)} problem{'s' if len(problems) > 1 else ''}")
    return Exit.usage if problems else Exit.ok


def line(name: str, value: str) -> None:
    typer.echo(wrapped(value, COLUMN, name))


def version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def devices() -> list[str]:
    from kdbench.execute.devices import default_workers
    from kdbench.results.machine import machine

    facts = machine()
    workers = default_workers()
    line("cpu", f"{facts['cpu']}, {workers} job{'s' if workers > 1 else ''} at a time")
    line("gpu", ", ".join(facts["gpus"]) or "none")
    if hasattr(os, "sysconf"):
        line("memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB")
    try:
        import torch

        with_cuda = torch.cuda.is_available()
    except Exception as error:  # a broken installation is what a doctor is called for
        return [f"torch does not import: {error}"]
    if facts["gpus"] and not with_cuda:
        return ["there are GPUs, but torch cannot use them: its CUDA build and the driver do not fit"]
    return []


def space(results: Path) -> list[str]:
    from kdbench.results.home import VARIABLE, Home

    home = Home.beside(results).path
    near = next(folder for folder in (home, *home.parents) if folder.exists())
    if not near.is_dir():
        return [f"{near} is a file where a folder is needed; choose another with {VARIABLE}"]
    free = shutil.disk_usage(near).free
    line("disk", f"{free / 2**30:.1f} GiB free for {home}")
    problems = [] if free > ENOUGH_DISK else [f"less than 2 GiB are free for {home}"]
    if not os.access(near, os.W_OK):
        problems.append(f"cannot write {near}; choose another folder with {VARIABLE}")
    return problems


def plugins() -> list[str]:

    registry = known_plugins()
    registry.load_packages()
    line("plugins", str(len(registry.plugins)))
    return [f"plugin {b.origin} is broken: {b.error}" for b in registry.broken]
