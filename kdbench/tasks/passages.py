"""Your own passages: a BEIR or MS MARCO folder with frozen lists mined by BM25 (or given), judged by ranking the collection."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field

from kdbench.contract.errors import DataError
from kdbench.contract.model import Facts
from kdbench.contract.task import Forward, Samples
from kdbench.tasks.data.text import lsa, passage_set, passage_texts
from kdbench.tasks.data.text.passage_parts import MINED, Choices, Parts
from kdbench.tasks.data.text.text_tokens import Language
from kdbench.tasks.from_folder import FromFolder, FromFolderConfig, content_param, place
from kdbench.tasks.passage_outputs import raw_outputs
from kdbench.tasks.passage_samples import KNOWN, PassageSamples, Words
from kdbench.tasks.retrieval import LSA_SCALE, LSA_WIDTH, RECIPE, SHOWN, Retrieval

LSA_DOCUMENTS = 200_000  # the first so many (by id) tell what words mean


class PassagesConfig(FromFolderConfig):
    folder: str = place("its folder under KDBENCH_DATA, or under root")
    content: str = content_param("fingerprint of the set that is meant, as `kdbench data check passages` prints it")
    language: Language = Field("english", description="english: no stop words, no plural s; plain: words as they are")
    words: int = Field(8000, ge=100, description="words that the nets know, the most frequent first; others are one unknown word")
    document_words: int = Field(128, ge=18, le=1024, description="words of a document that the nets read; BM25 reads all")
    query_words: int = Field(16, ge=2, le=256, description="words of a query that the nets read")
    labelled: int | None = Field(
        None, ge=1, description="training queries that keep their labels, the rest join the pool; all if left out"
    )
    titles: int = Field(0, ge=0, description="documents whose titles serve as unlabelled queries too, without that document")
    test: int | None = Field(None, ge=2, description="test queries to use; all if left out")
    clean: bool = Field(False, description="leave out test queries that want a document which is a training positive")
    relevant_grade: int = Field(1, ge=1, description="grade from which a document is a training positive, and counts for RR")
    undefined: Literal["drop", "irrelevant"] = Field(
        "drop",
        description="documents judged with a negative grade (Cranfield's -1): no part of that query's ranking, or irrelevant",
    )
    identical_ids: Literal["keep", "drop"] = Field(
        "keep",
        description="a document with the query's own id: ArguAna and Quora hold queries among the documents: drop it there",
    )
    search: Literal["collection", "list"] = Field(
        "collection",
        description="what is ranked to evaluate: every document, or the frozen list alone (large collections); "
        "a mined list holds what is relevant, so that its figures are higher",
    )
    lists: str = Field(MINED, description="training lists: mined with bm25, or name@fingerprint of a file under lists/")
    test_lists: str = Field(MINED, description="evaluation lists of val and test, in the same way")


class Passages(FromFolder, Retrieval):
    """A collection of passages with queries and judgements, in the BEIR or the MS MARCO layout."""

    name = "passages"
    reader = "kdbench.tasks.data.text.passage_parts:meant_by"
    Config = PassagesConfig
    sets: ClassVar[Mapping[str, str]] = {
        "labelled": "a list for each training query and known relevant document, with that label",
        "few": "the same lists without their labels",
        "pool": "queries without labels: those that no split judges, titles, and training queries beyond params.labelled",
        "all": "both, without labels",
        "judged": "a list for every training query, with labels whatever params.labelled says: a teacher may know more",
    }
    roles: ClassVar[Mapping[str, str]] = {"labelled": "labelled", "transfer": "all", "teacher": "judged"}
    bank = 32
    pair: ClassVar[Mapping[str, Any]] = {
        "teacher": {"model": "interaction", "recipe": {**RECIPE, "steps": 400, "lr": 1e-2}},
        "student": {"model": "dense_text", "recipe": {**RECIPE, "steps": 500, "lr": 1e-2}},
    }
    licence = "yours to know"
    config: PassagesConfig

    @functools.cached_property
    def collection(self) -> passage_set.PassageSet:
        c = self.config
        return passage_set.load(c.root, c.folder, c.content, c.language)

    @functools.cached_property
    def known(self) -> Words:
        """Documents and queries as the nets read them."""
        c = self.config
        return Words(self.collection, min(c.words, KNOWN + len(self.collection.vocabulary)), c.document_words, c.query_words)

    @functools.cached_property
    def facts(self) -> Facts:  # type: ignore[override]
        words = self.known
        idf, offsets = words.idf(), np.asarray(self.collection.store.offsets[: LSA_DOCUMENTS + 1])
        vectors = lsa.sparse_word_vectors(words.numbers(slice(0, offsets[-1])), offsets, idf, LSA_WIDTH) * np.float32(LSA_SCALE)
        return Facts(
            outputs=SHOWN,
            vocabulary=words.vocabulary,
            lengths={"query": self.config.query_words, "docs": self.config.document_words},
            tables={"lsa": torch.from_numpy(vectors), "idf": torch.from_numpy(idf.astype(np.float32))},
        )

    @functools.cached_property
    def parts(self) -> Parts:
        return Parts(self.collection, Choices.of(dict(self.config)))

    def data(self, name: str) -> Samples:
        parts, known = self.parts, self.known
        if name in ("val", "test"):
            lists = parts.held_out(name)
            return PassageSamples.of(known, lists, *known.queries(lists.query), label=parts.grades(lists))
        own = parts.judged if name == "judged" else parts.labelled
        table, which = known.queries(own.query)
        if name in ("labelled", "judged"):
            label = np.zeros(own.documents.shape, np.float32)
            label[:, 0] = parts.grades(own.first())[:, 0]
            return PassageSamples.of(known, own, table, which, label=label)
        if name == "few":
            return PassageSamples.of(known, own, table, which)
        more, texts = parts.pool
        theirs, row = known.cut(texts, self.config.query_words), np.arange(len(texts))
        if name == "pool":
            if not len(row):
                raise DataError(f"{self.collection.folder}: no query is without labels; params titles or labelled make some so")
            return PassageSamples.of(known, more, theirs, row)
        both = np.concatenate([which, row + len(table)])
        return PassageSamples.of(known, own.joined(more), np.concatenate([table, theirs]), both)

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        parts = self.parts
        lists = parts.held_out(split)
        outputs = raw_outputs(forward, self.known, lists, parts.minus, whole=self.config.search == "collection")
        judged = [self.collection.judgements(int(query)) for query in lists.query]
        kept = [(row, *pair) for row, (documents, grades) in enumerate(judged) for pair in zip(documents, grades) if pair[1] > 0]
        query, document, grade = np.array(kept, np.int32).reshape(-1, 3).T
        return {
            **outputs,
            "grades": parts.grades(lists),
            "qrels_query": query,
            "qrels_doc": document,
            "qrels_grade": grade,
            "relevant_grade": np.array(self.config.relevant_grade, np.int32),
        }

    @functools.cached_property
    def shared(self) -> int:
        """How many test queries want a document that is some training query's positive."""
        learnt = self.parts.learnt(self.parts.queries["train"])
        return sum(bool(learnt & self.parts.relevant(query)) for query in self.parts.queries["test"])

    def leaks(self) -> list[str]:
        count = len(self.parts.queries["test"])
        told = f"{self.shared:,} of {count:,} test queries want a training positive (params.clean leaves those out)"
        return [told] if self.shared else []

    def details(self) -> dict[str, Any]:
        found = self.collection
        return {
            "sizes": {name: len(self.data(name)) for name in (*self.sets, "val", "test")},
            "training queries": len(self.parts.queries["train"]),
            "documents": len(found.store),
            "words": f"{len(found.vocabulary):,}, of which the nets know {self.known.vocabulary - KNOWN:,}",
            "test queries that want a document which is a training positive": self.shared,
            "read from": f"{found.folder} ({found.layout.name})",
        }

    def sample(self, path: Path) -> None:
        path.write_text(passage_texts.shown(self.collection, self.parts.queries["test"][:3]), encoding="utf-8")
