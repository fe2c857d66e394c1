"""Checks a value against a JSON schema and brings it into one form: 4 is 4.0, and a default left out is a default.

Only what pydantic writes is understood (types, bounds, enum, anyOf, items, properties, $ref): a suite is checked from the lock
file, without importing the plugin.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kdbench.suite.document import Loc
from kdbench.suite.errors import cut, listing, nearest

Schema = Mapping[str, Any]

KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}
PLURALS = {"text": "texts", "a number": "numbers", "a whole number": "whole numbers"}
BOUNDS = (
    ("minimum", "at least", lambda value, bound: value >= bound),
    ("exclusiveMinimum", "above", lambda value, bound: value > bound),
    ("maximum", "at most", lambda value, bound: value <= bound),
    ("exclusiveMaximum", "below", lambda value, bound: value < bound),
    ("multipleOf", "a multiple of", lambda value, bound: value % bound == 0),
)
SIZES = (("minLength", "maxLength", "character"), ("minItems", "maxItems", "entry"))


@dataclass(frozen=True)
class Miss:
    """One thing that does not fit, at a place within the value; `key` says that the key itself is meant."""

    loc: Loc
    message: str
    expected: str | None = None
    suggestion: str | None = None
    key: bool = False
    inside: bool = False  # the value has the right shape and lacks something


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow references, and fold the single `allOf` that pydantic wraps around a reference with a default."""
    while True:
        if "$ref" in schema:
            target = root
            for step in schema["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            schema = {**target, **{k: v for k, v in schema.items() if k != "$ref"}}
        elif len(schema.get("allOf", ())) == 1:
            schema = {**schema["allOf"][0], **{k: v for k, v in schema.items() if k != "allOf"}}
        else:
            return schema


def branches(schema: Schema, root: Schema) -> list[Schema]:
    """The alternatives of a schema, flat; a schema without alternatives is its own only one."""
    schema = _resolved(schema, root)
    inner = schema.get("anyOf") or schema.get("oneOf")
    if inner:
        return [leaf for branch in inner for leaf in branches(branch, root)]
    types = schema.get("type")
    return [{**schema, "type": t} for t in types] if isinstance(types, list) else [schema]


def describe(schema: Schema, root: Schema) -> str:
    """What a schema asks for, in words."""
    return " or ".join(dict.fromkeys(_words(branch, root) for branch in branches(schema, root)))


def _words(schema: Schema, root: Schema) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(json.dumps(value) for value in schema["enum"])
    words = WORDS.get(schema.get("type", ""), "any value")
    if schema.get("type") == "array" and schema.get("items"):
        entries = describe(schema["items"], root)
        words += f" of {PLURALS.get(entries, f'({entries})')}"
    limits = [f"{word} {schema[name]:g}" for name, word, _ in BOUNDS if name in schema]
    for least, most, unit in SIZES:
        limits += [f"at least {_count(schema[least], unit)}"] if least in schema else []
        limits += [f"at most {_count(schema[most], unit)}"] if most in schema else []
    limits += [f"matching {schema['pattern']}"] if "pattern" in schema else []
    between = ", " if schema.get("type") == "array" else " "
    return between.join(filter(None, [words, " and ".join(limits)]))


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit.removesuffix('y')}{'ies' if unit.endswith('y') else 's'}"


def check(schema: Schema, value: Any, root: Schema, loc: Loc = ()) -> tuple[Any, list[Miss]]:
    """The value in its one form, and everything about it that does not fit."""
    options = branches(schema, root)
    if _kind(value) == "integer":  # where a number is welcome, 4 is 4.0
        options = sorted(options, key=lambda option: option.get("type") != "number")
    deepest: list[Miss] = []
    near = None
    for option in options:
        form, found = _check_one(option, value, root, loc)
        if not found:
            return form, []
        near = near or found[0].suggestion
        if any(len(miss.loc) > len(loc) or miss.inside for miss in found):
            deepest = deepest or found  # the right shape with something wrong inside says more than "wrong shape"
    if not deepest and len(options) == 1:
        return value, found
    return value, deepest or [Miss(loc, f"{show(value)} does not fit", describe(schema, root), near)]


def _check_one(schema: Schema, value: Any, root: Schema, loc: Loc) -> tuple[Any, list[Miss]]:
    # A pattern, or the only value there is, says nothing of why: what the param is for does.
    why = f": {schema['description']}" if "description" in schema and ("const" in schema or "pattern" in schema) else ""
    wrong = [Miss(loc, f"{show(value)} does not fit", _words(schema, root) + why)]
    wanted = schema.get("type")
    kind = _kind(value)
    if wanted is not None and kind != wanted and not (wanted == "number" and kind == "integer"):
        return value, wrong
    if wanted == "number":
        value = float(value) + 0.0  # adding 0 turns -0.0 into 0.0
        if not math.isfinite(value):
            return value, wrong
    if "const" in schema and not same(value, schema["const"]):
        return value, wrong
    if "enum" in schema and not any(same(value, allowed) for allowed in schema["enum"]):
        return value, [Miss(loc, f"{show(value)} does not fit", _words(schema, root), nearest(value, _texts(schema["enum"])))]
    if kind in ("integer", "number") and any(n in schema and not fits(value, schema[n]) for n, _, fits in BOUNDS):
        return value, wrong
    if kind in ("string", "array"):
        least, most, _ = SIZES[kind == "array"]
        if not schema.get(least, 0) <= len(value) <= schema.get(most, math.inf):
            return value, wrong
    if kind == "string" and "pattern" in schema and not re.search(schema["pattern"], value):
        return value, wrong
    if kind == "array":
        return _check_array(schema, value, root, loc)
    if kind == "object":
        return _check_object(schema, value, root, loc)
    return value, []


def _check_array(schema: Schema, value: list[Any], root: Schema, loc: Loc) -> tuple[Any, list[Miss]]:
    first = schema.get("prefixItems", ())
    form: list[Any] = []
    found: list[Miss] = []
    for i, entry in enumerate(value):
        inner = first[i] if i < len(first) else schema.get("items", {})
        done, wrong = check(inner if isinstance(inner, Mapping) else {}, entry, root, (*loc, i))
        form.append(done)
        found += wrong
    return form, found


def _check_object(schema: Schema, value: dict[str, Any], root: Schema, loc: Loc) -> tuple[Any, list[Miss]]:
    known: Mapping[str, Schema] = schema.get("properties", {})
    other = schema.get("additionalProperties", not known)
    form: dict[str, Any] = {}
    found: list[Miss] = []
    for name, entry in value.items():
        inner = known.get(name, other)
        if inner is False:
            expected = "one of " + listing(known) if known else "no params"
            found.append(Miss((*loc, name), f"unknown param '{name}'", expected, nearest(name, known), key=True))
            continue
        done, wrong = check(inner if isinstance(inner, Mapping) else {}, entry, root, (*loc, name))
        found += wrong
        # A default written out is the same value as a default left out.
        if wrong or not (isinstance(inner, Mapping) and "default" in inner and same(done, _default(inner, root))):
            form[name] = done
    for name in schema.get("required", ()):
        if name not in value:
            found.append(Miss(loc, f"param '{name}' is missing", describe(known.get(name, {}), root), inside=True))
    return form, found


def _default(schema: Schema, root: Schema) -> Any:
    return check({k: v for k, v in schema.items() if k != "default"}, schema["default"], root)[0]


def same(a: Any, b: Any) -> bool:
    """Equality as JSON has it: true is not 1, and 4 is 4.0 only after both went through `check`."""
    return written(a) == written(b)


def written(value: Any) -> str:
    """One text for what is the same."""
    return json.dumps(value, sort_keys=True)


def show(value: Any) -> str:
    return cut(json.dumps(value, ensure_ascii=False))


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return next((kind for kind, types in KINDS.items() if isinstance(value, types)), "object")


def _texts(values: list[Any]) -> list[str]:
    return [value for value in values if isinstance(value, str)]
