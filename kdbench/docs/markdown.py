"""Tables of Markdown, and text that may stand in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["|" + "---|" * len(heads), *(f"| {' | '.join(map(cell, row))} |" for row in rows)]
    return "\n".join([f"| {' | '.join(heads)} |", *lines])


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def made(title: str, words: str) -> str:
    """The head of a page that nobody writes by hand."""
    return f"# {title}\n\n<!-- Made from the code by `python -m kdbench.docs`; do not edit. -->\n\n{words}"
