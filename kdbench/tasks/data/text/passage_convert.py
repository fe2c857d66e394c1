"""Other people's files become what the task reads: a BEIR folder, judgements of a split, or lists with or without scores."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kdbench.contract.errors import DataError
from kdbench.tasks.data.lines import columns, decimal, records
from kdbench.tasks.data.random_numbers import Stream
from kdbench.tasks.data.text import score_pickle, trec
from kdbench.tasks.data.text.beir import HEADER, SPLITS
from kdbench.tasks.data.text.passage_ids import Rows
from kdbench.tasks.data.text.passage_lists import SEED, Lists
from kdbench.tasks.data.text.passage_set import PassageSet, layout_of

TEXTS = ". Triples of texts are not read: take the file of ids (qidpidtriples)"


@contextmanager
def _new(path: Path) -> Iterator[IO[str]]:
    """A file that is not there yet, whole or not at all."""
    if path.exists():
        raise DataError(f"{path}: is there already; move it away first")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            yield file
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def to_beir(source: Path, out: Path) -> list[str]:
    """A folder of any layout as a BEIR folder, streamed; what was written, with counts."""
    layout = layout_of(source)
    if layout is None:
        raise DataError(f"{source}: no collection in a layout that is known here")
    told = []
    documents = ({"_id": each.id, "title": each.title, "text": each.text} for each in layout.documents(source))
    queries = ({"_id": each.id, "text": each.text} for each in layout.queries(source))
    for name, found in (("corpus.jsonl", documents), ("queries.jsonl", queries)):
        with _new(out / name) as file:
            written = sum(file.write(json.dumps(each, ensure_ascii=False) + "\n") > 0 for each in found)
        told.append(f"{out / name}: {written:,} lines")
    for split, path in layout.judgements(source).items():
        told.append(judgements(layout.read(path), out, split))
    return told


def judgements(rows: Iterable[trec.Judgement], out: Path, split: str) -> str:
    """Judgements as qrels/<split>.tsv of a BEIR folder."""
    if split not in SPLITS:
        raise DataError(f"no split {split!r}; expected one of {', '.join(SPLITS)}")
    path = out / "qrels" / f"{split}.tsv"
    with _new(path) as file:
        file.write("\t".join(HEADER) + "\n")
        written = sum(file.write(f"{row.query}\t{row.document}\t{row.grade}\n") > 0 for row in rows)
    return f"{path}: {written:,} judgements"


def run(found: PassageSet, path: Path, depth: int, positives: bool) -> tuple[Lists, str]:
    """The best documents of each query in a TREC run, with their scores: by falling score, ties by falling id.

    With `positives` a relevant document goes to the head of the list of every judged query, and a query whose list has none is
    left out.
    """
    by_query: dict[str, list[trec.Ranked]] = {}
    for row in trec.run(path):
        by_query.setdefault(row.query, []).append(row)
    short = [query for query, own in by_query.items() if len(own) < depth]
    if short:
        least = min(len(own) for own in by_query.values())
        raise DataError(
            f"{path}: {len(short):,} of {len(by_query):,} queries have fewer than {depth} documents (query {short[0]}): lists "
            f"are of one length, take --depth {least} or less"
        )
    rows, left = Rows(found, path, depth), 0
    for query, own in by_query.items():
        best = sorted(own, key=lambda row: (row.score, row.document.encode()), reverse=True)[:depth]
        if positives:
            relevant = _relevant(found, rows.query_of.get(query, -1))
            head = next((row for row in best if row.document in relevant), None)
            if head is not None:
                best = [head, *(row for row in best if row is not head)]
            elif relevant:
                left += 1
                continue
        rows.add(query, [row.document for row in best], best[0].line, [row.score for row in best])
    return rows.lists(), f"{left:,} queries left out: none of their relevant documents is in the list" if left else ""


def _relevant(found: PassageSet, query: int) -> set[str]:
    documents, grades = found.judgements(query)
    return {found.store.ids[number].decode() for number in documents[grades > 0] if number < len(found.store)}


def triples(found: PassageSet, path: Path) -> tuple[Lists, str]:
    """MS MARCO's triples of ids: query, positive, negative; lists of two."""
    rows = Rows(found, path, 2, TEXTS)
    for line, (query, positive, negative) in columns(path, 3, "query id, positive id, negative id"):
        rows.add(query, (positive, negative), line)
    return rows.lists(), ""


def margins(found: PassageSet, path: Path) -> tuple[Lists, str]:
    """The files of the Margin-MSE release: two scores first, then query, positive and negative; lists of two with scores."""
    rows = Rows(found, path, 2)
    for line, row in columns(path, 5, "score of the positive, of the negative, query id, positive id, negative id"):
        scores = (decimal(row[0], path, line, "score"), decimal(row[1], path, line, "score"))
        rows.add(row[2], row[3:], line, scores)
    return rows.lists(), ""


def negatives(found: PassageSet, path: Path, count: int, scores: Path | None) -> tuple[Lists, str]:
    """msmarco-hard-negatives.jsonl: {"qid", "pos": [...], "neg": {system: [...]}}; a list for each positive, it first.

    `count` negatives are drawn from those of all systems, by a stream of the query's own. With scores, only what has one is
    taken; a positive without one, or with too few negatives, gives no list and is counted.
    """
    known = score_pickle.read(scores) if scores else None
    rows, left = Rows(found, path, 1 + count), 0
    for line, record in records(path):
        query = _id(record.get("qid"), path, line)
        positives = [_id(each, path, line) for each in _listed(record.get("pos"), path, line)]
        systems = record.get("neg")
        if not isinstance(systems, dict):
            raise DataError(f"{path}, line {line}: expected lists of ids by system under 'neg'")
        each = itertools.chain.from_iterable(_listed(ids, path, line) for _, ids in sorted(systems.items()))
        pool = list(dict.fromkeys(name for name in (_id(one, path, line) for one in each) if name not in positives))
        if known:
            pool = [name for name in pool if known.of(query, name) is not None]
        for positive in positives:
            if len(pool) < count or (known and known.of(query, positive) is None):
                left += 1
                continue
            order = Stream(SEED, f"negatives of {query} with {positive}").order(len(pool))[:count]
            names = [positive, *(pool[place] for place in order)]
            rows.add(query, names, line, [known.of(query, name) or 0.0 for name in names] if known else ())
    return rows.lists(), f"{left:,} positives left out: too few negatives{' with scores' if known else ''}" if left else ""


def _listed(value: Any, path: Path, line: int) -> list[Any]:
    if not isinstance(value, list):
        raise DataError(f"{path}, line {line}: expected a list of ids under 'pos' and under each system of 'neg'")
    return value


def _id(value: Any, path: Path, line: int) -> str:
    """An id as text: this file writes numbers."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise DataError(f"{path}, line {line}: {value!r} is no id")
    return str(value)
