"""A collection with its queries and judgements as it lies in a folder, in any layout, and one fingerprint for all of it."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import meant
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.text import beir, msmarco, passage_store
from kdbench.tasks.data.text.passage_layout import Layout
from kdbench.tasks.data.text.text_tokens import Language, words_of

LAYOUTS = (beir.LAYOUT, msmarco.LAYOUT)
EXPECTS = "corpus.jsonl, queries.jsonl and qrels/ (BEIR), or collection.tsv, queries.*.tsv and qrels.*.tsv (MS MARCO)"
NAMED = 3  # ids that a complaint names


@dataclass(frozen=True, eq=False)
class Judged:
    """The judgements of a split, by query and document, each pair once; documents that are not there number from len(store)."""

    query: np.ndarray  # int32 [J]
    document: np.ndarray  # int32 [J]
    grade: np.ndarray  # int32 [J]
    repeated: int  # rows that judge a pair again, of which the higher grade holds

    def of(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        part = slice(*np.searchsorted(self.query, [query, query + 1]))
        return self.document[part], self.grade[part]


@dataclass(frozen=True, eq=False)
class PassageSet:
    """Queries are in the order of their ids' bytes. `absent` are the judged documents that the collection lacks, by split."""

    folder: Path
    layout: Layout
    language: Language
    store: passage_store.Store
    names: tuple[str, ...]
    texts: tuple[str, ...]
    splits: Mapping[str, Judged]  # what each split judges
    absent: Mapping[str, tuple[str, ...]]
    strangers: Mapping[str, tuple[str, ...]]  # queries that a split judges and no file has
    twice: Mapping[str, tuple[str, ...]]  # ids that occur more than once among documents and queries
    fingerprint: str

    def judgements(self, query: int) -> tuple[np.ndarray, np.ndarray]:
        """Documents and grades of a query, of all splits that judge it."""
        pairs = [judged.of(query) for judged in self.splits.values()]
        documents, grades = (np.concatenate(values) for values in zip(*pairs))
        return documents, grades

    def judged_queries(self) -> dict[str, list[int]]:
        """The queries that each split judges."""
        return {split: np.unique(judged.query).tolist() for split, judged in self.splits.items()}

    def unjudged(self) -> list[int]:
        """The queries that no split judges."""
        judged = {query for queries in self.judged_queries().values() for query in queries}
        return [query for query in range(len(self.names)) if query not in judged]

    @functools.cached_property
    def vocabulary(self) -> dict[str, int]:
        return {word.decode(): number for number, word in enumerate(self.store.words.tolist())}

    def words(self, query: int) -> np.ndarray:
        """The word numbers of a query; words that no document has are left out, since nothing matches them."""
        found = (self.vocabulary.get(word) for word in words_of(self.texts[query], self.language))
        return np.array([number for number in found if number is not None], np.int64)


def place(folder: str = "") -> Place:
    return Place(folder or "passages", (folder,) if folder else (), EXPECTS, "unpack a BEIR set there, or MS MARCO's files")


def layout_of(folder: Path) -> Layout | None:
    return next((layout for layout in LAYOUTS if layout.fits(folder)), None)


def find(root: str = "", folder: str = "") -> Path:
    return place(folder).find(lambda path: layout_of(path) is not None, root)


@functools.lru_cache(maxsize=4)
def read(folder: Path, language: Language = "english") -> PassageSet:
    """What a folder holds. Complaints about single lines are errors; what only the whole shows is in the fields."""
    layout = layout_of(folder)
    if layout is None:
        raise DataError(f"{folder}: expected {EXPECTS}")
    store = passage_store.opened(layout, folder, language)
    queries = sorted(layout.queries(folder), key=lambda query: query.id.encode())
    known: dict[str, int] = {}
    again = []
    for query in queries:
        if query.id in known:
            again.append(query.id)
        known.setdefault(query.id, len(known))
    kept = {query.id: query.text for query in reversed(queries)}
    names = tuple(known)
    repeated = np.flatnonzero(store.ids[1:] == store.ids[:-1]) + 1
    twice = {"documents": tuple(store.ids[row].decode() for row in repeated), "queries": tuple(again)}
    splits, absent, strangers = {}, {}, {}
    for split, path in layout.judgements(folder).items():
        splits[split], absent[split], strangers[split] = _judged(layout, path, known, store)
    texts = tuple(kept[name] for name in names)
    found = _fingerprint(store, names, texts, splits, absent)
    return PassageSet(folder, layout, language, store, names, texts, splits, absent, strangers, twice, found)


def _judged(
    layout: Layout, path: Path, known: Mapping[str, int], store: passage_store.Store
) -> tuple[Judged, tuple[str, ...], tuple[str, ...]]:
    rows = list(layout.read(path))
    strangers = tuple(dict.fromkeys(row.query for row in rows if row.query not in known))
    rows = [row for row in rows if row.query in known]
    document = store.number([row.document for row in rows])
    absent = tuple(sorted({row.document for row, number in zip(rows, document) if number < 0}))
    beyond = {name: len(store) + place for place, name in enumerate(absent)}
    for at in np.flatnonzero(document < 0):
        document[at] = beyond[rows[at].document]
    query = np.array([known[row.query] for row in rows], np.int64)
    grade = np.array([row.grade for row in rows], np.int64)
    order = np.lexsort((grade, document, query))
    query, document, grade = query[order], document[order], grade[order]
    last = np.ones(len(order), bool)
    last[:-1] = (query[1:] != query[:-1]) | (document[1:] != document[:-1])
    own, paired, best = (values[last].astype(np.int32) for values in (query, document, grade))
    return Judged(own, paired, best, int((~last).sum())), absent, strangers


def _fingerprint(
    store: passage_store.Store,
    names: Iterable[str],
    texts: Iterable[str],
    splits: Mapping[str, Judged],
    absent: Mapping[str, tuple[str, ...]],
) -> str:
    """The same for every layout and every order of the lines. The language plays no part in it."""
    total = hashlib.sha256(len(store).to_bytes(8, "little"))
    total.update(np.ascontiguousarray(store.marks).data)
    for name, text in zip(names, texts):
        total.update(hashlib.sha256(f"{name}\0{text}".encode()).digest())
    for split in sorted(splits):
        total.update(f"{split}\0{len(splits[split].query)}\0".encode() + "\0".join(absent[split]).encode())
        for values in (splits[split].query, splits[split].document, splits[split].grade):
            total.update(values.astype("<i4").tobytes())
    return total.hexdigest()


def named(ids: tuple[str, ...]) -> str:
    """How many ids, and the first of them."""
    return f"{len(ids):,} ({', '.join(ids[:NAMED])}{', …' if len(ids) > NAMED else ''})"


def load(root: str, folder: str, content: str, language: Language) -> PassageSet:
    """The collection that is meant: the one of the given fingerprint, with every id once and every judged query known."""
    found = read(find(root, folder), language)
    for what, ids in found.twice.items():
        if ids:
            raise DataError(f"{found.folder}: ids of {what} that occur twice: {named(ids)}")
    for split, ids in found.strangers.items():
        if ids:
            path = found.layout.judgements(found.folder)[split]
            raise DataError(f"{path}: judges queries that the queries' file lacks: {named(ids)}")
    meant.check(found.folder, found.fingerprint, content, "passages")
    return found
