"""Cell labels: the one short name of an arm in tables, filters and reports. Different arms never share one.

`logit_std(kd[T=1])·clean·labels_only{lr=0.01}`: wrappers, method, params that differ from their defaults, source, view,
and what the arm changes in its recipe. Defaults are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*")
RESERVED = {"true", "false", "null"}


def text(value: Any) -> str:
    """A param's value, short and unmistakable: 4, 0.9, 1e-05, word, "two words", [1,2]."""
    if isinstance(value, str):
        plain = PLAIN.fullmatch(value) and value not in RESERVED
        return value if plain else json.dumps(value, ensure_ascii=False)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    if isinstance(value, list | tuple):
        return "[" + ",".join(text(entry) for entry in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{text(key)}:{text(value[key])}" for key in sorted(value)) + "}"
    return json.dumps(value)


def settings(values: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={text(values[name])}" for name in sorted(values))


def method_label(method: Mapping[str, Any]) -> str:
    """The method with its params and wrappers, the outermost first: nd(logit_std(kd[T=1]))."""
    plugins = [*method["wrap"], method]
    called = [p["name"] + (f"[{settings(p['params'])}]" if p["params"] else "") for p in plugins]
    return "(".join(called) + ")" * (len(called) - 1)


def cell_label(
    method: Mapping[str, Any],
    source: str,
    view: str,
    recipe: Mapping[str, Any],
    usual: tuple[str, str],
) -> str:
    """`recipe` is what the arm changes in it, flat; empty for most arms. The usual source and view are left out."""
    parts = [method_label(method), *(name for name, known in zip((source, view), usual) if name != known)]
    return "·".join(parts) + ("{" + settings(recipe) + "}" if recipe else "")


def changes(before: Mapping[str, Any], after: Mapping[str, Any], under: str = "") -> dict[str, Any]:
    """What differs in `after`, flat: {"lr": 0.01, "batch.labelled": 32}, or {"batch": 16} where all its parts are 16."""
    out: dict[str, Any] = {}
    for name, value in after.items():
        if isinstance(value, Mapping):
            inner = changes(before.get(name, {}), value, f"{under}{name}.")
            single = set(value.values()) if all(isinstance(v, int) for v in value.values()) else ()
            out.update({under + name: next(iter(single))} if inner and len(single) == 1 else inner)
        elif name not in before or json.dumps(before[name]) != json.dumps(value):
            out[under + name] = value
    return out
