"""Retrieval tasks: each query decides over a list of candidates, and is judged by a ranking of the whole collection."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.errors import KdbenchError
from kdbench.contract.model import Config, Facts
from kdbench.contract.task import Forward, Samples, Task
from kdbench.contract.views import AS_IT_IS, FiniteViews
from kdbench.tasks.data.made import topic_lists as lists
from kdbench.tasks.data.made import topics
from kdbench.tasks.data.text import bm25, lsa

SHOWN = 16  # candidates of a list that a step sees
RUN = 100  # documents of a stored run
RELEVANT_GRADE = 3  # the fact itself: what a labelled query's one positive is, and what RR counts
LSA_WIDTH, LSA_SCALE = 64, 0.1  # the scale: small enough that learning moves the vectors
GAIN = 1.5
RECIPE = {"batch": 32, "optimiser": "adam", "weight_decay": 0.0, "schedule": "linear", "warmup": 0.1}


class Retrieval(Task):
    """What every ranking task shares: how values are read, the loss, the view, the raw outputs."""

    family = "retrieval"
    axis = "candidate"
    fields = ("query", "docs", "candidates")
    kept = ("candidates",)
    augments: ClassVar[Mapping[str, str]] = {
        "sample": f"the first candidate and {SHOWN - 1} drawn from the rest of the frozen list",
        "whole": "the whole frozen list",
    }
    aliases: ClassVar[Mapping[str, str]] = {"contrastive": "none"}

    def decide(self, values: Tensor, batch: Batch) -> Decisions:
        return Decisions(values, "candidate", labels=batch.get("label"))

    def loss(self, decisions: Decisions) -> Tensor:
        """Cross-entropy of the list to its gains e^(1.5 grade) - 1, normalised: to the positive where there is just one.

        Negatives are the list's own. In-batch negatives are left out: they would make a query's loss depend on its company,
        so that no view could be replayed, and here they moved the control by +.01 at one learning rate and -.02 at another.
        """
        if decisions.labels is None:
            raise ValueError("the supervised loss needs labels, this stream has none")
        gains = torch.expm1(GAIN * decisions.labels)
        total = gains.sum(-1, keepdim=True)
        listwise = -(gains / total.clamp(min=1e-9) * decisions.log_probs()).sum(-1)
        judged = total[:, 0] > 0
        valid = judged if decisions.valid is None else judged & decisions.valid
        return decisions.but(valid=valid).mean(listwise)

    def finite(self, policy: str) -> FiniteViews | None:
        return AS_IT_IS if policy == "whole" else None

    def augment(self, policy: str, batch: Batch, draw: Draw) -> Batch:
        if policy == "whole":
            return batch
        if policy != "sample":
            # "the sample as it is" has no meaning here: scores of other candidates would be matched to these
            raise KdbenchError(f"{self.name} has the views {', '.join(self.augments)}, not {policy!r}")
        keys = draw.uniform("sample", batch.view, batch.index, batch["candidates"].shape[1])
        keys[:, 0] = -1.0
        shown = torch.argsort(keys, dim=1, stable=True)[:, :SHOWN]
        docs = batch["docs"]
        fields = {"docs": docs.gather(1, shown[..., None].expand(-1, -1, docs.shape[-1]))}
        for name in ("candidates", "label", "given"):
            whole = batch.get(name)
            if whole is not None:
                fields[name] = whole.gather(1, shown)
        return batch.with_(**fields)


class TopicsConfig(Config):
    size: Literal["full", "small"] = Field(
        "full",
        description="full: 2,000 documents, 300 + 2,400 training queries; small: 800, 150 + 600, for a quick look",
    )


class Topics(Retrieval):
    """Generated short texts: 300 labelled and 2,400 unlabelled queries over 2,000 documents, synonyms and distractors."""

    name = "topics"
    Config = TopicsConfig
    sets: ClassVar[Mapping[str, str]] = {
        "labelled": "the labelled queries, each with one known relevant document",
        "few": "the labelled queries without their labels",
        "all": "the labelled queries and the pool, without labels",
        "graded": "the pool with all grades, which only teachers see",
    }
    roles: ClassVar[Mapping[str, str]] = {"labelled": "labelled", "transfer": "all", "teacher": "graded"}
    bank = 32
    pair: ClassVar[Mapping[str, Any]] = {
        # 5 epochs of the pool; 6 epochs of all queries
        "teacher": {"model": "interaction", "recipe": {**RECIPE, "steps": 375, "lr": 2e-2}},
        "student": {"model": "dense_text", "recipe": {**RECIPE, "steps": 510, "lr": 1e-2}},
    }
    licence = "none needed: made from numbers by kdbench"
    config: TopicsConfig

    def __init__(self, config: TopicsConfig | None = None):
        super().__init__(config)
        self.lexical = functools.cache(self.lexical)  # type: ignore[method-assign]
        self.candidates = functools.cache(self.candidates)  # type: ignore[method-assign]

    @functools.cached_property
    def collection(self) -> topics.Collection:
        return topics.generate(topics.SIZES[self.config.size])

    @functools.cached_property
    def _documents(self) -> Tensor:
        return torch.from_numpy(self.collection.documents).long()

    @functools.cached_property
    def facts(self) -> Facts:  # type: ignore[override]
        words, documents = len(self.collection.words), self.collection.documents
        idf = bm25.padded_idf(documents, words)
        vectors = lsa.word_vectors(documents, idf, LSA_WIDTH) * np.float32(LSA_SCALE)
        return Facts(
            outputs=SHOWN,
            vocabulary=words,
            lengths={"query": topics.QUERY_WORDS, "docs": topics.DOCUMENT_WORDS},
            tables={"lsa": torch.from_numpy(vectors), "idf": torch.from_numpy(idf.astype(np.float32))},
        )

    def lexical(self, part: str) -> np.ndarray:
        """BM25 scores of a part's queries, rounded so that the last bit of a sum never chooses a candidate."""
        scores = bm25.scores(self.collection.queries[part].tokens, self.collection.documents)
        return np.round(scores.astype(np.float64), 4)

    def candidates(self, name: str) -> np.ndarray:
        """The frozen lists of a set [Q, C]; `labelled` and `pool` know nothing of any teacher, nor `pool` of the truth."""
        part = {"graded": "pool", "few": "labelled"}.get(name, name)
        if name == "all":
            return np.concatenate([self.candidates("labelled"), self.candidates("pool")])
        grades = self.collection.queries[part].grades
        if name in ("labelled", "few"):
            return lists.positive_first(part, self.lexical(part), grades)
        if name == "pool":
            return lists.mined(part, self.lexical(part))
        if name == "graded":
            return lists.relevant_first(part, self.lexical(part), grades)
        return lists.judged_and_hard(part, self.lexical(part), grades)

    def data(self, name: str) -> Samples:
        parts = {"graded": ("pool",), "few": ("labelled",), "all": ("labelled", "pool")}.get(name, (name,))
        tokens = np.concatenate([self.collection.queries[part].tokens for part in parts])
        candidates = torch.from_numpy(self.candidates(name)).long()
        fields = {
            "query": torch.from_numpy(tokens).long(),
            "docs": self._documents[candidates],
            "candidates": candidates,
        }
        if name == "labelled":
            fields["label"] = torch.zeros(candidates.shape)
            fields["label"][:, 0] = RELEVANT_GRADE
        elif name in ("graded", "val", "test"):
            grades = torch.from_numpy(self.collection.queries[parts[0]].grades).float()
            fields["label"] = grades.gather(1, candidates)
        return Samples(fields, torch.arange(len(tokens)))

    def evaluate(self, forward: Forward, split: str) -> dict[str, np.ndarray]:
        """One ranking of the whole collection; the scores of the frozen lists are read out of it."""
        samples = self.data(split)
        whole = self._search(forward, samples.fields["query"])
        candidates, run = self.candidates(split), lists.ranked(whole)[:, :RUN]
        grades = self.collection.queries[split].grades
        query, document = np.nonzero(grades)
        return {
            "scores": np.take_along_axis(whole, candidates, 1),
            "candidates": candidates,
            "grades": np.take_along_axis(grades, candidates, 1).astype(np.float32),
            "run": run.astype(np.int32),
            "run_scores": np.take_along_axis(whole, run, 1),
            "qrels_query": query.astype(np.int32),
            "qrels_doc": document.astype(np.int32),
            "qrels_grade": grades[query, document].astype(np.int32),
            "relevant_grade": np.array(RELEVANT_GRADE, np.int32),
        }

    def _search(self, forward: Forward, query: Tensor, size: int = 50, chunk: int = 250) -> np.ndarray:
        """Scores of every document [Q, D]. Documents go in once for all queries of a batch."""
        rows = []
        for start in range(0, len(query), size):
            part = query[start : start + size]
            index = torch.arange(start, start + len(part))
            shared = [{"query": part, "docs": docs[None]} for docs in self._documents.split(chunk)]
            scores = [forward(Batch(fields, index, torch.zeros_like(index))).values.float().cpu() for fields in shared]
            rows.append(torch.cat(scores, 1))
        return torch.cat(rows).numpy()

    def describe(self) -> dict[str, Any]:
        queries = self.collection.queries
        known = set(self.candidates("labelled")[:, 0].tolist())
        seen = [bool(known & set(np.flatnonzero(row == RELEVANT_GRADE).tolist())) for row in queries["test"].grades]
        judged = {grade: float((queries["test"].grades == grade).sum(1).mean()) for grade in (3, 2, 1)}
        return {
            "what": "generated documents of two or three facts; a query names one fact by other surface forms",
            "sizes": {name: len(self.data(name)) for name in (*self.sets, "val", "test")},
            "documents": len(self.collection.documents),
            "words": len(self.collection.words) - 1,
            "candidates": {"list": lists.LENGTH, "shown in a step": SHOWN, "evaluation": lists.EVALUATION_LENGTH},
            "judged documents a test query, by grade": judged,
            "share of test queries that want a document which is a training positive": float(np.mean(seen)),
            "note": "facts of val and test queries are asked for by no training query; documents are shared. "
            "Teachers see all grades of the pool, students one positive of each labelled query",
        }

    def sample(self, path: Path) -> None:
        """Three test queries in words, each with a document of every grade."""
        collection = self.collection
        part = collection.queries["test"]
        lines = []
        for row in range(3):
            lines.append(f"query {row}: {collection.text(part.tokens[row])}")
            for grade in (3, 2, 1, 0):
                found = np.flatnonzero(part.grades[row] == grade)
                if len(found):
                    lines.append(f"  grade {grade}  d{found[0]:04d}  {collection.text(collection.documents[found[0]])}")
            lines.append("")
        path.write_text("\n".join(lines), encoding="utf-8")
