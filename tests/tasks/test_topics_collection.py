"""The generated collection: repeatable, its parts independent, its held-out facts held out, its grades what they claim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kdbench.tasks.data.made import topic_lists, topics
from kdbench.tasks.data.text import bm25, lsa

SMALL = topics.SIZES["small"]


@pytest.fixture(scope="module")
def small() -> topics.Collection:
    return topics.generate(SMALL)


def test_the_same_collection_on_every_machine(small):
    assert topics.generate(SMALL).digest() == small.digest()
    assert small.digest() == "54104eea911a499aa6ec502a1251f12405175d5aeff3effc3489ec9f915974f2"


def test_a_seed_is_another_collection(small):
    assert topics.generate(SMALL, seed=topics.SEED + 1).digest() != small.digest()


@pytest.mark.parametrize("part", topics.PARTS)
def test_a_count_changes_only_its_own_part_and_only_appends(small, part):
    fewer = topics.generate(replace(SMALL, **{part: getattr(SMALL, part) - 7}))
    assert np.array_equal(fewer.documents, small.documents)
    for name in topics.PARTS:
        n = len(fewer.queries[name].tokens)
        assert n == len(small.queries[name].tokens) - (7 if name == part else 0)
        assert np.array_equal(fewer.queries[name].tokens, small.queries[name].tokens[:n])
        assert np.array_equal(fewer.queries[name].facts, small.queries[name].facts[:n])


def test_no_training_query_asks_for_a_held_out_fact(small):
    asked = {part: {tuple(fact) for fact in small.queries[part].facts.tolist()} for part in topics.PARTS}
    training = asked["labelled"] | asked["pool"]
    assert not training & asked["val"] and not training & asked["test"] and not asked["val"] & asked["test"]
    assert len(asked["test"]) == SMALL.test  # held-out parts ask once


def test_too_many_held_out_queries_are_refused():
    with pytest.raises(ValueError, match=r"test has \d+ facts to ask for"):
        topics.generate(replace(SMALL, test=5000))


def test_grades_agree_with_a_reading_of_each_fact(small):
    queries = small.queries["test"]
    for (entity, attribute), grades in zip(queries.facts[:20], queries.grades):
        for facts, grade in zip(small.facts, grades):
            best = 0
            for e, a in facts:
                if e == entity:
                    best = max(best, 3 if a == attribute else 2 if a // topics.GROUP == attribute // topics.GROUP else 1)
            assert grade == best


def test_every_query_has_documents_that_state_its_fact(small):
    for part in topics.PARTS:
        assert ((small.queries[part].grades == 3).sum(1) >= topics.ASKED_FROM).all()


def test_documents_state_their_facts_in_words_within_a_window(small):
    lexicon = topics._lexicon(topics.SEED, SMALL.topics)
    for tokens, facts in zip(small.documents, small.facts):
        for entity, attribute in facts[facts[:, 0] >= 0]:
            at = [np.flatnonzero(np.isin(tokens, lexicon.forms[c])) for c in (entity, lexicon.entities + attribute)]
            assert np.abs(at[0][:, None] - at[1][None]).min() < 6


def test_a_document_keeps_one_form_of_a_concept(small):
    lexicon = topics._lexicon(topics.SEED, SMALL.topics)
    only = [set(forms.tolist()) for forms in lexicon.forms]
    shared = {w for i, a in enumerate(only) for b in only[:i] for w in a & b}  # homonyms belong to two concepts
    for tokens, facts in zip(small.documents, small.facts):
        for entity in {int(e) for e in facts[:, 0] if e >= 0}:
            assert len((only[entity] - shared) & set(tokens.tolist())) <= 1
    assert len(shared) == round(topics.HOMONYMS * len(lexicon.forms))


def lucene(queries: np.ndarray, documents: np.ndarray, k1: float, b: float) -> np.ndarray:
    """BM25 once more, word by word."""
    lengths = (documents > 0).sum(1)
    out = np.zeros((len(queries), len(documents)))
    for row, query in enumerate(queries):
        for word in query[query > 0]:
            count = (documents == word).sum(1)
            n = (count > 0).sum()
            idf = np.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            out[row] += idf * count / (count + k1 * (1 - b + b * lengths / lengths.mean()))
    return out


@pytest.mark.parametrize(("k1", "b"), [(1.2, 0.75), (0.9, 0.4)])
def test_bm25_equals_an_independent_one(small, k1, b):
    queries = small.queries["test"].tokens[:20]
    expected = lucene(queries, small.documents, k1, b)
    assert expected.max() > 3
    assert np.allclose(bm25.scores(queries, small.documents, k1, b), expected, atol=1e-5)


def test_a_word_that_no_document_has_scores_nothing():
    documents = np.array([[1, 2], [2, 3]], np.int32)
    assert np.allclose(bm25.scores(np.array([[4, 0]], np.int32), documents), 0)


def test_idf_agrees_with_bm25s_own(small):
    words = len(small.words)
    idf = bm25.padded_idf(small.documents, words)
    word = int(np.bincount(small.documents[small.documents > 0]).argmax())
    n = (small.documents == word).any(1).sum()
    assert idf[0] == 0 and np.isclose(idf[word], np.log(1 + (len(small.documents) - n + 0.5) / (n + 0.5)))


def test_word_vectors_span_what_a_truncated_svd_spans(small):
    idf = bm25.padded_idf(small.documents, len(small.words))
    counts = np.stack([np.bincount(row, minlength=len(idf)) for row in small.documents]) * idf
    tfidf = counts / np.linalg.norm(counts, axis=1, keepdims=True)
    _, singular, words_in = np.linalg.svd(tfidf, full_matrices=False)
    expected = words_in[:16].T * singular[:16]
    ours = lsa.word_vectors(small.documents, idf, 16).astype(float)
    similarity = lambda v: v @ v.T / (v**2).mean()
    assert np.allclose(similarity(ours), similarity(expected), atol=1e-3 * np.abs(similarity(expected)).max())
    assert (ours[0] == 0).all()


def test_ranks_break_ties_by_falling_number():
    assert topic_lists.ranked(np.array([[1.0, 2.0, 2.0, 0.0, 2.0]])).tolist() == [[4, 2, 1, 0, 3]]


@pytest.fixture(scope="module")
def mined(small):
    """Every kind of list of the small collection, with the grades of its part."""
    out = {}
    for name, part in (("labelled", "labelled"), ("pool", "pool"), ("graded", "pool"), ("test", "test")):
        queries = small.queries[part]
        scores = bm25.scores(queries.tokens, small.documents)
        if name == "labelled":
            found = topic_lists.positive_first(part, scores, queries.grades)
        elif name == "pool":
            found = topic_lists.mined(part, scores)
        elif name == "graded":
            found = topic_lists.relevant_first(part, scores, queries.grades)
        else:
            found = topic_lists.judged_and_hard(part, scores, queries.grades)
        out[name] = found, scores, np.take_along_axis(queries.grades, found, 1)
    return out


@pytest.mark.parametrize(("name", "length"), [("labelled", 32), ("pool", 32), ("graded", 32), ("test", 100)])
def test_lists_are_full_and_name_no_document_twice(mined, name, length):
    found = mined[name][0]
    assert found.shape[1] == length
    assert all(len(set(row)) == length for row in found.tolist())
    assert found.min() >= 0 and found.max() < SMALL.documents


def test_lists_hold_what_they_say(mined, small):
    found, scores, grades = mined["labelled"]
    assert (grades[:, 0] == 3).all()
    hundred = topic_lists.ranked(scores)[:, :100]
    hard = np.array([[d in set(best) for d in row[1:16]] for row, best in zip(found.tolist(), hundred.tolist())])
    assert hard.all()
    found, scores, _ = mined["pool"]
    assert np.array_equal(found[:, 0], topic_lists.ranked(scores)[:, 0])
    _, _, grades = mined["graded"]
    assert (grades[:, 0] == 3).all() and ((grades > 0).sum(1) >= 6).all() and (grades == 0).any(1).all()
    found, _, grades = mined["test"]
    assert np.array_equal((grades > 0).sum(1), (small.queries["test"].grades > 0).sum(1))
    assert (np.diff(found, axis=1) > 0).all()
