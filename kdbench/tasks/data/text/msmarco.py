"""The MS MARCO passage layout: collection.tsv, queries.*.tsv and qrels.*.tsv, none with a header.

T. Nguyen, M. Rosenberg, X. Song, J. Gao, S. Tiwary, R. Majumder, L. Deng: MS MARCO: A Human Generated MAchine Reading
COmprehension Dataset. 2016, arXiv 1611.09268.

Of the development judgements the small set is read where it is there: it is what the literature reports.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdbench.tasks.data.lines import columns, identifier, present
from kdbench.tasks.data.text import trec
from kdbench.tasks.data.text.passage_layout import Document, Layout, Query

SPLITS = {"train": ("train",), "dev": ("dev.small", "dev"), "test": ("test",)}  # the first of the files that is there


def fits(folder: Path) -> bool:
    return present(folder, "collection.tsv") is not None and bool(judgement_files(folder)) and bool(_queries(folder))


def corpus(folder: Path) -> Path:
    found = present(folder, "collection.tsv")
    assert found is not None
    return found


def documents(folder: Path) -> Iterator[Document]:
    path = corpus(folder)
    for line, (name, text) in columns(path, 2, "passage id, text"):
        yield Document(identifier(name, path, line, "passage id"), "", text, line)


def _first(folder: Path, what: str) -> dict[str, Path]:
    found = {
        split: next(filter(None, (present(folder, f"{what}.{n}.tsv") for n in names)), None) for split, names in SPLITS.items()
    }
    return {split: path for split, path in found.items() if path}


def judgement_files(folder: Path) -> dict[str, Path]:
    return _first(folder, "qrels")


def _queries(folder: Path) -> dict[str, Path]:
    return _first(folder, "queries")


def queries(folder: Path) -> Iterator[Query]:
    for path in _queries(folder).values():
        for line, (name, text) in columns(path, 2, "query id, text"):
            yield Query(identifier(name, path, line, "query id"), text, f"{path}, line {line}")


LAYOUT = Layout("MS MARCO", fits, corpus, documents, queries, judgement_files, trec.judgements)
