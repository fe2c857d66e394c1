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
from kdbench.cli.session import ResultsOption

LIBRARIES = ("torch", "timm", "torchmetrics", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "mlflow", "pydantic")
OPTIONAL = {"ray": "several machines", "transformers": "text encoders from local folders"}
ENOUGH_DISK = 2 * 2**30


def doctor(results: ResultsOption = Path("results")) -> int:
    """Check this machine: python, libraries, devices, memory, disk, folders. Exit code 2 if something would not work.

    Example: kdbench doctor
    """
    problems: list[str] = []
    typer.echo(f"kdbench   {installed('kdbench')}")
    typer.echo(f"python    {platform.python_version()} on {platform.system()} {platform.machine()}")
    if platform.system() == "Windows":
        problems.append("Windows is not supported yet")
    for name in LIBRARIES:
        version = installed(name)
        typer.echo(f"{name:12} {version}")
        if version == "missing":
            problems.append(f"{name} is missing: pip install kdbench")
    for name, what in OPTIONAL.items():
        there = importlib.util.find_spec(name) is not None
        typer.echo(f"{name:12} {'installed' if there else 'not installed'} (optional: {what})")
    problems += devices()
    problems += space(results)
    problems += plugins()
    for problem in problems:
        typer.echo(f"problem: {problem}", err=True)
    typer.echo("ok" if not problems else f"{len(problems)} problem(s)")
    return Exit.usage if problems else Exit.ok


def installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def devices() -> list[str]:
    from kdbench.execute.devices import default_workers
    from kdbench.results.provenance import machine

    facts = machine()
    typer.echo(f"cpu       {facts['cpu']}, {default_workers()} jobs at a time")
    typer.echo(f"gpu       {', '.join(facts['gpus']) or 'none'}")
    try:
        import torch

        with_cuda = torch.cuda.is_available()
    except Exception as error:  # a broken installation is what a doctor is called for
        return [f"torch does not import: {error}"]
    if facts["gpus"] and not with_cuda:
        return ["there are GPUs, but torch cannot use them: its CUDA build and the driver do not fit"]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
    typer.echo(f"memory    {pages / 2**30:.1f} GiB")
    return []


def space(results: Path) -> list[str]:
    from kdbench.results.files import HomeError
    from kdbench.results.home import Home

    home = Home.beside(results)
    near = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    free = shutil.disk_usage(near).free
    typer.echo(f"disk      {free / 2**30:.1f} GiB free for {home.path}")
    problems = [] if free > ENOUGH_DISK else [f"less than 2 GiB are free for {home.path}"]
    if not os.access(near, os.W_OK):
        problems.append(str(HomeError(f"cannot write {near}; choose another folder with KDBENCH_HOME")))
    return problems


def plugins() -> list[str]:
    from kdbench.registry import Registry

    registry = Registry()
    typer.echo(f"plugins   {len(registry.plugins)}")
    return [f"plugin {b.origin} is broken: {b.error}" for b in registry.broken]
