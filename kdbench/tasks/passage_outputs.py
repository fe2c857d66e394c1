"""Raw outputs of a net on held-out queries: scores of the frozen lists, and a run over the collection or over the list."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.task import Forward
from kdbench.tasks.data.text.passage_lists import Lists
from kdbench.tasks.data.text.passage_search import top
from kdbench.tasks.passage_samples import Words
from kdbench.tasks.retrieval import RUN

QUERIES = 16  # that a net reads at once
CHUNK, LARGE_CHUNK, LARGE = 32, 512, 20_000  # documents at once: few fit a processor's cache, many keep a GPU busy


def raw_outputs(
    forward: Forward, words: Words, lists: Lists, minus: Mapping[int, np.ndarray], whole: bool
) -> dict[str, np.ndarray]:
    """`scores` on `candidates`, `run` and `run_scores`. What a query is without stands in no run."""
    table, which = words.queries(lists.query)
    query, candidates = torch.from_numpy(table[which]), lists.documents.astype(np.int64)
    scores, runs, run_scores = [], [], []
    for start in range(0, len(query), QUERIES):
        part = slice(start, start + QUERIES)
        found = _all(forward, words, query[part]) if whole else _listed(forward, words, query[part], candidates[part])
        for row, own, number in zip(found, candidates[part], lists.query[part]):
            without = minus.get(int(number), np.zeros(0, np.int64))
            scores.append(row[own] if whole else row)
            best, its_scores = _run(row, without) if whole else _ordered(row, own, without)
            runs.append(best)
            run_scores.append(its_scores)
    depth = max(map(len, runs))
    return {
        "scores": np.stack(scores),
        "candidates": candidates.astype(np.int32),
        "run": np.stack([np.pad(run, (0, depth - len(run)), constant_values=-1) for run in runs]).astype(np.int32),
        "run_scores": np.stack([np.pad(values, (0, depth - len(values)), mode="edge") for values in run_scores]),
    }


def _run(scores: np.ndarray, without: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best documents of the collection, without these, and their scores."""
    without = without[without < len(scores)]
    best = top(scores, RUN + len(without))
    best = best[~np.isin(best, without)][:RUN]
    return best, scores[best]


def _ordered(scores: np.ndarray, documents: np.ndarray, without: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The documents of a list by falling score, ties by falling number, and their scores."""
    order = np.lexsort((documents, scores))[::-1]
    order = order[~np.isin(documents[order], without)][:RUN]
    return documents[order], scores[order]


def _ask(forward: Forward, query: Tensor, documents: np.ndarray) -> np.ndarray:
    index = torch.arange(len(query))
    batch = Batch({"query": query, "docs": torch.from_numpy(documents)}, index, torch.zeros_like(index))
    return forward(batch).values.float().cpu().numpy()


def _all(forward: Forward, words: Words, query: Tensor) -> np.ndarray:
    """[q, D]. Documents go in once for all queries of a block."""
    size = CHUNK if len(words) < LARGE else LARGE_CHUNK
    spans = np.split(np.arange(len(words)), range(size, len(words), size))
    return np.concatenate([_ask(forward, query, words.documents(span)[None]) for span in spans], 1)


def _listed(forward: Forward, words: Words, query: Tensor, candidates: np.ndarray) -> np.ndarray:
    return _ask(forward, query, words.documents(candidates))
