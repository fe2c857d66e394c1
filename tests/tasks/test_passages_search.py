"""BM25 and the metrics of a run, by an implementation of the test's own: dictionaries and loops, ties included."""

from __future__ import annotations

import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import passage_files as files
import pytest

from kdbench.contract.errors import DataError
from kdbench.metrics import retrieval
from kdbench.tasks.data import array_cache
from kdbench.tasks.data.text import lsa, passage_set
from kdbench.tasks.data.text.passage_search import Search, top

ROOT = os.environ.get("KDBENCH_DATA", "")


def dictionary_bm25(query: list[str], documents: dict[str, list[str]]) -> dict[str, float]:
    """Lucene's BM25 from its definition, one document after the other."""
    n = len(documents)
    mean = sum(map(len, documents.values())) / n
    holds = Counter(word for words in documents.values() for word in set(words))
    scores = {}
    for name, words in documents.items():
        tf = Counter(words)
        total = 0.0
        for word in query:
            if tf[word]:
                idf = math.log(1 + (n - holds[word] + 0.5) / (holds[word] + 0.5))
                total += idf * tf[word] / (tf[word] + 1.2 * (1 - 0.75 + 0.75 * len(words) / mean))
        scores[name] = round(total, 4)
    return scores


def trec_eval(scores: dict[str, float], grades: dict[str, int], without: set[str]) -> tuple[float, float, float]:
    """nDCG@10, RR@10 and R@100 of one query: by falling score and then by falling id, as trec_eval ranks."""
    ranking = sorted(
        (name for name in scores if name not in without), key=lambda name: (scores[name], name.encode()), reverse=True
    )
    gains = [max(0, grades.get(name, 0)) for name in ranking[:10]]
    ideal = sorted((max(0, grade) for grade in grades.values()), reverse=True)[:10]
    dcg, best = (sum(gain / math.log2(place + 2) for place, gain in enumerate(values)) for values in (gains, ideal))
    first = next((1 / (place + 1) for place, gain in enumerate(gains) if gain >= 1), 0.0)
    relevant = {name for name, grade in grades.items() if grade >= 1}
    return dcg / best, first, len(relevant & set(ranking[:100])) / len(relevant)


def agreement(found: passage_set.PassageSet, queries: list[int]) -> tuple[np.ndarray, np.ndarray, int]:
    """Metrics [Q,3] of the task's own BM25 run and of the one made here, and how many queries have tied scores near the top."""
    store, search = found.store, Search(found.store)
    words = [word.decode() for word in store.words]
    names = [name.decode() for name in store.ids]
    documents = {name: [words[word] for word in store.document(row)] for row, name in enumerate(names)}
    (split,) = [split for split in found.splits if split == "test"]
    runs, run_scores, theirs, tied, rows = [], [], [], 0, []
    for place, query in enumerate(queries):
        numbers, grades = found.splits[split].of(query)
        scores = search.scores(found.words(query))
        expected = dictionary_bm25([words[word] for word in found.words(query)], documents)
        assert np.allclose(scores, [expected[name] for name in names], atol=1.01e-4), found.names[query]
        without = numbers[grades < 0]
        masked = scores.copy()
        masked[without] = -1.0
        run = top(masked, 100)
        tied += len(np.unique(scores[run[:20]])) < 20
        runs.append(run)
        run_scores.append(scores[run])
        own = {name: float(score) for name, score in zip(names, scores)}
        theirs.append(trec_eval(own, {names[d]: int(g) for d, g in zip(numbers, grades)}, {names[d] for d in without}))
        rows += [(place, d, g) for d, g in zip(numbers, grades) if g > 0]
    judged = np.array(rows).T
    outputs = {"run": np.stack(runs), "run_scores": np.stack(run_scores)}
    outputs |= dict(zip(("qrels_query", "qrels_doc", "qrels_grade"), judged))
    values = retrieval.corpus_scores(outputs)
    return np.stack([values["ndcg@10"], values["rr@10"], values["recall@100"]], 1), np.array(theirs), tied


def test_bm25_and_the_metrics_are_those_of_another_implementation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(array_cache.VARIABLE, str(tmp_path / "cache"))
    made = files.made(test=24)
    names = list(made.documents)
    made.documents |= dict.fromkeys(names[1:40], ("", made.documents[names[0]][1]))  # equal texts: equal scores
    made.qrels["test"] += [("q30", "nearby", -1), ("q31", names[1], -1)]
    made.documents["nearby"] = ("", made.queries["q30"])  # BM25's first, and undefined
    passage_set.read.cache_clear()
    found = passage_set.read(files.beir(tmp_path / "set", made))
    queries = sorted({int(q) for q in found.splits["test"].query})
    own, theirs, tied = agreement(found, queries)
    assert np.allclose(own, theirs, atol=1e-12) and tied > 5
    assert own.std(0).min() > 0.05, "the queries differ, so that agreement says something"


@pytest.mark.slow
def test_bm25_on_cranfield_is_that_of_another_implementation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Needs KDBENCH_DATA."""
    monkeypatch.setenv(array_cache.VARIABLE, str(tmp_path / "cache"))
    try:
        folder = passage_set.find(ROOT, "cranfield")
    except DataError:
        pytest.skip("cranfield is not under KDBENCH_DATA")
    found = passage_set.read(folder)
    own, theirs, _ = agreement(found, list(range(len(found.names))))
    assert np.allclose(own, theirs, atol=1e-12)
    assert np.allclose(own.mean(0), [0.3901, 0.6098, 0.7275], atol=1e-4)


def test_the_best_are_found_without_sorting_all():
    rng = np.random.default_rng(0)
    for _ in range(50):
        scores = rng.integers(0, 6, 60).astype(float)
        expected = sorted(range(60), key=lambda d: (scores[d], d), reverse=True)
        assert top(scores, 13).tolist() == expected[:13] and top(scores, 99).tolist() == expected


def test_sparse_word_vectors_are_the_dense_ones():
    rng = np.random.default_rng(2)
    documents = np.sort(rng.integers(0, 40, (60, 9)), 1)[:, ::-1].astype(np.int32)
    documents[:, 0] = 1 + np.arange(60) % 39
    idf = np.concatenate([[0.0], rng.uniform(0.5, 3, 39)])
    dense = lsa.word_vectors(documents, idf, 8)
    lengths = (documents > 0).sum(1)
    sparse = lsa.sparse_word_vectors(documents[documents > 0], np.concatenate([[0], np.cumsum(lengths)]), idf, 8)
    assert np.allclose(dense, sparse, atol=1e-3) and not sparse[0].any()
    wide = lsa.sparse_word_vectors(np.array([1, 2, 1, 3]), np.array([0, 2, 4]), np.ones(5), 16)
    assert wide.shape == (5, 16) and np.isfinite(wide).all() and wide[1].any() and not wide[4].any()
