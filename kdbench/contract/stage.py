"""Stages change the distillation stream after the task's augmentation.

A `Stage` stands before the source: student and teacher both see what it returns. An `After` stands behind it: the teacher was
shown the batch as it was, and the stage changes what the student sees and carries the signal along.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.model import Config as PluginConfig
from kdbench.contract.needs import Needs

Look = Callable[[Tensor, Tensor], Batch]  # (index, view) -> these samples of the stream as they come into the stage


class Stage:
    """Subclass with a `name`. `reads` are the batch fields that it changes; only these are left in what it returns.

    What a sample becomes must be a function of the draw, its index and its view, not of who else is in the batch: stored signals
    are kept by sample and view, and a stage that kept to less would teach a student from answers about other inputs.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    reads: ClassVar[tuple[str, ...]] = ("image",)
    mixes: ClassVar[bool] = False  # whether one input is made of several samples

    def __init__(self, config: Any, draw: Draw, size: int):
        self.c, self.draw, self.size = config, draw, size  # the stream's own draw, and how many samples it has

    def __call__(self, batch: Batch, look: Look) -> Batch:
        raise NotImplementedError


class After:
    """A stage behind the source. The batch that it gets bears its signal; it returns both, changed alike.

    `needs` is checked against what the source gives, `leaves` is what then is left of the signal: a stage that pastes labels
    cannot paste probabilities.
    """

    name: ClassVar[str] = ""
    version: ClassVar[int] = 1
    Config: ClassVar[type[PluginConfig]] = PluginConfig
    reads: ClassVar[tuple[str, ...]] = ("image",)
    mixes: ClassVar[bool] = False
    needs: ClassVar[Needs] = Needs()
    leaves: ClassVar[frozenset[str]] = frozenset({"probs", "values", "labels", "members"})

    def __init__(self, config: Any, draw: Draw):
        self.c, self.draw = config, draw

    def __call__(self, batch: Batch, labelled: Batch) -> Batch:
        """The distillation batch anew; `labelled` is the step's labelled batch."""
        raise NotImplementedError
