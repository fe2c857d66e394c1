"""A teacher's scores that lie beside the lists of candidates: no teacher is trained or run here.

The set of samples must come with them (task `passages` with lists of which `kdbench data convert` kept the scores). Scores are as
the file has them: `scale` multiplies them, since a teacher's range decides much where a loss compares sizes (Margin-MSE).

Nothing else is known of that teacher: it cannot rank the collection or answer about another list, so no fidelity is measured.
"""

from __future__ import annotations

from pydantic import Field

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.errors import DataError
from kdbench.contract.gives import Gives
from kdbench.contract.model import Config
from kdbench.contract.source import Source


class GivenConfig(Config):
    scale: float = Field(1.0, gt=0, description="what every score is multiplied by")


class Given(Source):
    """Scores that were given with the lists of candidates, instead of a teacher's."""

    name = "given"
    Config = GivenConfig
    gives = Gives(
        always=frozenset({"probs", "values"}),
        single=frozenset(),
        fewest=0,
        most=0,
        asks=False,
        notes={"taps": "given scores are values, not taps"},
    )

    def ask(self, batch: Batch, grad: bool = False) -> Signal:
        scores = batch.get("given")
        if scores is None:
            raise DataError(
                "source given: this set has no scores beside its candidates; give task `passages` lists with scores "
                "(`kdbench data convert`, params: {lists: name@…})"
            )
        return Signal(self.task.decide(scores * self.c.scale, batch))
