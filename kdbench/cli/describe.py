"""kdbench describe: one plugin, with everything that can be set and what it needs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from kdbench.cli.session import JsonOption, PluginOption


def describe(
    kind: Annotated[str, typer.Argument(help="task, method, wrapper, model or source.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
    sample: Annotated[Path | None, typer.Option("--sample", help="Write a sample of a task: .png, .wav or .txt.")] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> int:
    """Describe a plugin: params with defaults, needs, taps; of a task also sizes, fingerprint, licence, and a sample.

    Example: kdbench describe task streets --sample streets.png
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.registry import Registry
    from kdbench.suite.errors import nearest

    registry = Registry(plugin or [])
    try:
        info = registry.method(name) if kind == "method" else registry.get(kind, name)
    except KeyError:
        known = registry.names(kind)
        if not known:
            raise KdbenchError(f"describe {kind!r}: expected task, method, wrapper, model or source") from None
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
        raise KdbenchError(f"no {kind} {name!r}; {hint}") from None
    extra: dict[str, Any] = {}
    if kind == "task":
        from kdbench.registry import load_target

        task = load_target(info.target)()
        extra = {**task.describe(), "fingerprint": info.facts["fingerprint"], "licence": info.facts["licence"]}
        if sample is not None:
            task.sample(sample)
    elif sample is not None:
        raise KdbenchError("--sample shows data, so it describes a task")
    if as_json:
        typer.echo(json.dumps({**info.data(), "origin": info.origin, **extra}, indent=1))
        return 0
    typer.echo(f"{kind} {info.name} (version {info.version}, {info.origin})\n{info.doc}")
    for title, value in extra.items():
        typer.echo(f"  {title}: {in_words(value)}")
    show_params(info)
    for title, value in info.facts.items():
        if title in ("fingerprint", "licence") or value in (None, {}, []):
            continue
        typer.echo(f"  {title}: {in_words(value)}")
    if sample is not None:
        typer.echo(f"  sample: {sample}")
    return 0


def show_params(info: Any) -> None:
    for name, schema in info.schema.get("properties", {}).items():
        default = f" (default {json.dumps(info.defaults[name])})" if name in info.defaults else " (required)"
        typer.echo(f"  {name}{default}: {schema.get('description', '')}")


def in_words(value: Any) -> str:
    """Nested data on one line, without the punctuation of a programming language."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {in_words(v)}" if not isinstance(v, dict) else f"{k} ({in_words(v)})" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return str(value)
