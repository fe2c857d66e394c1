"""kdbench schema: what a suite may hold, for editors."""

from __future__ import annotations

import json

import typer


def schema() -> int:
    """Print the JSON schema of suite files, for editors.

    Example: kdbench schema > suite.schema.json
    """
    from kdbench.suite.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    return 0
