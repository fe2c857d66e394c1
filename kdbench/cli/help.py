"""How help looks: verbs under headings, arguments as they are typed. Plain text, since importing rich would double its time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


class Verb(TyperCommand):
    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What must be given stands bare, as in every manual; what may be left out in square brackets."""
        pieces = (piece.strip("{}") for piece in super().collect_usage_pieces(ctx))
        return [piece[1:-4] if piece.startswith("[[") else piece for piece in pieces]  # a metavar that has its own brackets


class Sections(TyperGroup):
    """Verbs by what they are for, each with the whole first sentence of its help."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command: Any = self.commands[name]
            sections.setdefault(command.rich_help_panel or "Commands", []).append((name, first_sentence(command.help or "")))
        widest = max(len(name) for rows in sections.values() for name, _ in rows)
        for title, rows in sections.items():
            with formatter.section(title):  # one column for all of them
                formatter.write_dl([(name.ljust(widest), told) for name, told in rows])


class Verbs(typer.Typer):
    """A group of verbs whose help is of this kind."""

    def __init__(self, **words: Any) -> None:
        super().__init__(cls=Sections, no_args_is_help=True, rich_markup_mode=None, **words)

    def command(self, name: str | None = None, **words: Any) -> Callable[..., Any]:
        return super().command(name, cls=Verb, **words)


def first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n", 1)[0].split())
