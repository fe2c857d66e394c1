"""TREC's two files: judgements (`query 0 document grade`) and runs (`query Q0 document rank score tag`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kdbench.tasks.data.lines import columns, decimal, identifier, integer


class Judgement(NamedTuple):
    """One judged pair, and the line that says so."""

    query: str
    document: str
    grade: int
    line: int


class Ranked(NamedTuple):
    """One document of a run. The rank is not kept: like trec_eval, we go by the score."""

    query: str
    document: str
    score: float
    line: int


def judgements(path: Path) -> Iterator[Judgement]:
    for line, (query, _, document, grade) in columns(path, 4, "query, 0, document, grade", None):
        yield Judgement(
            identifier(query, path, line, "query"),
            identifier(document, path, line, "document"),
            integer(grade, path, line, "grade"),
            line,
        )


def run(path: Path) -> Iterator[Ranked]:
    for line, (query, _, document, _, score, _) in columns(path, 6, "query, Q0, document, rank, score, tag", None):
        yield Ranked(query, document, decimal(score, path, line, "score"), line)
