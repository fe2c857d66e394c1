"""The page of everything that a method is paired with: tasks, networks, sources, stages, recipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kdbench.cli.text import plain
from kdbench.cli.verbs.describe import gives
from kdbench.docs.markdown import made, table
from kdbench.docs.params import params
from kdbench.registry import PluginInfo, Registry, load_target
from kdbench.suite.catalogue import usual_view
from kdbench.suite.recipes import described

INTRODUCTION = """\
What `kdbench list` names and `kdbench describe KIND NAME` tells, on one page. Methods, wrappers and presets have [pages of
their own](../methods/README.md); how these names are used is said by [the suite file](suite.md)."""
TASKS = """\
A task has data in *sets*, of which three play a *role*: what has labels (`labelled`), what the teacher is asked about
(`transfer`), and what teachers learn from (`teacher`). `views:` of a suite choose other sets and *augmentations*. Its *pair*
is what is trained where a suite names no other networks. Where it says "generated" the data come with kdbench; all others are
read from a folder of yours ([how](../own-data.md)), and nothing is downloaded."""
NETWORKS = """\
`taps` are the places inside a network that a method may read (`taps:` among a method's params). `timm:NAME` is any network of
timm, `cheap:NAME` any image network with its 3×3 convolutions made cheap. A network says which fields of a batch it `reads`."""
SOURCES = """\
A source says where the teacher's signal comes from. A suite names one under `sources:` with its params; `live`, one teacher,
is always there. *Gives* is what a method may ask of it: probabilities always, values (logits) or single teachers only where
that makes sense."""
STAGES = "A stage changes the samples of the distillation stream after the augmentation; student and teacher see the same."
RECIPES = """\
`recipe: NAME`, or `{like: NAME, steps: 500}`, at any level of a suite. A name stands for its fields and nothing more;
`kdbench describe recipe NAME` says the fields, where they come from, and what of the original they cannot say."""
BUILT_IN = "built-in:"


def page(registry: Registry) -> str:
    def every(kind: str) -> list[PluginInfo]:
        return [registry.get(kind, name) for name in registry.names(kind)]

    parts = [made("Tasks, networks, sources, recipes", INTRODUCTION), f"## Tasks\n\n{TASKS}"]
    rows = ((f"[{info.name}](#{info.name})", info.facts["family"], info.doc) for info in every("task"))
    parts += [table(("task", "family", ""), rows), *(task(info) for info in every("task"))]
    parts += [f"## Networks\n\n{NETWORKS}", table(("network", "", "taps", "reads", "params"), map(network, every("model")))]
    parts += [f"## Sources\n\n{SOURCES}", *(source(info) for info in every("source"))]
    parts += [f"## Stages\n\n{STAGES}", *(section(info) for info in every("stage"))]
    parts += [f"## Recipes\n\n{RECIPES}", table(("recipe", "", "for", "source"), map(recipe, every("recipe")))]
    return "\n\n".join(parts) + "\n"


def section(info: PluginInfo) -> str:
    return f"### {info.name}\n\n{info.doc}" + (f"\n\n{params(info)}" if info.schema.get("properties") else "")


def task(info: PluginInfo) -> str:
    facts = info.facts
    rows = [*_data(info), ("licence", facts["licence"])]
    rows += [(title, _named(facts[title])) for title in ("sets", "roles", "augments") if facts[title]]
    rows += (
        [("augmented by", f"`{usual_view(facts)}`, teachers and students, unless a view says else")] if facts["augments"] else []
    )
    rows += [(f"its {side}", plain(facts["pair"][side])) for side in ("teacher", "student")]
    rows += [("frozen views", str(facts["bank"]))] if facts["bank"] else []
    return f"{section(info)}\n\n{table(('of the task', ''), rows)}"


def _data(info: PluginInfo) -> Iterator[tuple[str, str]]:
    """What the data say of themselves, where they come with kdbench."""
    if info.facts["fingerprint"].startswith(BUILT_IN):
        for title, value in load_target(info.target)().describe().items():
            yield title, plain(value)


def _named(values: dict[str, Any]) -> str:
    return "; ".join(f"`{name}`: {value}" for name, value in values.items())


def network(info: PluginInfo) -> tuple[str, ...]:
    settable = ", ".join(f"`{name}`" for name in info.schema.get("properties", {}))
    return f"`{info.name}`", info.doc, ", ".join(info.facts["taps"]), ", ".join(info.facts["reads"]), settable


def source(info: PluginInfo) -> str:
    rows = table(("gives", ""), ((when, what) for when, what in gives(info.facts["gives"]).items()))
    return f"{section(info)}\n\n{rows}"


def recipe(info: PluginInfo) -> tuple[str, ...]:
    told = described(info)
    return f"`{info.name}`", info.doc, f"{told.recipe.family}: {told.recipe.data}", told.recipe.source
