"""Reads a suite file and finds everything that is wrong with it in one pass, each problem at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdbench.suite.catalogue import Catalogue
from kdbench.suite.document import Cursor, Document
from kdbench.suite.errors import Problem, SuiteError
from kdbench.suite.plugins import plugin_problems
from kdbench.suite.references import file_problems, reference_problems
from kdbench.suite.schema import Suite
from kdbench.suite.validate import needs_mapping, validated
from kdbench.suite.yaml import load


def read_suite(path: str | Path, catalogue: Catalogue | None = None) -> Suite:
    """The suite in a file. Raises SuiteError with every problem; with a catalogue, plugin names and params are checked too."""
    document = load(path)
    return parse_suite(document, catalogue, file_problems(Cursor(document), Path(path).parent))


def named_plugins(path: Path) -> list[Path]:
    """The plugin files that a suite names, read leniently: whatever else is wrong with it is reported with their names known."""
    data: Any = load(path).data
    named = data.get("plugins") if isinstance(data, dict) else None
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    # One that is not there is a problem of the suite, told with its place.
    return [path.parent / name for name in names if isinstance(name, str) and (path.parent / name).is_file()]


def parse_suite(document: Document, catalogue: Catalogue | None = None, more: list[Problem] | None = None) -> Suite:
    """The suite in a parsed document; `more` are problems that the caller found and wants in the same report."""
    needs_mapping(document, "version, name and tasks")
    root = Cursor(document)
    suite, problems = validated(document, Suite)
    if suite is not None:
        suite._document = document
    problems += more or ()
    problems += reference_problems(root)
    if catalogue is not None:
        problems += plugin_problems(root, catalogue)
    # A value that could not be read stands as null; what the checks say about that null would be a second complaint.
    unread = {(problem.line, problem.column) for problem in document.problems}
    problems = [*document.problems, *(p for p in problems if (p.line, p.column) not in unread)]
    if problems or suite is None:
        raise SuiteError(problems, document.text)
    return suite
