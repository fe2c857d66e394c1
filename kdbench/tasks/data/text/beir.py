"""The BEIR layout: corpus.jsonl, queries.jsonl, qrels/{train,dev,test}.tsv.

N. Thakur, N. Reimers, A. Rücklé, A. Srivastava, I. Gurevych: BEIR: A Heterogeneous Benchmark for Zero-shot Evaluation of
Information Retrieval Models. NeurIPS 2021 (Datasets and Benchmarks).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kdbench.contract.errors import DataError
from kdbench.tasks.data.lines import identifier, integer, lines, present, records
from kdbench.tasks.data.text import trec
from kdbench.tasks.data.text.passage_layout import Document, Layout, Query
from kdbench.tasks.data.text.trec import Judgement

SPLITS = ("train", "dev", "test")
HEADER = ("query-id", "corpus-id", "score")


def fits(folder: Path) -> bool:
    return all(present(folder, name) for name in ("corpus.jsonl", "queries.jsonl")) and bool(judgement_files(folder))


def corpus(folder: Path) -> Path:
    found = present(folder, "corpus.jsonl")
    assert found is not None
    return found


def documents(folder: Path) -> Iterator[Document]:
    path = corpus(folder)
    for line, found in records(path):
        title, text = found.get("title") or "", found.get("text")
        if not isinstance(title, str) or not isinstance(text, str):
            raise DataError(f"{path}, line {line}: expected texts under 'text' and (if there is one) 'title'")
        yield Document(identifier(found.get("_id"), path, line, "'_id'"), title, text, line)


def queries(folder: Path) -> Iterator[Query]:
    path = present(folder, "queries.jsonl")
    assert path is not None
    for line, found in records(path):
        if not isinstance(found.get("text"), str):
            raise DataError(f"{path}, line {line}: expected a text under 'text'")
        yield Query(identifier(found.get("_id"), path, line, "'_id'"), found["text"], f"{path}, line {line}")


def judgement_files(folder: Path) -> dict[str, Path]:
    found = {split: present(folder / "qrels", f"{split}.tsv") for split in SPLITS}
    return {split: path for split, path in found.items() if path}


def judgements(path: Path) -> Iterator[Judgement]:
    """By the names in the header, where there is one; else three columns in their order, or TREC's four."""
    first = next(lines(path), None)
    if first is None:
        raise DataError(f"{path}: no judgement in it")
    header = first[1].split("\t")
    if all(name in header for name in HEADER):
        return _named(path, header)
    if len(header) == 4:
        return trec.judgements(path)
    if len(header) == 3 and header[2].lstrip("-").isdigit():
        return _named(path, list(HEADER), first=0)
    raise DataError(f"{path}, line {first[0]}: expected the header {' '.join(HEADER)} with tabs between, found {first[1][:80]!r}")


def _named(path: Path, header: list[str], first: int = 1) -> Iterator[Judgement]:
    query, document, grade = (header.index(name) for name in HEADER)
    for at, (line, content) in enumerate(lines(path)):
        if at < first:
            continue
        row = content.split("\t")
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: {len(row)} column(s), expected {len(header)}: {', '.join(header)}")
        yield Judgement(
            identifier(row[query], path, line, "query-id"),
            identifier(row[document], path, line, "corpus-id"),
            integer(row[grade], path, line, "score"),
            line,
        )


LAYOUT = Layout("BEIR", fits, corpus, documents, queries, judgement_files, judgements)
