"""Files that a list names: each is found below the list's own folder, so that no list leads a reader anywhere else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from kdbench.contract.errors import DataError


def plain(place: str, name: str) -> str:
    """A file's name that is no path."""
    if Path(name).name != name or "\\" in name or "\0" in name:
        raise DataError(f"{place}: {name!r} is no plain file name")
    return name


def below(place: str, folder: Path, column: str, given: str) -> Path:
    """The file at a path that a column gives, with slashes of either kind."""
    name = PurePosixPath(given.replace("\\", "/"))
    if not given or name.is_absolute() or ".." in name.parts or "\0" in given:
        raise DataError(f"{place}: {column} {given!r}, expected a path below {folder}")
    return there(place, folder / name)


def there(place: str, path: Path) -> Path:
    """A file that a list names."""
    if not path.is_file():
        raise DataError(f"{place}: no file {path}")
    return path
