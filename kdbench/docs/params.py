"""What can be set of a plugin, as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator

from kdbench.docs.markdown import table
from kdbench.registry import PluginInfo
from kdbench.suite.shape import describe


def params(info: PluginInfo) -> str:
    return table(("param", "default", "meaning"), _rows(info))


def _rows(info: PluginInfo) -> Iterator[tuple[str, str, str]]:
    for name, schema in info.schema["properties"].items():
        default = f"`{json.dumps(info.defaults[name], ensure_ascii=False)}`" if name in info.defaults else "required"
        meaning, wanted = schema.get("description", ""), describe(schema, info.schema)
        yield f"`{name}`", default, f"{meaning} ({wanted})" if meaning else wanted
