"""One frozen teacher, asked on the batch that the student sees."""

from __future__ import annotations

import torch

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.needs import Gives
from kdbench.contract.source import Source


class Live(Source):
    """One teacher network in evaluation mode: values, probabilities and taps."""

    name = "live"

    gives = Gives(taps=True, fewest=1, most=1)

    def ask(self, batch: Batch) -> Signal:
        with torch.no_grad():
            outputs = self.nets[0](batch)
        return Signal(self.task.decide(outputs.values, batch), outputs.taps)
