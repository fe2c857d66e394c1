"""Names that a suite gives and uses itself: given once, and known where they are used. Also files that must be there."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice
from pathlib import Path

from kdbench.suite.document import Cursor
from kdbench.suite.entry import EARLIER, INITIAL, Source
from kdbench.suite.errors import MOST_PROBLEMS, Problem, listing, nearest

LIVE = "live"
DEFAULT = "default"  # the view, and the pair, that are always there
ALWAYS = {  # the sources that are always there: a teacher of the pool, or in rounds a student
    LIVE: Source(source=LIVE),
    EARLIER: Source(source=LIVE, also=("earlier",)),
    INITIAL: Source(source=LIVE, also=("initial",)),
}


def reference_problems(root: Cursor) -> list[Problem]:
    """Every name that is given twice, or used without being given."""
    return list(islice(chain(_given_twice(root), _unknown(root)), MOST_PROBLEMS))


def arms_of(root: Cursor) -> list[Cursor]:
    """Every arm entry of a suite: its own, then those of its tasks."""
    return [*root["methods"].items(), *(arm for task in root["tasks"].items() for arm in task["methods"].items())]


def rounds_of(arm: Cursor) -> list[Cursor]:
    """The rounds that an arm writes out."""
    return [round for key in ("first", "each") for round in arm["rounds"][key].items()]


def unknown(use: Cursor, kind: str, names: Collection[str]) -> Iterator[Problem]:
    """A problem where a text is none of the names."""
    if use.text is not None and use.text not in names:
        known = f"one of {listing(names)}" if names else f"no {kind}: there is none to choose from"
        yield use.problem(f"unknown {kind} '{use.text}'", known, nearest(use.text, names))


def label(entry: Cursor, plugin: str) -> Cursor:
    """Where the name of an entry stands: its `name`, else its plugin's name."""
    return entry["name"] if entry["name"].text is not None else entry.named(plugin)


def _unknown(root: Cursor) -> Iterator[Problem]:
    tasks = dict.fromkeys(name for task in root["tasks"].items() if (name := label(task, "task").text))
    named = (name for t in root["tasks"].items() for p in t["pairs"].items() if (name := p["name"].text))
    pairs = dict.fromkeys([DEFAULT, *named])
    sources = dict.fromkeys([*ALWAYS, *(name for name, _ in root["sources"].entries())])
    views = dict.fromkeys([DEFAULT, *(name for name, _ in root["views"].entries())])
    for arm in arms_of(root):
        for part in (arm, *rounds_of(arm)):
            for key, names in (("source", sources), ("view", views), ("tasks", tasks)):
                for use in part[key].items():
                    yield from unknown(use, key.removesuffix("s"), names)
    for rule in root["exclude"].items():
        for key, names in (("task", tasks), ("pair", pairs), ("source", sources), ("view", views)):
            yield from unknown(rule[key], key, names)
    for tune in root["tune"].items():
        for use in tune["tasks"].items():
            yield from unknown(use, "task", tasks)
    for claim in root["claims"].items():
        yield from unknown(claim["task"], "task", tasks)
        yield from unknown(claim["pair"], "pair", pairs)
        yield from unknown(claim["over_pair"], "pair", pairs)
    for _, profile in root["profiles"].entries():
        for use in profile["tasks"].items():
            yield from unknown(use, "task", tasks)
        for name, params in profile["params"].entries():
            if name not in tasks:
                yield params.problem(f"unknown task '{name}'", f"one of {listing(tasks)}", nearest(name, tasks), key=True)


def _given_twice(root: Cursor) -> Iterator[Problem]:
    tasks = root["tasks"].items()
    yield from _repeated([label(task, "task") for task in tasks], "task name", "give one of the two another `name`")
    for task in tasks:
        yield from _repeated([pair["name"] for pair in task["pairs"].items()], "pair name")
        name = label(task, "task").text
        shared = [arm for arm in root["methods"].items() if not (only := _texts(arm["tasks"])) or name in only]
        yield from _repeated([arm["name"] for arm in [*shared, *task["methods"].items()]], "name")
        pairs = task["pairs"].items()
        if task["teachers"].value is not None and pairs and all(pair["teacher"].value is not None for pair in pairs):
            yield task["teachers"].problem("changes the task's own teacher, but every pair here has its own", key=True)
    yield from _repeated([claim["id"] for claim in root["claims"].items()], "claim id")
    sources = dict(root["sources"].entries())
    for kind in ("sources", "views"):
        for name, entry in root[kind].entries():
            if name in (*ALWAYS, DEFAULT):
                yield entry.problem(f"'{name}' is always there and cannot be redefined", "another name", key=True)
            elif kind == "views" and name in sources:
                # In a cell label, kd·clean must say which of the two it is.
                yield entry.problem(f"'{name}' is also the name of a source", "a name of its own", key=True)


def _repeated(uses: list[Cursor], kind: str, expected: str | None = None) -> Iterator[Problem]:
    first: dict[str, Cursor] = {}
    for use in uses:
        if use.text is None:
            continue
        if use.text in first:
            line = use.document.place(first[use.text].loc)[0]
            yield use.problem(f"{kind} '{use.text}' is given twice, first in line {line}", expected)
        else:
            first[use.text] = use


def _texts(uses: Cursor) -> list[str]:
    return [use.text for use in uses.items() if use.text is not None]


def file_problems(root: Cursor, folder: Path) -> list[Problem]:
    """Plugins and weights that a suite names and that are not there. Paths are relative to the suite's folder."""
    uses = list(root["plugins"].items())
    uses += [init["file"] for arm in arms_of(root) for part in (arm, *rounds_of(arm)) for init in part["init"].items()]
    for task in root["tasks"].items():
        for pair in task["pairs"].items():
            uses += [teacher["weights"] for teacher in pair["teacher"].items()]
            uses += [network["init"]["file"] for network in (pair["student"], *pair["teacher"].items())]
    return [
        use.problem(f"there is no file '{use.text}'", f"a file beside {folder}")
        for use in uses
        if use.text and not (folder / use.text).is_file()
    ]
