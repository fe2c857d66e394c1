"""What git knows of a folder's past: the commits that touched it, and files as they were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kdbench.contract.errors import KdbenchError
from kdbench.results import asking_git

MARK = "\x1e"


@dataclass(frozen=True)
class Commit:
    """One commit, and the paths that it added or changed, relative to the top of the checkout."""

    sha: str
    day: str
    subject: str
    paths: tuple[str, ...]


@dataclass(frozen=True)
class Checkout:
    """The git checkout around a folder."""

    top: Path

    @staticmethod
    def around(folder: Path) -> Checkout:
        return Checkout(Path(run(asking_git.nearest_folder(folder), "rev-parse", "--show-toplevel").strip()))

    def inside(self, folder: Path) -> str:
        """A folder as git names it; a KdbenchError where it lies in another checkout."""
        try:
            return folder.resolve().relative_to(self.top.resolve()).as_posix()
        except ValueError:
            raise KdbenchError(f"{folder} does not lie in the checkout {self.top}, so it has no history there") from None

    def commits(self, *folders: str) -> list[Commit]:
        """Those that touched the folders, oldest first. A merge shows what neither of its sides had."""
        if not run(self.top, "rev-list", "-n", "1", "--all"):
            return []
        form = f"--format={MARK}%H%x00%cs%x00%s"
        names = ("-c", "core.quotepath=off", "log", "--reverse", "--diff-filter=AMR", "--name-only", "-c", form, "--", *folders)
        found = []
        for block in run(self.top, *names).split(MARK)[1:]:
            head, _, rest = block.partition("\n")
            sha, day, subject = head.split("\x00")
            found.append(Commit(sha, day, subject, tuple(line for line in rest.splitlines() if line)))
        return found

    def contents(self, wanted: Sequence[tuple[str, str]]) -> Iterator[bytes | None]:
        """Files by (commit, path), all through one process; None where there is none."""
        asked = "".join(f"{sha}:{path}\n" for sha, path in wanted).encode()
        return asking_git.batch(answer(self.top, "cat-file", "--batch", given=asked))


def run(folder: Path, *words: str) -> str:
    """What git says, as text."""
    return answer(folder, *words).decode(errors="replace")


def answer(folder: Path, *words: str, given: bytes | None = None) -> bytes:
    """What git says; a KdbenchError where it cannot."""
    try:
        done = asking_git.ask(folder, *words, given=given)
    except OSError as error:
        raise KdbenchError(f"history is read from git, which does not run here: {error.strerror}") from error
    if done.returncode:
        why = done.stderr.decode(errors="replace").strip().splitlines() or ["git failed"]
        raise KdbenchError(f"history is read from git: {why[0].removeprefix('fatal: ')}")
    return done.stdout
