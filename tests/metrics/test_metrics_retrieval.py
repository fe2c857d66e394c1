"""Card R and the corpus metrics against scipy, plain loops and, where installed, ir_measures."""

import metric_samples as samples
import metric_vectors as v
import numpy as np
import pytest
import scipy.special
import scipy.stats
import sklearn.metrics

from kdbench.metrics import card, gain, ranking
from kdbench.metrics.catalogue import metrics

STUDENT, (TEACHER,) = samples.outputs("retrieval", seed=4)
CARD = card.fidelity("retrieval", STUDENT, [TEACHER])


def judged(outputs):
    """Per query {document: grade}."""
    table = [{} for _ in outputs["run"]]
    for query, doc, grade in zip(outputs["qrels_query"], outputs["qrels_doc"], outputs["qrels_grade"]):
        table[query][int(doc)] = max(int(grade), table[query].get(int(doc), 0))
    return table


def plain_scores(outputs, floor):
    """nDCG@10, RR@10 and R@100 by loops and dictionaries."""
    rows = []
    for run, scores, grades in zip(outputs["run"], outputs["run_scores"], judged(outputs)):
        pairs = sorted(((-s, -d) for d, s in zip(run, scores) if d >= 0))
        docs = [-int(d) for _, d in pairs]
        dcg = sum(grades.get(d, 0) / np.log2(i + 2) for i, d in enumerate(docs[:10]))
        best = sum(g / np.log2(i + 2) for i, g in enumerate(sorted(grades.values(), reverse=True)[:10]))
        first = next((i + 1 for i, d in enumerate(docs[:10]) if grades.get(d, 0) >= floor), None)
        relevant = {d for d, g in grades.items() if g >= 1}
        rows.append((dcg / best, 1 / first if first else 0, len(relevant & set(docs[:100])) / len(relevant)))
    return np.mean(rows, axis=0)


def big_tied_run():
    draw = np.random.default_rng(3)
    queries, corpus = 60, 300
    run = np.stack([draw.permutation(corpus)[:200] for _ in range(queries)])
    run[5] = -1  # a query that the run misses
    query, doc, grade = [], [], []
    for number in range(queries):
        n = draw.integers(2, 30)
        query += [number] * n
        doc += draw.permutation(corpus)[:n].tolist()
        grade += [*draw.integers(0, 4, n - 1).tolist(), 2]
    scores = draw.integers(0, 12, run.shape).astype(float)
    qrels = {"qrels_query": np.array(query), "qrels_doc": np.array(doc), "qrels_grade": np.array(grade)}
    return {"run": run, "run_scores": scores, **qrels, "relevant_grade": np.array(2)}


def test_corpus_metrics_equal_plain_loops_on_a_run_full_of_ties():
    outputs = big_tied_run()
    found = card.truth("retrieval", outputs)
    assert [found[name] for name in ("ndcg@10", "rr@10", "recall@100")] == pytest.approx(plain_scores(outputs, 2), abs=1e-14)
    assert found["queries_without_relevant"] == 0


def test_corpus_metrics_equal_ir_measures():
    im = pytest.importorskip("ir_measures")
    outputs = big_tied_run()
    order = ranking.rank(outputs["run_scores"], outputs["run"])
    ranked = np.take_along_axis(outputs["run"], order, axis=1)
    run = {f"q{i}": {f"d{d}": -float(place) for place, d in enumerate(row)} for i, row in enumerate(ranked) if row[0] >= 0}
    qrels = {f"q{i}": {f"d{d}": grade for d, grade in grades.items()} for i, grades in enumerate(judged(outputs))}
    measures = {"ndcg@10": im.nDCG @ 10, "rr@10": im.RR(rel=2) @ 10, "recall@100": im.R @ 100}
    theirs = im.calc_aggregate(list(measures.values()), qrels, run)
    found = card.truth("retrieval", outputs)
    assert [found[name] for name in measures] == pytest.approx([theirs[m] for m in measures.values()], abs=1e-12)


def test_rank_is_by_score_then_by_descending_id_numbers_and_text():
    assert ranking.rank(np.array([1.0, 2, 2, 0]), np.array([5, 3, 9, 1])).tolist() == [2, 1, 0, 3]
    assert ranking.rank(np.array([1.0, 1, 1]), np.array(["d10", "d9", "d1"])).tolist() == [1, 0, 2]  # as text
    with pytest.raises(ValueError, match="NaN"):
        ranking.rank(np.array([1.0, np.nan]), np.array([0, 1]))


def test_a_constant_scorer_is_not_paid_for_the_stored_order():
    """The relevant document comes first in storage; only its id decides where a constant scorer puts it."""
    outputs = {"run": np.array([[0, 1, 2, 3]]), "run_scores": np.zeros((1, 4)), "qrels_query": np.array([0])}
    outputs |= {"qrels_doc": np.array([0]), "qrels_grade": np.array([1])}
    assert card.truth("retrieval", outputs)["rr@10"] == 0.25


def test_queries_are_zero_when_missed_and_skipped_when_nothing_is_relevant():
    outputs = {
        "run": np.array([[0, 1], [-1, -1], [0, 1]]),
        "run_scores": np.array([[2.0, 1], [0, 0], [2, 1]]),
        "qrels_query": np.array([0, 1, 2]),
        "qrels_doc": np.array([0, 1, 1]),
        "qrels_grade": np.array([1, 1, -1]),
    }
    found = card.truth("retrieval", outputs)
    assert (found["ndcg@10"], found["rr@10"], found["recall@100"]) == (0.5, 0.5, 0.5)
    assert found["queries_without_relevant"] == 1


def test_judgements_keep_the_higher_of_two_and_documents_the_corpus_lacks():
    table = gain.Judgements.read(np.array([0, 0, 0, 1]), np.array([4, 4, 99, 4]), np.array([3, 1, 2, 5]), 2)
    assert table.best(3).tolist() == [[3, 2, 0], [5, 0, 0]]
    # 104 is beyond every judged document; it must not be taken for document 4 of the next query
    assert table.grades_of(np.array([[4, 99, 104], [4, -1, 0]])).tolist() == [[3, 2, 0], [5, 0, 0]]


def test_correlations_equal_scipy_with_ties():
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 6, (15, 12)).astype(float), draw.integers(0, 6, (15, 12)).astype(float)
    for own, theirs in (
        (ranking.kendall_tau_b, scipy.stats.kendalltau),
        (ranking.spearman, scipy.stats.spearmanr),
        (ranking.pearson, scipy.stats.pearsonr),
        (ranking.weighted_tau, scipy.stats.weightedtau),
    ):
        assert own(x, y) == pytest.approx([theirs(a, b).statistic for a, b in zip(x, y)], abs=1e-12)
    assert ranking.average_ranks(x) == pytest.approx(scipy.stats.rankdata(x, axis=1))


def test_constant_rows_have_no_correlation():
    x, y = np.ones((1, 4)), np.arange(4.0)[None]
    for measure in (ranking.kendall_tau_b, ranking.spearman, ranking.pearson, ranking.weighted_tau):
        assert np.isnan(measure(x, y)).all()
    assert np.isnan(ranking.tau_ap(np.zeros((1, 1), int), np.zeros((1, 1), int))).all()


def test_list_measures_equal_plain_computations():
    s, t = STUDENT["scores"].astype(float), TEACHER["scores"].astype(float)
    p_s, p_t = scipy.special.softmax(s, axis=1), scipy.special.softmax(t, axis=1)
    assert CARD["kl"] == pytest.approx(scipy.special.rel_entr(p_t, p_s).sum(1).mean(), abs=1e-13)
    assert CARD["tau_b"] == pytest.approx(np.mean([scipy.stats.kendalltau(a, b).statistic for a, b in zip(t, s)]))
    gains = scipy.stats.rankdata(t, axis=1)
    assert CARD["ndcg_t"] == pytest.approx(sklearn.metrics.ndcg_score(gains, s), abs=1e-12)
    assert CARD["ndcg_t_exp"] == pytest.approx(sklearn.metrics.ndcg_score(2**gains - 1, s), abs=1e-12)
    tau, rbo = [], []
    for a, b in zip(np.argsort(-t, axis=1), np.argsort(-s, axis=1)):
        above = [sum(list(a).index(x) < list(a).index(b[i]) for x in b[:i]) / i for i in range(1, 12)]
        tau.append(2 / 11 * sum(above) - 1)
        shares = [len(set(a[:d]) & set(b[:d])) / d for d in range(1, 13)]
        rbo.append(0.1 * sum(share * 0.9 ** (d - 1) for d, share in enumerate(shares, 1)) + shares[-1] * 0.9**12)
    assert (CARD["tau_ap"], CARD["rbo"]) == (pytest.approx(np.mean(tau)), pytest.approx(np.mean(rbo)))


def test_margins_equal_the_mean_over_pairs():
    errors = []
    for s, t, grades in zip(STUDENT["scores"].astype(float), TEACHER["scores"].astype(float), STUDENT["grades"]):
        pairs = [(i, j) for i in np.flatnonzero(grades >= 1) for j in np.flatnonzero(grades < 1)]
        errors.append(np.mean([((t[i] - t[j]) - (s[i] - s[j])) ** 2 for i, j in pairs]))
    assert CARD["margin_mse"] == pytest.approx(np.mean(errors), abs=1e-12)
    alone = {**v.R_STUDENT, "grades": np.ones((1, 5), int)}
    found = card.fidelity("retrieval", alone, [{**v.R_TEACHER, "grades": np.ones((1, 5), int)}])
    assert np.isnan(found["margin_mse"]) and found["margin_skipped"] == 1


def test_effectiveness_link():
    ideal = {**TEACHER, "scores": STUDENT["grades"].astype(float)}
    found = card.fidelity("retrieval", ideal, [TEACHER])
    assert found["query_losses"] == 0 and found["query_wins"] + found["query_ties"] == 1
    assert card.truth("retrieval", ideal)["rerank_ndcg@10"] == pytest.approx(1)
    same = card.fidelity("retrieval", TEACHER, [TEACHER])
    assert (same["effectiveness_link"], same["query_ties"]) == (pytest.approx(1), 1)


def test_an_ensemble_is_the_mean_of_its_scores():
    members = [{**TEACHER, "scores": TEACHER["scores"].astype(float) + shift} for shift in (-1.0, 3.0)]
    mean = {**TEACHER, "scores": TEACHER["scores"].astype(float) + 1.0}
    several, one = (card.fidelity("retrieval", STUDENT, teachers) for teachers in (members, [mean]))
    assert several == pytest.approx({name: one[name] for name in several}, abs=1e-12)
    assert set(one) - set(several) == {"run_coverage", "run_overlap@10"}  # a run of an ensemble does not exist


def test_run_overlap():
    a, b = np.array([[3, 1, -1]]), np.array([[1, 2, 7]])
    assert gain.coverage(a, b) == pytest.approx([0.5])
    assert np.isnan(gain.coverage(np.array([[-1, -1, -1]]), b)).all()
    assert card.fidelity("retrieval", TEACHER, [TEACHER])["run_coverage"] == 1


def test_a_document_listed_twice_is_refused():
    with pytest.raises(ValueError, match="query 0 lists a document twice"):
        card.fidelity("retrieval", {"scores": np.zeros((1, 2)), "candidates": np.array([[7, 7]])}, [{"scores": np.zeros((1, 2))}])


def test_every_metric_made_is_listed():
    made = set(card.truth("retrieval", STUDENT)) | set(CARD)
    assert made == {entry.name for entry in metrics("retrieval")}
