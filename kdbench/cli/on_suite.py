"""Verbs on the results of a suite begin alike: one decorator gives them the options that name it, and opens it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

from kdbench.cli.options import OnlyOption, PluginOption, ProfileOption, ResultsOption, SuiteArgument
from kdbench.cli.session import Session, open_suite


def opened(
    suite: SuiteArgument,
    profile: ProfileOption = None,
    only: OnlyOption = None,
    plugin: PluginOption = None,
    results: ResultsOption = Path("results"),
) -> Session:
    return open_suite(suite, results, profile, only, plugin)


def on_suite(verb: Callable[..., int]) -> Callable[..., int]:
    """`verb(session, …)` as a command: instead of the session it takes the options of `opened`, before its own."""
    first = inspect.signature(opened).parameters
    _, *own = inspect.signature(verb).parameters.values()
    hints = {**get_type_hints(verb, include_extras=True), **get_type_hints(opened, include_extras=True)}

    @functools.wraps(verb)
    def command(**given: Any) -> int:
        return verb(opened(**{name: given.pop(name) for name in first}), **given)

    # By name, because an option that must be given may follow others.
    parts = [part.replace(kind=part.KEYWORD_ONLY, annotation=hints[part.name]) for part in (*first.values(), *own)]
    command.__signature__ = inspect.Signature(parts, return_annotation=int)  # type: ignore[attr-defined]
    command.__annotations__ = {part.name: part.annotation for part in parts} | {"return": int}
    return command
