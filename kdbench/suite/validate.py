"""A document as a model: what pydantic finds wrong with it is told in the words of the file, each problem at its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kdbench.suite.document import Document, Loc
from kdbench.suite.errors import MOST_PROBLEMS, Problem, SuiteError, listing, nearest
from kdbench.suite.shape import branches, describe, show

Part = TypeVar("Part", bound=BaseModel)


def needs_mapping(document: Document, keys: str) -> None:
    """Raises SuiteError where a file holds no mapping, of which there is then nothing else to say."""
    if isinstance(document.data, dict):
        return
    if not document.problems:
        kind = "the file is empty" if document.data is None else "the file holds no mapping"
        document.problems.append(document.problem((), kind, f"a mapping with {keys}"))
    raise SuiteError(document.problems, document.text)


def validated(document: Document, model: type[Part]) -> tuple[Part | None, list[Problem]]:
    """The document as a model, or what is wrong with its structure."""
    try:
        return model.model_validate(document.data), []
    except ValidationError as error:
        schema, details = model.model_json_schema(), error.errors(include_url=False)
        wrong = {detail["loc"][:n] for detail in details for n in range(len(detail["loc"]))}
        # pydantic counts only the entries that fit, so a list with a wrong entry is "too short" as well.
        details = [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in wrong]
        return None, [_problem(document, schema, detail) for detail in details[:MOST_PROBLEMS]]


def _problem(document: Document, schema: Mapping[str, Any], detail: Any) -> Problem:
    """A pydantic error, told in the words of the file."""
    kind, full = detail["type"], detail["loc"]
    of_key = full[-1:] == ("[key]",) and kind not in ("extra_forbidden", "missing")  # pydantic's mark, or a key called so
    full = full[:-1] if of_key else full
    loc = _written(document, full)
    if kind == "extra_forbidden":
        known = _keys(schema, full[:-1])
        expected = f"one of {listing(known, limit=30)}"
        return document.problem(loc, f"unknown key '{full[-1]}'", expected, nearest(full[-1], known), key=True)
    if kind == "missing":
        meaning = _at(schema, full)[0].get("description") if _at(schema, full) else None
        return document.problem(loc, f"'{full[-1]}' is missing", meaning)
    if kind == "value_error":
        return document.problem(loc, str(detail["ctx"]["error"]))
    if of_key:
        return document.problem(loc, f"'{full[-1]}' is no good name", "letters, digits, _ and -", key=True)
    found = _at(schema, full)
    wanted = describe(found[0], schema) if found else None
    what = ".".join(str(step) for step in loc if isinstance(step, str)) or "the suite"
    said = "is empty" if detail["input"] is None else f"is {show(_plain(detail['input']))}"
    choices = detail.get("ctx", {}).get("expected", "").replace("'", "").replace(" or ", ", ").split(", ")
    return document.problem(loc, f"'{what}' {said}", wanted, nearest(detail["input"], choices))


def _written(document: Document, loc: tuple[Any, ...]) -> Loc:
    """A place in the model as a place in the file, where a list of one or a name may have been written short."""
    out: list[str | int] = []
    value = document.data
    for i, step in enumerate(loc):
        if isinstance(step, int) != isinstance(value, list):
            if isinstance(value, list | dict) and not isinstance(step, int):
                break
            continue
        last = i == len(loc) - 1
        if not isinstance(value, list | dict) or (not last and not isinstance(step, int) and step not in value):
            break
        out.append(step)
        value = document.at(tuple(out))
    return tuple(out)


def _at(schema: Mapping[str, Any], loc: tuple[Any, ...]) -> list[Mapping[str, Any]]:
    """The schemas that a place in the model may follow."""
    found: list[Mapping[str, Any]] = [schema]
    for step in loc:
        inner: list[Mapping[str, Any]] = []
        for option in (branch for one in found for branch in branches(one, schema)):
            named = option.get("patternProperties", {})
            choice = option.get("items") if isinstance(step, int) else option.get("properties", {}).get(step)
            choice = choice if choice is not None or isinstance(step, int) else next(iter(named.values()), None)
            if isinstance(choice, dict):
                inner.append(choice)
        found = inner
    return found


def _keys(schema: Mapping[str, Any], loc: tuple[Any, ...]) -> list[str]:
    options = [branch for one in _at(schema, loc) for branch in branches(one, schema)]
    return list(dict.fromkeys(key for option in options for key in option.get("properties", {})))


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | type(None)) else str(value)
