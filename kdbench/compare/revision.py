"""The results folder as it was at a git revision, read from git's objects; the checkout is not touched."""

from __future__ import annotations

import subprocess
from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.results import asking_git
from kdbench.results.record import ARCHIVE_FOLDER, Record, RecordError

PREFIX = "git:"
SECONDS = 120.0


def records_at(revision: str, folder: Path) -> tuple[dict[str, Record], list[tuple[str, str]]]:
    """Records by key of `folder` at a revision, and the files that could not be read with their reasons."""
    root = Path(_git(asking_git.nearest_folder(folder), "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    try:
        inside = folder.absolute().resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise DataError(f"{folder} is not in the git checkout {root}") from None
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", what=revision)
    name = commit.decode().strip()
    listed = _git(root, "ls-tree", "-r", "-z", name, "--", inside).split(b"\0")
    files: list[tuple[str, str]] = []
    for entry in filter(None, listed):
        head, _, path = entry.partition(b"\t")
        below = Path(path.decode(errors="replace")).relative_to(inside).parts
        if len(below) == 3 and below[0] != ARCHIVE_FOLDER and below[2].endswith(".json"):
            files.append((path.decode(errors="replace"), head.split()[2].decode()))
    if not files:
        raise DataError(f"there are no results in {inside} at {revision}")
    records, broken = {}, []
    asked = "".join(f"{blob}\n" for _, blob in files).encode()
    contents = asking_git.batch(_git(root, "cat-file", "--batch", given=asked))
    for (file, _), content in zip(files, contents, strict=True):
        try:
            if content is None:
                raise RecordError("it is not in this clone; fetch it first")
            record = Record.loads(content)
            records[record.key] = record
        except RecordError as error:
            broken.append((f"{revision}:{file}", str(error)))
    return records, broken


def _git(folder: Path, *arguments: str, given: bytes | None = None, what: str = "") -> bytes:
    try:
        done = asking_git.ask(folder, *arguments, given=given, seconds=SECONDS)
    except FileNotFoundError:
        raise DataError("git is not installed, so results at a revision cannot be read") from None
    except subprocess.TimeoutExpired:
        raise DataError(f"git {arguments[0]} did not answer within {SECONDS:.0f} s") from None
    if done.returncode != 0:
        if what:
            raise DataError(f"git knows no revision '{what}'")
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DataError(f"git {arguments[0]}: {said[-1] if said else f'exit code {done.returncode}'}")
    return done.stdout
