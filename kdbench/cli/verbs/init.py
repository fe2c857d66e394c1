"""kdbench init: a suite that runs as it stands, with comments that say what to change."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

MADE = ("results/", "reports/", "__pycache__/")
TEMPLATE = """\
# {name}: a first suite. Run it with: kdbench run {path}
version: 1
name: {name}

# Each method runs once per seed; differences are paired by seed. Three seeds show large effects, ten show a point.
seeds: 3

# Built-in sets, no download: digits (images), streets (segmentation across domains), topics (retrieval), sounds (tagging).
# `kdbench list tasks` has them all, `kdbench describe task digits` its params. A bare name is enough: `tasks: [digits]`.
tasks:
  - task: digits
    teachers: {{pool: 2}}       # with two teachers the report can tell what a student owes to its own

# The control `none` (the student alone, same recipe) is planned by itself.
methods:
  - kd                          # with its defaults: `kdbench describe method kd`
  - method: kd                  # a list is a sweep: one cell for each temperature
    params: {{T: [1, 2]}}
  - method: fitnets
    params: {{weight: 1.0}}

# A statement that the report judges with its interval: holds, fails or undecided.
claims:
  - id: kd-helps
    task: digits
    arm: kd
    over: none
    metric: accuracy
    at_least: 0.0
    source: the reason why you run this

# kdbench run {path} --profile smoke
profiles:
  smoke:
    seeds: 1
    recipe: {{steps: 40}}
"""


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="File to write.")] = Path("suite.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> int:
    """Write a commented suite that runs as it stands.

    Example: kdbench init my-suite.yaml
    """
    import re

    from kdbench.contract.errors import KdbenchError

    if path.suffix not in (".yaml", ".yml"):
        path = path.with_name(f"{path.name}.yaml")
    if path.exists() and not force:
        raise KdbenchError(f"{path} exists; --force overwrites it")
    name = re.sub(r"[^a-z0-9_-]+", "-", path.stem.lower()).strip("-_") or "suite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE.format(name=name, path=path), encoding="utf-8")
    typer.echo(f"{path} is written. Next: kdbench plan {shlex.quote(str(path))}")
    if made := unignored(MADE):
        typer.echo("For git: commit suites, plugins and baselines/, and ignore what runs make:")
        typer.echo(f"  printf '%s\\n' {' '.join(made)} >> .gitignore")
        typer.echo("Commit results/ as well where CI is to judge without training.")
    return 0


def unignored(paths: Sequence[str]) -> list[str]:
    """Those that git would take into the checkout around this folder; none where there is no checkout."""
    from kdbench.results.asking_git import ask

    try:
        done = ask(Path.cwd(), "check-ignore", *(f"{path}any" for path in paths))
    except OSError:  # no git here
        return []
    ignored = done.stdout.decode(errors="replace").splitlines()
    return [path for path in paths if f"{path}any" not in ignored] if done.returncode in (0, 1) else []
