"""The `.kdbench` folder: everything local to this machine, ignored by git; numbers outlive it, weights and outputs do not."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from kdbench.results.files import HomeError, explained, write_atomically

VARIABLE = "KDBENCH_HOME"
FOLDERS = ("outputs", "weights", "jobs", "signals", "checkpoints", "broken")


@dataclass(frozen=True)
class Home:
    """Paths inside one `.kdbench` folder. Naming it makes nothing on disk; `ensure` does, so that `status` leaves no trace."""

    path: Path

    @staticmethod
    def beside(results: str | Path = "results") -> Home:
        """KDBENCH_HOME where it is set, else `.kdbench` in the folder that holds the results folder."""
        given = os.environ.get(VARIABLE, "").strip()
        return Home(Path(given).expanduser().absolute() if given else Path(results).absolute().parent / ".kdbench")

    @property
    def outputs(self) -> Path:
        """Raw evaluation outputs, named by their sha256."""
        return self.path / "outputs"

    @property
    def weights(self) -> Path:
        """Trained weights as safetensors, named by their job's key; the record holds their sha256."""
        return self.path / "weights"

    @property
    def jobs(self) -> Path:
        """A folder a job: events, logs, tracebacks."""
        return self.path / "jobs"

    @property
    def signals(self) -> Path:
        """Stored teacher signals."""
        return self.path / "signals"

    @property
    def checkpoints(self) -> Path:
        """Half-done jobs, to be resumed."""
        return self.path / "checkpoints"

    @property
    def broken(self) -> Path:
        """Records that could not be read, each with its reason beside it."""
        return self.path / "broken"

    def events(self, key: str) -> Path:
        return self.jobs / key / "events.jsonl"

    def ensure(self) -> Home:
        """Make the folder, its parts and its .gitignore; a HomeError says why this cannot be."""
        with explained(self.path, HomeError):
            for name in FOLDERS:
                (self.path / name).mkdir(parents=True, exist_ok=True)
            if not os.access(self.path, os.W_OK | os.X_OK):
                raise HomeError(f"cannot write {self.path}: permission denied; choose another folder with {VARIABLE}")
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                write_atomically(ignore, b"*\n")
        return self
