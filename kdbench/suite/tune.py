"""The `tune:` part of a suite: which arms choose which settings on validation data, before the suite's own seeds are run."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from kdbench.suite.entry import Params, Text
from kdbench.suite.errors import listing, nearest
from kdbench.suite.marks import Many, OneOrMany, Strict, identity, runtime
from kdbench.suite.recipe import FIELDS, Recipe
from kdbench.suite.seeds import MOST, WRITTEN, Seed, counted

MOST_SETTINGS = 1000
FIRST_SEED = 1000  # far from the seeds that suites report


def _count_up(value: Any) -> Any:
    return counted(value, FIRST_SEED)


def _fields(value: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    for name, tried in value.items():
        if name not in FIELDS:
            near = nearest(name, FIELDS)
            hint = f"did you mean '{near}'?" if near else f"one of {listing(FIELDS, limit=30)}"
            raise ValueError(f"a recipe has no field '{name}'; {hint}")
        for one in tried:
            try:
                Recipe.model_validate({name: one})
            except ValidationError as error:
                raise ValueError(f"{name}: {one!r} does not fit: {error.errors()[0]['msg'].lower()}") from None
    return value


TuningSeeds = Annotated[
    tuple[Seed, ...],
    Field(strict=False, min_length=1, max_length=MOST),
    BeforeValidator(_count_up),
    WRITTEN,
]
Tried = Annotated[Many[Any], Field(min_length=1)]
Factors = Annotated[Many[Annotated[float, Field(gt=0)]], Field(min_length=1)]
Fields = Annotated[dict[str, Tried], AfterValidator(_fields)]


class Tune(Strict):
    """A grid of settings, of which each of its arms takes the best by the mean over its own seeds on the validation split."""

    methods: OneOrMany[Text] = runtime("arms that are tuned, by name or method; `none` is the control", min_length=1)
    tasks: OneOrMany[str] | None = runtime("only in these tasks, by name", None, min_length=1)
    params: dict[str, Tried] = identity("params of the method, each with the values to try", dict)
    times: dict[str, Factors] = identity("params of the method, each with factors of the arm's own value to try", dict)
    recipe: Fields = identity("fields of the student's recipe, each with the values to try", dict)
    seeds: TuningSeeds = identity(
        "seeds of the trials, none of them reported: how many (1000, 1001, ...), or a list", (FIRST_SEED, FIRST_SEED + 1)
    )
    metric: str | None = identity("metric of the validation split to choose by; the task's first truth metric if left out", None)
    hold_out: Params = identity(
        "params of the task in the trials alone, e.g. {val: 5000} where a task holds nothing out by itself", dict
    )

    @model_validator(mode="after")
    def _grid(self) -> Tune:
        sizes = [len(tried) for part in (self.params, self.times, self.recipe) for tried in part.values()]
        if not sizes or max(sizes) < 2:
            raise ValueError("a grid of one setting leaves nothing to choose; give params, times or recipe several values")
        if math.prod(sizes) > MOST_SETTINGS:
            raise ValueError(f"a grid of {math.prod(sizes):,} settings is too large to be tried; {MOST_SETTINGS:,} are the most")
        both = sorted(self.params.keys() & self.times.keys())
        if both:
            raise ValueError(f"'{both[0]}' stands under params and under times; one says what to try")
        return self
