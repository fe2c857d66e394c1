"""Seeds as a suite writes them: a number of them, or a list."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema


def _count_up(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    if value < 1:
        raise ValueError("at least one seed is needed")
    return list(range(value))


def _distinct(value: tuple[Any, ...]) -> tuple[Any, ...]:
    twice = [entry for i, entry in enumerate(value) if entry in value[:i]]
    if twice:
        raise ValueError(f"{twice[0]} is listed twice")
    return value


Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[
    tuple[Seed, ...],
    Field(strict=False, min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(_count_up),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1},
                {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
