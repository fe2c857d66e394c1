"""A teacher from elsewhere as a card: a YAML file that says what its weights are, what is claimed of them and what was found."""

from __future__ import annotations

import hashlib
import json
from typing import Literal

from pydantic import model_validator

from kdbench.suite.entry import Params, Text
from kdbench.suite.marks import Many, OneOrMany, Strict, identity, runtime

WEIGHTS_VARIABLE = "KDBENCH_WEIGHTS"


class Normalisation(Strict):
    """What is subtracted from images of values 0 to 1, and what they are divided by, instead of the task's own."""

    mean: Many[float] = identity("one value a channel", min_length=1)
    std: Many[float] = identity("one value a channel", min_length=1)

    @model_validator(mode="after")
    def _alike(self) -> Normalisation:
        if len(self.mean) != len(self.std):
            raise ValueError(f"there are {len(self.mean)} means and {len(self.std)} deviations")
        if min(self.std) <= 0:
            raise ValueError("a deviation must be above 0")
        return self


class Weights(Strict):
    """Where the weights lie, and the content by which they are known."""

    file: Text = runtime(f"path under {WEIGHTS_VARIABLE}, or where that is not set beside the card; or an absolute one")
    sha256: str = identity("sha256 of the file", pattern=r"^[0-9a-f]{64}$")


class Claimed(Strict):
    """A score that somebody says these weights have."""

    metric: str = runtime("name of a metric of the task's family")
    value: float = runtime("the score, as the metric is counted here (a share is at most 1)")
    tolerance: float | None = runtime("how far ours may be off; the 95 % interval of ours if left out", None, ge=0)


class Score(Strict):
    """A score that we found, with its 95 % interval over resampled test examples where it has one."""

    value: float = runtime("the score")
    interval: Many[float] | None = runtime("low and high", None, min_length=2, max_length=2)


class Measured(Strict):
    """What kdbench found, and with what."""

    scores: dict[str, Score] = runtime("metric -> score")
    n: int = runtime("test examples that it was found on", ge=1)
    date: Text = runtime("day of the measurement")
    code: Text = runtime("kdbench's version and commit")
    of: str = runtime("digest of what was measured: network, weights, normalisation, task and split")


class Card(Strict):
    """A teacher from elsewhere. Without `measured`, or where that is not what is claimed, no suite takes it."""

    version: Literal[1] = runtime("version of this file format")
    task: str = identity("name of the task plugin that it was made for")
    task_params: Params = identity("params of the task under which it is measured", dict)
    model: str = identity("name of a model plugin")
    params: Params = identity("params of the model", dict)
    normalisation: Normalisation | None = identity("how its images are normalised; as the task does it if left out", None)
    weights: Weights = identity("the weights")
    source: Text = runtime("who made it, where it is from, and under which licence")
    split: Literal["test", "val"] = runtime("the split of the task that the claims are about", "test")
    claims: OneOrMany[Claimed] = runtime("what is claimed of it", min_length=1)
    measured: Measured | None = runtime("what was measured here; `kdbench teacher verify` writes it", None)

    @property
    def subject(self) -> str:
        """What a measurement is of, as a digest: everything but names, places and claims."""
        said = self.model_dump(mode="json", exclude={"version", "source", "claims", "measured", "weights"})
        said["weights"] = self.weights.sha256
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def faults(self) -> list[str]:
        """Why it is not admitted; empty where what was measured is what is claimed."""
        if self.measured is None:
            return ["its claims were never measured here"]
        if self.measured.of != self.subject:
            return ["it was changed since it was measured: other weights, network, normalisation, task or split"]
        return [told for claim in self.claims if (told := unmet(claim, self.measured.scores.get(claim.metric)))]


def unmet(claim: Claimed, score: Score | None) -> str:
    """How a score is not what is claimed, in words; empty where it is."""
    if score is None:
        return f"{claim.metric} is claimed and was not measured"
    off = abs(score.value - claim.value)
    said = f"{claim.metric} {claim.value:g} is claimed, {score.value:.5g} was measured"
    if claim.tolerance is not None:
        # A claim is written in decimals: what is off by exactly the tolerance is within it.
        return f"{said}, off by {off:.2g} where {claim.tolerance:g} is allowed" if off > claim.tolerance * (1 + 1e-9) else ""
    if score.interval is None:
        return f"{claim.metric} has no interval, so its claim needs a tolerance"
    low, high = score.interval
    half = rounding(claim.value)
    if low - half <= claim.value <= high + half:
        return ""
    return f"{said}, whose 95 % interval is {low:.5g} to {high:.5g}"


def rounding(value: float) -> float:
    """Half a unit of the last decimal that a number is written with."""
    text = repr(value)
    return 0.0 if "e" in text else 0.5 * 10.0 ** -len(text.partition(".")[2])
