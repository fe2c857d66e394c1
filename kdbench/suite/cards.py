"""Where the cards of teachers lie, and how they are read: with every mistake at its place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kdbench.suite import networks
from kdbench.suite.card import WEIGHTS_VARIABLE, Card
from kdbench.suite.catalogue import Catalogue, find
from kdbench.suite.document import Document
from kdbench.suite.errors import Problem, SuiteError, listing, nearest
from kdbench.suite.params import misses
from kdbench.suite.validate import needs_mapping, validated
from kdbench.suite.yaml import load

FOLDER = "teachers"
FOLDER_VARIABLE = "KDBENCH_TEACHERS"


def folder() -> Path:
    """Where cards lie."""
    return Path(os.environ.get(FOLDER_VARIABLE, "").strip() or FOLDER)


def path_of(name: str) -> Path:
    return folder() / f"{name}.yaml"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.yaml"))


def weights_of(card: Card, path: Path) -> Path:
    """The file of a card's weights, which may not be there."""
    root = os.environ.get(WEIGHTS_VARIABLE, "").strip()
    under = Path(root).expanduser() if root else path.parent
    return Path(os.path.abspath(under / Path(card.weights.file).expanduser()))


def read_card(path: Path, catalogue: Catalogue) -> Card:
    """The card in a file. Raises SuiteError with every problem, each at its place."""
    return card_in(load(path), catalogue)


def card_in(document: Document, catalogue: Catalogue) -> Card:
    """The card in a parsed file, likewise."""
    needs_mapping(document, "version, task, model and weights")
    if document.problems:
        raise SuiteError(document.problems, document.text)
    card, problems = validated(document, Card)
    problems += _plugin_problems(document, catalogue)
    if problems or card is None:
        raise SuiteError(problems, document.text)
    return card


def _plugin_problems(document: Document, catalogue: Catalogue) -> list[Problem]:
    """Task and model that there are not, and params that they do not take."""
    found: list[Problem] = []
    for kind, params in (("task", "task_params"), ("model", "params")):
        name, given = document.data.get(kind), document.data.get(params) or {}
        if not isinstance(name, str) or not isinstance(given, Mapping):
            continue  # told as a problem of structure
        plugin = find(catalogue, kind, name)
        if plugin is None:
            known = catalogue.names(kind)
            near = networks.meant(name, known) if kind == "model" else nearest(name, known)
            found.append(document.problem((kind,), f"unknown {kind} '{name}'", f"one of {listing(known)}", near))
            continue
        if kind == "model" and (wrong := networks.missing(name)):
            found.append(document.problem((kind,), *wrong))
        places = [name for name in given if plugin.schema.get("properties", {}).get(name, {}).get("identity") is False]
        for name in places:
            found.append(
                document.problem((params, name), f"'{name}' says where data lie here", "nothing: --root or KDBENCH_DATA say it")
            )
        for miss in misses(plugin, given):
            loc = (params, *miss.loc) if given else (kind,)
            found.append(document.problem(loc, f"{plugin.name}: {miss.message}", miss.expected, miss.suggestion, miss.key))
    return found
