"""Retrieval: truth metrics over the whole corpus, and fidelity card R on frozen candidate lists; means over queries.

Arrays: `scores` [Q, C] on `candidates` [Q, C] (document numbers) with `grades` [Q, C]; `run` [Q, R] documents ranked
over the corpus (-1: no document) with `run_scores` [Q, R]; judgements `qrels_query`, `qrels_doc`, `qrels_grade` [J];
`relevant_grade` [] (default 1), the grade from which RR counts a document.
"""

from collections.abc import Sequence

import numpy as np

from kdbench.metrics import divergence, gain, ranking
from kdbench.metrics.arrays import Array, Outputs, finite, ranked, same_items, same_shape, teacher_name
from kdbench.metrics.blocks import mean
from kdbench.metrics.ranking import rank

DEPTHS = (1, 10, 100)
TIE = 1e-9


def truth(outputs: Outputs) -> dict[str, float]:
    """Effectiveness against the judgements. A query with nothing relevant has no score, and is counted."""
    card: dict[str, float] = {}
    if "run" in outputs:
        values = corpus_scores(outputs)
        card |= {name: mean(of_query) for name, of_query in values.items()}
        card["queries_without_relevant"] = float(np.isnan(values["ndcg@10"]).sum())
    if "grades" in outputs:
        card["rerank_ndcg@10"] = mean(_rerank_ndcg(_candidate_order(outputs), ranked(outputs, "grades", "student", 2)))
    return card


def corpus_scores(outputs: Outputs) -> dict[str, Array]:
    """nDCG@10 (gain = grade, and 2^grade - 1), RR@10 and R@100 of each query [Q]; NaN without a relevant document."""
    run = _ordered_run(outputs, "student")
    query, doc, grade = (ranked(outputs, f"qrels_{what}", "student", 1) for what in ("query", "doc", "grade"))
    floor = float(np.asarray(outputs.get("relevant_grade", 1)))
    judged = gain.Judgements.read(query, doc, grade, len(run))
    gain.refuse_repeats(run, "run")
    found = judged.grades_of(run)
    relevant = judged.count(1.0)
    values = {
        "ndcg@10": gain.ndcg(found, judged.best(10), 10),
        "ndcg_exp@10": gain.ndcg(2.0**found - 1.0, 2.0 ** judged.best(10) - 1.0, 10),
        "rr@10": gain.reciprocal_rank(found >= floor, 10),
        "recall@100": (found[:, :100] >= 1.0).sum(axis=1) / np.maximum(relevant, 1),
    }
    return {name: np.where(relevant > 0, of_query, np.nan) for name, of_query in values.items()}


def fidelity(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, float]:
    """Card R: does the student order and score the candidates as the teacher (the mean of an ensemble's scores) does."""
    s, t, candidates = read_pair(student, teachers)
    order_s, order_t = rank(s, candidates), rank(t, candidates)
    card = {name: mean(values) for name, values in list_scores(s, t, order_s, order_t).items()}
    card["log_kl"] = divergence.log_of(card["kl"])
    card["constant_lists"] = float(((s == s[:, :1]).all(axis=1) | (t == t[:, :1]).all(axis=1)).sum())
    if "grades" in student:
        grades = ranked(student, "grades", "student", 2)
        card |= margins(s, t, grades)
        card |= effectiveness_link(_rerank_ndcg(order_t, grades), _rerank_ndcg(order_s, grades))
    if "run" in student and len(teachers) == 1 and "run" in teachers[0]:
        card |= _run_overlap(student, teachers[0])
    return card


def list_scores(s: Array, t: Array, order_s: Array, order_t: Array) -> dict[str, Array]:
    """The measures of each query [Q] out of scores and orders of its candidates [Q, C]."""
    shared = ranking.shared_depths(order_t, order_s)
    places = ranking.positions(order_s)
    gains = s.shape[1] - ranking.positions(order_t).astype(np.float64)  # the teacher's best is worth C, its last 1
    by_student = np.take_along_axis(gains, order_s, axis=1)
    by_teacher = np.take_along_axis(gains, order_t, axis=1)
    length = s.shape[1]
    steep, steepest = (2.0 ** (part - length) - 2.0**-length for part in (by_student, by_teacher))
    log_s, log_t = divergence.log_softmax(s), divergence.log_softmax(t)
    return {
        "tau_ap": ranking.tau_ap(order_t, order_s),
        "tau_b": ranking.kendall_tau_b(t, s),
        "weighted_tau": ranking.weighted_tau(t, s),
        "spearman": ranking.spearman(t, s),
        "pearson": ranking.pearson(t, s),
        **{f"overlap@{k}": ranking.overlap_at(shared, k) for k in DEPTHS},
        "rbo": ranking.rank_biased_overlap(shared),
        "rbo_truncated": ranking.rank_biased_overlap(shared, extrapolate=False),
        "ndcg_t": gain.ndcg(by_student, by_teacher, length),
        "ndcg_t_exp": gain.ndcg(steep, steepest, length),
        "rr_teacher_top": 1.0 / (1.0 + np.take_along_axis(places, order_t[:, :1], axis=1)[:, 0]),
        "kl": divergence.kl(log_t, log_s),
        "reverse_kl": divergence.kl(log_s, log_t),
        "kl_standardised": divergence.kl(divergence.log_softmax(standardised(t)), divergence.log_softmax(standardised(s))),
    }


def margins(s: Array, t: Array, grades: Array) -> dict[str, float]:
    """Mean squared error of score margins over all (relevant, irrelevant) pairs of a list, raw and with each side
    divided by its standard deviation in the list. Lists without such a pair, or constant ones, are left out and counted."""
    scaled = _pair_error(standardised(t) - standardised(s), grades)
    return {
        "margin_mse": mean(_pair_error(t - s, grades)),
        "margin_mse_standardised": mean(scaled),
        "margin_skipped": float(np.isnan(scaled).sum()),
    }


def _pair_error(difference: Array, grades: Array) -> Array:
    """Mean over pairs (i relevant, j not) of (d_i - d_j)^2 per query, from first and second moments."""
    means, squares = [], []
    for side in (grades >= 1, grades < 1):
        count = side.sum(axis=1)
        count = np.where(count > 0, count, np.nan)
        means.append(np.where(side, difference, 0.0).sum(axis=1) / count)
        squares.append(np.where(side, difference**2, 0.0).sum(axis=1) / count)
    return squares[0] + squares[1] - 2.0 * means[0] * means[1]


def effectiveness_link(teacher: Array, student: Array) -> dict[str, float]:
    """Does the student do well on the queries on which its teacher does: correlation of nDCG, and who wins."""
    both = ~(np.isnan(teacher) | np.isnan(student))
    lead = student[both] - teacher[both]
    share = max(int(both.sum()), 1)
    return {
        "teacher_rerank_ndcg@10": mean(teacher),
        "effectiveness_link": float(ranking.pearson(teacher[both], student[both])) if both.any() else float("nan"),
        "query_wins": float((lead > TIE).sum()) / share,
        "query_ties": float((np.abs(lead) <= TIE).sum()) / share,
        "query_losses": float((lead < -TIE).sum()) / share,
    }


def blocks(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, Array]:
    """Per-query values of the primary metrics (see blocks.py); NaN where a query has none."""
    table: dict[str, Array] = {}
    if "run" in student:
        values = corpus_scores(student)
        table |= {f"{name}|mean": values[name] for name in ("ndcg@10", "rr@10", "recall@100")}
    if teachers:
        s, t, candidates = read_pair(student, teachers)
        table["tau_ap|mean"] = ranking.tau_ap(rank(t, candidates), rank(s, candidates))
        table["log_kl|log_mean"] = divergence.kl(divergence.log_softmax(t), divergence.log_softmax(s))
    return table


def read_pair(student: Outputs, teachers: Sequence[Outputs]) -> tuple[Array, Array, Array]:
    """Student scores, mean teacher scores and the candidates that both scored, all [Q, C]."""
    same_items(student, teachers, ("candidates", "grades"))
    candidates = ranked(student, "candidates", "student", 2)
    gain.refuse_repeats(candidates, "candidates")
    s = finite(student, "scores", "student", 2)
    members = [finite(teacher, "scores", teacher_name(i, len(teachers)), 2) for i, teacher in enumerate(teachers)]
    same_shape([candidates, s, *members], "scores and candidates")
    return s, np.mean(members, axis=0), candidates


def standardised(scores: Array) -> Array:
    """Each row with mean 0 and standard deviation 1; NaN where it is constant."""
    centred = scores - scores.mean(axis=1, keepdims=True)
    sd = scores.std(axis=1, keepdims=True)
    constant = (scores == scores[:, :1]).all(axis=1, keepdims=True)
    return centred / np.where(constant | (sd == 0), np.nan, sd)


def _candidate_order(outputs: Outputs) -> Array:
    """The student's order of its candidates, by their places in the list."""
    candidates, scores = ranked(outputs, "candidates", "student", 2), finite(outputs, "scores", "student", 2)
    same_shape([candidates, scores], "scores and candidates")
    gain.refuse_repeats(candidates, "candidates")
    return rank(scores, candidates)


def _rerank_ndcg(order: Array, grades: Array) -> Array:
    """nDCG@10 of the candidate list in `order`; the ideal is the list's own best order."""
    gains = np.maximum(grades, 0).astype(np.float64)
    value = gain.ndcg(np.take_along_axis(gains, order, axis=1), -np.sort(-gains, axis=1), 10)
    return np.where(gains.any(axis=1), value, np.nan)


def _run_overlap(student: Outputs, teacher: Outputs) -> dict[str, float]:
    """Share of the teacher's whole run, and of its top 10, that the student's run (top 10) has."""
    same_items(student, (teacher,), ("qrels_query", "qrels_doc"))
    own, other = (_ordered_run(outputs, who) for outputs, who in ((student, "student"), (teacher, "teacher")))
    if len(own) != len(other):
        raise ValueError(f"run: {len(own)} queries of the student, {len(other)} of the teacher")
    return {
        "run_coverage": mean(gain.coverage(other, own)),
        "run_overlap@10": mean(gain.coverage(other[:, :10], own[:, :10])),
    }


def _ordered_run(outputs: Outputs, who: str) -> Array:
    """The documents of each query by their scores [Q, R]; what is no document comes last."""
    run, scores = ranked(outputs, "run", who, 2), finite(outputs, "run_scores", who, 2)
    same_shape([run, scores], f"{who} run and run_scores")
    return np.take_along_axis(run, rank(np.where(run < 0, scores.min() - 1.0, scores), run), axis=1)
