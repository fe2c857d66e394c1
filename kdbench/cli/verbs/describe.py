"""kdbench describe: one plugin, with everything that can be set and what it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdbench.cli import complete
from kdbench.cli.options import JsonOption, PluginOption
from kdbench.cli.session import broken_told, known_plugins
from kdbench.cli.text import definitions, plain, wrapped

if TYPE_CHECKING:
    from kdbench.registry import PluginInfo, Registry


def describe(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="task, method, preset, wrapper, model, source, stage or recipe.",
            autocompletion=complete.kinds,
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.", autocompletion=complete.plugins)],
    sample: Annotated[Path | None, typer.Option("--sample", help="Write a sample of a task: .png, .wav or .txt.")] = None,
    plugin: PluginOption = None,
    as_json: JsonOption = False,
) -> int:
    """Describe a plugin: params and needs; of a task also its data.

    Example: kdbench describe task streets --sample streets.png
    """
    from kdbench.contract.errors import KdbenchError

    registry = known_plugins(plugin or [])
    with broken_told(registry):
        info = find(registry, kind.removesuffix("s"), name)
    extra: dict[str, Any] = {}
    if info.kind == "task":
        extra = {**about(info, sample), "fingerprint": info.facts["fingerprint"], "licence": info.facts["licence"]}
    elif sample is not None:
        raise KdbenchError("--sample shows data, so it describes a task")
    if as_json:
        typer.echo(json.dumps({**info.data(), "origin": info.origin, **extra}, indent=1, ensure_ascii=False))
        return 0
    if info.kind == "preset":
        show_preset(info, registry)
        return 0
    if info.kind == "recipe":
        show_recipe(info)
        return 0
    typer.echo(f"{info.kind} {info.name}, version {info.version} ({info.origin})")
    typer.echo(wrapped(info.doc))
    show("data", {title: plain(value) for title, value in extra.items()})
    show("params", params(info))
    for title, lines in facts(info).items():
        show(title, lines)
    if sample is not None:
        typer.echo(f"\nsample: {sample}")
    return 0


def find(registry: Registry, kind: str, name: str) -> PluginInfo:
    from kdbench.contract.errors import KdbenchError
    from kdbench.registry import KINDS
    from kdbench.suite.errors import listing, nearest

    if kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f"; did you mean '{near}'?" if near else ""
        raise KdbenchError(f"describe '{kind}': expected one of {', '.join(KINDS)}{hint}")
    try:
        return registry.method(name) if kind == "method" else registry.get(kind, name)
    except KeyError:
        known = registry.names(kind)
        other = next((other for other in KINDS if name in registry.names(other)), None)
        near = f"{other} {name}" if other else nearest(name, known)
        hint = f"did you mean '{near}'?" if near else f"there are {listing(known)}"
        raise KdbenchError(f"no {kind} '{name}'; {hint}") from None


def about(info: PluginInfo, sample: Path | None) -> dict[str, Any]:
    """What a task's data are, asked of the data themselves."""
    from kdbench.contract.errors import DataError, KdbenchError
    from kdbench.registry import load_target

    kind = load_target(info.target)
    if any(name not in info.defaults for name in info.schema.get("properties", {})):
        if sample is not None:
            raise KdbenchError(f"task '{info.name}' has required params, so it has no sample of its own")
        return {}
    task = kind()
    try:
        if sample is not None:
            task.sample(sample)
    except DataError as error:  # files of yours, which params of a suite would name
        raise KdbenchError(f"{error}{elsewhere(info.name, sample)}") from None
    return task.describe()


def elsewhere(task: str, sample: Path | None) -> str:
    """How a sample of files of one's own is had, where the task reads such."""
    from kdbench.tasks.data.sets import of_task

    sets = of_task(task)
    if not sets:
        return ""
    name, which = (sets[0], "") if len(sets) == 1 else ("NAME", f"; NAME is {', '.join(sets)}")
    return f"\nkdbench: `kdbench data sample {name} {sample} --root FOLDER` shows files of yours{which}"


def params(info: PluginInfo) -> dict[str, str]:
    from kdbench.suite.shape import describe as in_words

    found = {}
    for name, schema in info.schema.get("properties", {}).items():
        value = f" = {json.dumps(info.defaults[name], ensure_ascii=False)}" if name in info.defaults else " (required)"
        wanted = in_words(schema, info.schema)
        meaning = schema.get("description", "")
        found[name + value] = f"{meaning} ({wanted})" if meaning else wanted
    return found


def facts(info: PluginInfo) -> dict[str, dict[str, str]]:
    """What a plan knows of a plugin, in sections by kind; what is empty or any is left out."""
    from kdbench.suite.catalogue import usual_view

    found: dict[str, dict[str, str]] = {}
    single: dict[str, str] = {}
    for title, value in info.facts.items():
        if title in ("fingerprint", "licence", "reader") or not value:
            continue
        if title == "gives":
            found[title] = gives(value)
        elif isinstance(value, Mapping):
            lines = {name: plain(inner) for name, inner in value.items() if inner not in (None, [], {}, False, "any")}
            usual = usual_view(info.facts) if title == "augments" else None
            lines = {name: f"{text} (the default)" if name == usual else text for name, text in lines.items()}
            if lines:
                found[title] = lines
        else:
            single[title] = plain(value)
    return {**({"facts": single} if single else {}), **found}


def gives(told: Mapping[str, Any]) -> dict[str, str]:
    """What a source's signal holds, in words (contract/gives.py says what each entry means)."""
    several = "" if told["most"] == 1 else ", ".join(told["several"])
    single = "" if told["fewest"] > 1 else ", ".join(told["single"])
    words = {"always": ", ".join(told["always"]), "of one teacher": single, "of several": several}
    words["taps"] = "those of its teacher" if told["taps"] else ""
    for param, value, names in told["when"]:
        words[f"{param}: {value}"] = ", ".join(names)
    for param, value in told["maps"]:
        words[f"{param}: {value}"] = "only where decisions lie on a map"
    for param, value in told["classes"]:
        words[f"{param}: {value}"] = "only where each sample has one class"
    if told["own"]:
        words["asks"] = "networks of the student's own kind, no teacher of the pool"
    elif told["fewest"]:
        words["asks"] = "one teacher" if told["most"] == 1 else f"{told['fewest']} or more teachers"
    return {title: said for title, said in words.items() if said}


def show_preset(info: PluginInfo, registry: Registry) -> None:
    """A preset has no code: what it stands for is what one would write without it."""
    from kdbench.suite.presets import sections

    told = sections(info, registry)
    typer.echo(f"preset {info.name} ({info.origin})")
    typer.echo("\n".join(wrapped(line) for line in told.comment.splitlines()))
    typer.echo(f"\n{wrapped(told.paper, 7, 'paper')}\n\nstands for")
    typer.echo("\n".join(f"  {line}" for line in told.written.splitlines()))


def show_recipe(info: PluginInfo) -> None:
    """What a name stands for, and how far that is the recipe of its source."""
    from kdbench.suite.recipes import described

    told = described(info)
    named = told.recipe
    typer.echo(f"recipe {info.name} ({info.origin})")
    typer.echo("\n".join(wrapped(line) for line in told.comment.splitlines()))
    typer.echo(f"\n{wrapped(named.source, 8, 'source')}\n{wrapped(f'{named.family}: {named.data}', 8, 'for')}")
    show("stands for", {name: plain(value) for name, value in named.recipe.given().items()})
    for title, lines in (("belongs to it, said elsewhere", named.beside), ("is not in it", named.lacks)):
        if lines:
            typer.echo(f"\n{title}\n" + "\n".join(wrapped(line, 4, "  -") for line in lines))
    if left := named.leaves():
        typer.echo(f"\n{wrapped('left as the task or the suite has them: ' + ', '.join(left))}")


def show(title: str, lines: Mapping[str, str]) -> None:
    if lines:
        typer.echo(f"\n{title}\n{definitions(dict(lines), indent=2)}")
