"""What a collection's queries are used for: the lists that train with labels, those that do not, and those that are held out."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.meant import Meant
from kdbench.tasks.data.text import passage_given, passage_set, passage_split, passage_texts
from kdbench.tasks.data.text.passage_lists import Lists, Miner, too_few
from kdbench.tasks.data.text.passage_set import PassageSet, named

MINED = "bm25"


@dataclass(frozen=True)
class Choices:
    """What a task's params say of it; see there."""

    labelled: int | None
    titles: int
    test: int | None
    clean: bool
    relevant_grade: int
    undefined: str
    identical_ids: str
    lists: str
    test_lists: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Choices:
        return cls(**{each.name: params[each.name] for each in fields(cls)})


class Parts:
    """The lists of one collection under given choices; each is made when it is first wanted."""

    def __init__(self, found: PassageSet, choices: Choices):
        self.found, self.choices = found, choices

    def possible(self) -> None:
        """A DataError where these choices cannot be had of this collection, as far as that is known without mining."""
        _ = self.queries  # fails where a part would have none
        for lists in {self.choices.lists, self.choices.test_lists}:
            if lists != MINED:
                passage_given.load(self.found, lists)
            elif told := too_few(self.found):
                raise DataError(f"{self.found.folder}: {told}")

    @functools.cached_property
    def queries(self) -> dict[str, list[int]]:
        """Query numbers of train, val and test."""
        judged = self.found.judged_queries()
        parts = passage_split.parts(judged, self.found.texts)
        if self.choices.clean:
            learnt = self.learnt(parts["train"])
            parts["test"] = [query for query in parts["test"] if not learnt & self.relevant(query)]
        for name, queries in parts.items():
            if not queries:
                raise DataError(f"{self.found.folder}: no query is left for {name}; judged are {', '.join(judged)}")
        return {**parts, "test": parts["test"][: self.choices.test]}

    @functools.cached_property
    def with_labels(self) -> list[int]:
        return self.queries["train"][: self.choices.labelled]

    def relevant(self, query: int) -> set[int]:
        documents, grades = self.found.judgements(query)
        return set(documents[grades >= self.choices.relevant_grade].tolist())

    def learnt(self, queries: list[int]) -> set[int]:
        """The documents that are some training query's positive."""
        return set().union(*map(self.relevant, queries))

    @functools.cached_property
    def minus(self) -> dict[int, np.ndarray]:
        """The documents that are no part of a query's ranking."""
        found: dict[int, np.ndarray] = {}
        if self.choices.undefined == "drop":
            some = {int(query) for judged in self.found.splits.values() for query in judged.query[judged.grade < 0]}
            judged = {query: self.found.judgements(query) for query in some}
            found = {query: documents[grades < 0] for query, (documents, grades) in judged.items()}
        if self.choices.identical_ids == "drop":
            own = self.found.store.number(list(self.found.names))
            for query in np.flatnonzero(own >= 0).tolist():
                found[query] = np.append(found.get(query, np.zeros(0, np.int64)), own[query])
        return found

    @functools.cached_property
    def miner(self) -> Miner:
        return Miner(self.found, self.minus)

    @functools.cached_property
    def judged(self) -> Lists:
        """Lists of all training queries, each with a relevant document at its head."""
        queries = self.queries["train"]
        if self.choices.lists == MINED:
            lists = self.miner.labelled(queries, [self.found.judgements(query) for query in queries], self.choices.relevant_grade)
        else:
            given = passage_given.load(self.found, self.choices.lists)
            lists = given.rows(np.isin(given.query, queries))
            wrong = np.flatnonzero(self.grades(lists.first())[:, 0] < self.choices.relevant_grade)
            if len(wrong):
                query = self.found.names[int(lists.query[wrong[0]])]
                raise DataError(
                    f"lists {self.choices.lists}: {len(wrong):,} do not begin with a relevant document (query {query!r})"
                )
        return self._some(lists, f"any of {len(queries):,} training queries")

    @functools.cached_property
    def labelled(self) -> Lists:
        """Those of the queries that keep their labels."""
        kept = self.judged.rows(np.isin(self.judged.query, self.with_labels))
        return self._some(kept, f"any of the first {len(self.with_labels)} training queries")

    def _some(self, lists: Lists, of: str) -> Lists:
        if not len(lists.query):
            raise DataError(f"{self.found.folder}: no list for {of}")
        return lists

    @functools.cached_property
    def pool(self) -> tuple[Lists, list[np.ndarray]]:
        """Lists of queries whose judgements are not read, and the words of each; a title is the query -1."""
        found = self.found
        free = found.unjudged() + self.queries["train"][len(self.with_labels) :]
        if self.choices.lists != MINED:
            given = passage_given.load(found, self.choices.lists)
            lists = given.rows(np.isin(given.query, free))
            return lists, [found.words(int(query)) for query in lists.query]
        wanted = [(found.names[q], found.words(q), frozenset(int(d) for d in self.minus.get(q, ()))) for q in free]
        titles = passage_texts.titles(found, self.choices.titles) if self.choices.titles else []
        wanted += [(f"title of {found.store.ids[d].decode()}", words, frozenset({d})) for d, words in titles]
        owners = np.array(free + [-1] * len(titles), np.int32)
        return Lists(owners, self.miner.pool(wanted)), [words for _, words, _ in wanted]

    @functools.cache  # noqa: B019 - lives as long as its process
    def held_out(self, split: str) -> Lists:
        """One list for each query of val or test, in the order of the part."""
        queries = self.queries[split]
        if self.choices.test_lists == MINED:
            return self.miner.evaluation(queries, [self.found.judgements(query) for query in queries])
        given = passage_given.load(self.found, self.choices.test_lists)
        row_of = {int(query): row for row, query in enumerate(given.query)}
        missing = [self.found.names[query] for query in queries if query not in row_of]
        if missing or len(row_of) < len(given.query):
            what = f"lack {named(tuple(missing))} of {split}" if missing else "have several rows for a query"
            raise DataError(f"lists {self.choices.test_lists}: {what}; expected one list for each query")
        lists = given.rows(np.array([row_of[query] for query in queries]))
        return Lists(lists.query, lists.documents)  # a teacher's scores of held-out queries are nobody's to read

    @functools.cached_property
    def _graded(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Sorted keys of all judged pairs, their grades, and what a key is made with."""
        judged = self.found.splits.values()
        stride = max([len(self.found.store), *(int(rows.document.max(initial=0)) + 1 for rows in judged)])
        keys = np.concatenate([rows.query.astype(np.int64) * stride + rows.document for rows in judged])
        grade = np.concatenate([rows.grade for rows in judged])
        order = np.lexsort((grade, keys))
        return keys[order], grade[order], stride

    def grades(self, lists: Lists) -> np.ndarray:
        """float32 [n,K]; what is unjudged, or judged below 0, is 0."""
        keys, grade, stride = self._graded
        wanted = lists.query.astype(np.int64)[:, None] * stride + lists.documents
        place = np.maximum(np.searchsorted(keys, wanted, side="right") - 1, 0)
        return np.where(keys[place] == wanted, np.maximum(grade[place], 0), 0).astype(np.float32)


def meant_by(task: str, params: Mapping[str, Any]) -> list[Meant]:
    root, folder, content, language = (params[name] for name in ("root", "folder", "content", "language"))

    def load() -> None:
        Parts(passage_set.load(root, folder, content, language), Choices.of(params)).possible()

    return [Meant(lambda: passage_set.find(root, folder), load)]
