"""Named recipes: training recipes of the literature as short YAML files, filled in wherever a suite or a preset names one.

A name stands for its fields and nothing else, so a job is the same whether its recipe is named or written out. What a paper's
recipe has beyond these fields is said in the file, so that nobody takes the name for the whole of it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from kdbench.suite.catalogue import Catalogue, Plugin, find
from kdbench.suite.document import Cursor
from kdbench.suite.entry import Text
from kdbench.suite.errors import Problem, SuiteError, listing, nearest
from kdbench.suite.marks import OneOrMany, Strict, identity, runtime
from kdbench.suite.recipe import FIELDS, Recipe, merged
from kdbench.suite.references import arms_of, rounds_of
from kdbench.suite.validate import needs_mapping, validated
from kdbench.suite.yaml import comment_of, loads

Part = TypeVar("Part")


class NamedRecipe(Strict):
    """A recipe file: the fields, where they come from, and what they do not say."""

    source: Text = runtime("paper or code that the values were read in")
    family: Literal["classification", "segmentation", "retrieval", "tagging"] = runtime("family of tasks that it is for")
    data: Text = runtime("the training set that its steps are counted for")
    beside: OneOrMany[Text] = runtime("what belongs to it and is said elsewhere in a suite: views, methods, sources", ())
    lacks: OneOrMany[Text] = runtime("what of the original cannot be said, or is not known for certain", ())
    recipe: Recipe = identity("the fields")

    def leaves(self) -> list[str]:
        """Fields that it does not write, though they matter: they stay as the recipe under it has them."""
        given = self.recipe.given()
        aside = {"momentum", "nesterov"} if given.get("optimiser", "sgd") != "sgd" else set()
        aside |= {"milestones", "gamma"} if given.get("schedule", "steps") != "steps" else set()
        return [name for name in FIELDS if name not in given and name not in aside]


def read_recipe(plugin: Plugin) -> NamedRecipe:
    """The recipe of a plugin. Raises SuiteError with every mistake of its file, at its place."""
    return _parsed(plugin.facts["text"], plugin.facts["path"])


@functools.lru_cache(maxsize=256)
def _parsed(text: str, path: str) -> NamedRecipe:
    document = loads(text, path)
    needs_mapping(document, "source, family, data and recipe")
    found, problems = validated(document, NamedRecipe)
    if found is not None and found.recipe.like is not None:
        problems.append(document.problem(("recipe",), "a named recipe stands for itself", "its own fields, and no `like`"))
    problems = [*document.problems, *problems]
    if problems or found is None:
        raise SuiteError(problems, text)
    return found


def with_recipes(part: Part, catalogue: Catalogue) -> Part:
    """The same part of a suite or preset with every named recipe written out. The names were checked before."""
    if isinstance(part, Recipe):
        if part.like is None:
            return part
        own = part.model_dump(mode="json", exclude_unset=True, exclude={"like"})
        named = read_recipe(catalogue.recipe(part.like)).recipe.given()
        return Recipe.model_validate(merged(named, own))  # type: ignore[return-value]
    if isinstance(part, BaseModel):
        now = {name: (getattr(part, name), with_recipes(getattr(part, name), catalogue)) for name in type(part).model_fields}
        changed = {name: after for name, (before, after) in now.items() if after is not before}
        return part.model_copy(update=changed) if changed else part
    if isinstance(part, tuple | dict):
        inside: Any = part.items() if isinstance(part, dict) else enumerate(part)
        filled = {key: with_recipes(value, catalogue) for key, value in inside}
        if all(value is part[key] for key, value in filled.items()):  # type: ignore[index]
            return part
        return filled if isinstance(part, dict) else tuple(filled.values())  # type: ignore[return-value]
    return part


def recipe_problems(root: Cursor, catalogue: Catalogue) -> Iterator[Problem]:
    """Names of recipes that there are not, each at its place."""
    for place in places(root):
        name = place.named("like")
        if name.text is not None and find(catalogue, "recipe", name.text) is None:
            known = catalogue.names("recipe")
            yield name.problem(f"unknown recipe '{name.text}'", f"one of {listing(known)}", nearest(name.text, known))


def places(root: Cursor) -> Iterator[Cursor]:
    """Every place of a suite where a recipe may stand."""
    yield root["recipe"]
    for task in root["tasks"].items():
        yield task["recipe"]
        yield task["teachers"]["recipe"]
        for pair in task["pairs"].items():
            yield pair["student"]["recipe"]
            for teacher in pair["teacher"].items():
                yield teacher["recipe"]
    for arm in arms_of(root):
        for part in (arm, *rounds_of(arm)):
            yield part["recipe"]
    for _, profile in root["profiles"].entries():
        yield profile["recipe"]


@dataclass(frozen=True)
class Described:
    """A named recipe for a reader."""

    comment: str
    recipe: NamedRecipe


def described(plugin: Plugin) -> Described:
    return Described(comment_of(plugin.facts["text"]), read_recipe(plugin))
