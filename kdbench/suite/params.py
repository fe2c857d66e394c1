"""Params of a plugin: whether they fit its schema, their one form without defaults, and what lists of them span."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from kdbench.suite.catalogue import Plugin
from kdbench.suite.networks import misnamed
from kdbench.suite.shape import Miss, branches, check, same, show, written


def canonical_params(plugin: Plugin, params: Mapping[str, Any]) -> dict[str, Any]:
    """Params that fit, in their one form, without defaults, by name."""
    form, _ = check(plugin.schema, dict(params), plugin.schema)
    known = plugin.schema.get("properties", {})
    out = {}
    for name in sorted(form):
        # Defaults that a schema cannot hold (made by a factory) stand beside it.
        beside = name in plugin.defaults and name in known
        if not (beside and same(form[name], check(known[name], plugin.defaults[name], plugin.schema)[0])):
            out[name] = form[name]
    return out


def swept(plugin: Plugin, name: str, value: Any) -> bool:
    """Whether a value lists what to try: a list that the param would not itself take."""
    inner = plugin.schema.get("properties", {}).get(name)
    if not isinstance(value, list) or inner is None:
        return False
    takes_lists = any(branch.get("type", "array") == "array" for branch in branches(inner, plugin.schema))
    if not takes_lists:
        return True
    return bool(check(inner, value, plugin.schema)[1]) and bool(value) and all(isinstance(entry, list) for entry in value)


def sweep(plugin: Plugin, params: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of the swept params, the last one running fastest, as the file has them."""
    choices = [value if swept(plugin, name, value) else [value] for name, value in params.items()]
    for chosen in itertools.product(*choices):
        yield dict(zip(params, chosen))


def misses(plugin: Plugin, params: Mapping[str, Any], sweeps: bool = False) -> list[Miss]:
    """Everything wrong with params; with `sweeps`, each value of a sweep is checked at its own place."""
    root = plugin.schema
    plain = {name: value for name, value in params.items() if not (sweeps and swept(plugin, name, value))}
    lists = {name: value for name, value in params.items() if name not in plain}
    # A swept param is there, so it is not "missing" among the plain ones.
    rest = {**root, "required": [name for name in root.get("required", ()) if name not in lists]}
    found = [*check(rest, plain, root)[1], *misnamed(root, plain)]
    for name, values in lists.items():
        if not values:
            found.append(Miss((name,), "a sweep needs at least one value"))
        forms: set[str] = set()
        for i, value in enumerate(values):
            form, wrong = check(root["properties"][name], value, root, (name, i))
            if not wrong and written(form) in forms:
                wrong = [Miss((name, i), f"{show(value)} is swept twice")]
            forms.add(written(form))
            found += wrong
    return found
