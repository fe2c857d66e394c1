"""Suites by name: those in ./suites, and those that come with kdbench."""

from __future__ import annotations

from pathlib import Path

HERE = Path("suites")
_PACKAGE = Path(__file__).parents[1]


def names() -> dict[str, Path]:
    """Every suite that a name stands for. One in ./suites hides one of ours."""
    return {**_below(shipped()), **_below(HERE)}


def shipped() -> Path:
    """Where our own suites lie: in the package once it is installed, beside it in a checkout."""
    inside = _PACKAGE / "suites"
    return inside if inside.is_dir() else _PACKAGE.parent / "suites"


def _below(folder: Path) -> dict[str, Path]:
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in sorted(folder.rglob("*.yaml"))}
