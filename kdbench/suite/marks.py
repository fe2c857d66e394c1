"""Says of every field of a suite whether it changes what is computed (identity) or only how it is run or told (runtime)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")


class Strict(BaseModel):
    """Base of every part of a suite: unknown keys are errors, '5' is not 5, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def identity(description: str, default: Any = ..., **rules: Any) -> Any:
    """A field that is part of what a result is: another value is another experiment."""
    return _field(True, description, default, rules)


def runtime(description: str, default: Any = ..., **rules: Any) -> Any:
    """A field that results do not depend on: names, selections, resources."""
    return _field(False, description, default, rules)


def _field(marked: bool, description: str, default: Any, rules: dict[str, Any]) -> Any:
    start: dict[str, Any] = {"default_factory": default} if isinstance(default, type) else {"default": default}
    return Field(**start, description=description, json_schema_extra={"identity": marked}, **rules)


class _OrOne:
    """Lets a single value stand where a list is meant, in the file and in the editor's schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.listed, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        many = handler(schema)
        return {"anyOf": [many["items"], many]}

    @staticmethod
    def listed(value: Any) -> Any:
        return value if isinstance(value, list | tuple) or value is None else [value]


Many = Annotated[tuple[T, ...], Field(strict=False)]  # YAML lists become tuples; what is inside stays strict
OneOrMany = Annotated[tuple[T, ...], Field(strict=False), _OrOne()]


class Shorthand(Strict):
    """A part that may be written as a bare string: the plugin's name."""

    short: ClassVar[str]

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {cls.short: value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}
