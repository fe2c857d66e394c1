"""Where the teacher's signal comes from. The suite chooses a source; a method only sees the signal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.model import Config as PluginConfig
from kdbench.contract.model import Net
from kdbench.contract.needs import Gives
from kdbench.contract.task import Task


class Source:
    """Subclass with a `name`. `scope` says whether a gang may share it; `ask` answers for a batch as the student sees it."""

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    scope: ClassVar[Literal["stream", "learner"]] = "stream"
    gives: ClassVar[Gives] = Gives()

    def __init__(self, config: Any, task: Task, nets: tuple[Net, ...]):
        self.c, self.task, self.nets = config, task, nets

    def ask(self, batch: Batch) -> Signal:
        raise NotImplementedError

    def attach(self, stream: Any, teacher_keys: Sequence[str], folder: Path) -> None:
        """Called once with the stream that it will answer for; a stored source keeps its signals below `folder`."""
