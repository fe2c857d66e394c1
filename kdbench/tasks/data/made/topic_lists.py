"""Frozen lists of candidates for the collection `topics`, so that every method and seed ranks the same documents.

Only `relevant_first` (for teachers) and `judged_and_hard` (for evaluation) read all judgements, `positive_first` a single one.
A list's draws come from the stream of its part, one query after the other, so a larger count only appends.
"""

from __future__ import annotations

import numpy as np

from kdbench.tasks.data.made.topics import SEED
from kdbench.tasks.data.random_numbers import Stream

LENGTH = 32
DEPTH = 100  # hard candidates are drawn from so many of the miner's best
RELEVANT = 6
HARD_IN_EVALUATION = 50
EVALUATION_LENGTH = 100


def ranked(scores: np.ndarray) -> np.ndarray:
    """Document numbers by falling score, ties by falling number: the one rule for ties, trec_eval's."""
    documents = scores.shape[1]
    return documents - 1 - np.argsort(-scores[:, ::-1], axis=1, kind="stable")


def _extended(start: list[int], hard: np.ndarray, n_hard: int, length: int, documents: int, stream: Stream) -> list[int]:
    """`start`, then `n_hard` of the hard ones, then random documents, without repeating one."""
    chosen = dict.fromkeys(start)
    pool = [int(d) for d in hard if int(d) not in chosen]
    chosen.update(dict.fromkeys(pool[i] for i in stream.order(len(pool))[:n_hard]))
    for document in stream.order(documents):
        if len(chosen) == length:
            break
        chosen.setdefault(int(document))
    return list(chosen)


def positive_first(part: str, scores: np.ndarray, grades: np.ndarray, seed: int = SEED) -> np.ndarray:
    """[Q, 32]: one random document of grade 3, 15 of BM25's first hundred, 16 random. Other relevant ones stay in, unmarked."""
    stream = Stream(seed, f"candidates of {part}")
    rows = []
    for order, grade in zip(ranked(scores), grades):
        relevant = np.flatnonzero(grade == 3)
        positive = int(relevant[stream.below(len(relevant))])
        rows.append(_extended([positive], order[:DEPTH], LENGTH // 2 - 1, LENGTH, len(grade), stream))
    return np.array(rows, np.int32)


def mined(part: str, scores: np.ndarray, seed: int = SEED) -> np.ndarray:
    """[Q, 32]: BM25's best, 15 more of its first hundred, 16 random. Looks at no judgement."""
    stream = Stream(seed, f"candidates of {part}")
    rows = [_extended([int(order[0])], order[:DEPTH], LENGTH // 2 - 1, LENGTH, len(order), stream) for order in ranked(scores)]
    return np.array(rows, np.int32)


def relevant_first(part: str, scores: np.ndarray, grades: np.ndarray, seed: int = SEED) -> np.ndarray:
    """[Q, 32] for teachers: up to six relevant documents, best grades first, then half hard and half random ones."""
    stream = Stream(seed, f"graded candidates of {part}")
    rows = []
    for order, grade in zip(ranked(scores), grades):
        shuffled = stream.order(len(grade))
        by_grade = shuffled[np.argsort(-grade[shuffled], kind="stable")]
        relevant = by_grade[: min(RELEVANT, int((grade > 0).sum()))].tolist()
        n_hard = (LENGTH - len(relevant)) // 2
        rows.append(_extended(relevant, order[:DEPTH], n_hard, LENGTH, len(grade), stream))
    return np.array(rows, np.int32)


def judged_and_hard(part: str, scores: np.ndarray, grades: np.ndarray, seed: int = SEED) -> np.ndarray:
    """[Q, 100] for evaluation: all judged documents, BM25's best as far as they fit, random ones; by number."""
    stream = Stream(seed, f"evaluation candidates of {part}")
    rows = []
    for order, grade in zip(ranked(scores), grades):
        judged = np.flatnonzero(grade > 0).tolist()
        fits = min(HARD_IN_EVALUATION, EVALUATION_LENGTH - len(judged))
        start = list(dict.fromkeys([*judged, *order[:fits].tolist()]))
        rows.append(sorted(_extended(start, order[:0], 0, EVALUATION_LENGTH, len(grade), stream)))
    return np.array(rows, np.int32)
