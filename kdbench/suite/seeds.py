"""Seeds as a suite writes them: a number of them, or a list."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

MOST = 10_000


def counted(value: Any, start: int = 0) -> Any:
    """So many seeds, from `start` on, where a number is written."""
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if value < 1:
        raise ValueError("at least one seed is needed")
    if value > MOST:
        raise ValueError(f"{value:,} seeds are asked for, and {MOST:,} are the most")
    return list(range(start, start + value))


def _distinct(value: tuple[int, ...]) -> tuple[int, ...]:
    seen: set[int] = set()
    for seed in value:
        if seed in seen:
            raise ValueError(f"{seed} is listed twice")
        seen.add(seed)
    return value


Seed = Annotated[int, Field(ge=0, lt=2**32)]
WRITTEN = WithJsonSchema(
    {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": MOST},
            {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 1,
                "maxItems": MOST,
                "uniqueItems": True,
            },
        ]
    }
)
Seeds = Annotated[
    tuple[Seed, ...],
    Field(strict=False, min_length=1, max_length=MOST),
    AfterValidator(_distinct),
    BeforeValidator(counted),
    WRITTEN,
]
