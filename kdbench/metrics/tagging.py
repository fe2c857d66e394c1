"""Multi-label tagging: truth metrics and fidelity card A, from logits (or `probs`) [N, C] and labels [N, C] (0/1).

Every tag is a sigmoid of its own. KL and its kin are means over clips and tags (not sums over tags); mAP, AUC and
ECE are means over tags. Decisions are p >= .5; with the optional arrays `val_logits` and `val_labels` the thresholds
that are F1-best on validation are used beside it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kdbench.metrics import agreement as ag
from kdbench.metrics import average_precision as ap
from kdbench.metrics import calibration, divergence, ranking
from kdbench.metrics.arrays import Array, Outputs, finite, ranked, same_items, same_shape, teacher_name
from kdbench.metrics.blocks import TAG_BINS, mean, reduce

STRATA = ("rare", "middle", "frequent")


class Tags(NamedTuple):
    """log p, log(1 - p) and the log odds of every clip and tag."""

    log_p: Array
    log_not: Array
    logits: Array

    @property
    def p(self) -> Array:
        return np.exp(self.log_p)

    @property
    def decided(self) -> Array:
        return self.logits >= 0.0

    @property
    def ranks(self) -> Array:
        """Of the tags of each clip: an order that infinite log odds have too."""
        return ranking.average_ranks(self.logits)


def truth(outputs: Outputs) -> dict[str, float]:
    """Ranking, decisions and probabilities against the labels."""
    tags = read((outputs,), "student")
    positive = tag_labels(outputs, tags.log_p.shape)
    precision, areas = ap.average_precision(tags.logits, positive), ap.auc(tags.logits, positive)
    distances, capped = ap.capped_d_prime(areas, positive)
    decided, p = tags.decided, tags.p
    return {
        "map": mean(precision),
        "map_skipped": float(np.isnan(precision).sum()),
        **{f"map_{name}": mean(precision[part]) for name, part in strata(positive).items()},
        "auc": mean(areas),
        "auc_skipped": float(np.isnan(areas).sum()),
        "d_prime": mean(distances),
        "d_prime_capped": float(capped),
        "d_prime_of_mean_auc": ap.d_prime(mean(areas)),
        "lwlrap": ap.lwlrap(tags.logits, positive),
        "accuracy": float(np.take_along_axis(positive, tags.logits.argmax(axis=1)[:, None], axis=1).mean()),
        "f1": mean(ap.f1(decided, positive)),
        "f1_skipped": float(np.isnan(ap.f1(decided, positive)).sum()),
        "f1_micro": ag.ratio(2.0 * (decided & positive).sum(), decided.sum() + positive.sum()),
        "nll": float(-np.where(positive, tags.log_p, tags.log_not).mean()),
        "brier": float(np.mean((p - positive) ** 2)),
        "ece": calibration.macro_ece(p, positive, TAG_BINS),
        "ece_micro": calibration.expected_calibration_error(p.ravel(), positive.ravel(), TAG_BINS),
    }


def fidelity(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, float]:
    """Card A: the teacher's decisions and probabilities (the mean probability of an ensemble) in place of the truth."""
    s, t = read_pair(student, teachers)
    chosen_s, chosen_t = s.decided, t.decided
    matrix = ag.confusion(chosen_t.ravel().astype(np.int64), chosen_s.ravel().astype(np.int64), 2)
    kl = bernoulli_kl(t, s)
    precision, areas = ap.average_precision(s.logits, chosen_t), ap.auc(s.logits, chosen_t)
    distances, capped = ap.capped_d_prime(areas, chosen_t)
    of_clips = sums_of_clips(kl)
    card = {
        "positive_agreement": positive_agreement(chosen_t, chosen_s),
        "agreement": float((chosen_s == chosen_t).mean()),
        "kappa": ag.kappa(matrix),
        "exact_match": float((chosen_s == chosen_t).all(axis=1).mean()),
        "kl": reduce("kl|ratio", of_clips),
        "log_kl": reduce("log_kl|log_ratio", of_clips),
        "reverse_kl": float(bernoulli_kl(s, t).mean()),
        "tv": float(np.abs(s.p - t.p).mean()),
        "ece_t": calibration.macro_ece(s.p, t.p, TAG_BINS),
        "map_t": mean(precision),
        "map_t_skipped": float(np.isnan(precision).sum()),
        "auc_t": mean(areas),
        "auc_t_skipped": float(np.isnan(areas).sum()),
        "d_prime_t": mean(distances),
        "d_prime_t_capped": float(capped),
        "lwlrap_t": ap.lwlrap(s.logits, chosen_t),
        **score_correlation(t, s),
        **{f"overlap@{k}": top_tags_overlap(t.ranks, s.ranks, k) for k in (1, 3, 10)},
    }
    if "labels" in student:
        positive = tag_labels(student, s.log_p.shape)
        card["teacher_map"] = mean(ap.average_precision(t.logits, positive))
        card["teacher_nll"] = float(-np.where(positive, t.log_p, t.log_not).mean())
        card["teacher_brier"] = float(np.mean((t.p - positive) ** 2))
        card["teacher_ece"] = calibration.macro_ece(t.p, positive, TAG_BINS)
        for name, part in strata(positive).items():
            card[f"kl_{name}"] = float(kl[:, part].mean()) if part.size else ag.NAN
            card[f"positive_agreement_{name}"] = positive_agreement(chosen_t[:, part], chosen_s[:, part])
    if "val_logits" in student:
        card |= operating_points(student, teachers, s, t)
    return card


def blocks(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, Array]:
    """Per-clip statistics of the primary metrics (see blocks.py)."""
    s = read((student,), "student")
    table: dict[str, Array] = {}
    if "labels" in student:
        positive = tag_labels(student, s.log_p.shape).astype(np.float64)
        table["map|average_precision"] = np.stack([s.logits, positive], axis=-1)
        table["ece|tag_ece"] = np.stack([s.p, positive], axis=-1)
    if teachers:
        t = read_pair(student, teachers)[1]
        both = (t.decided & s.decided).sum(axis=1)
        sizes = t.decided.sum(axis=1) + s.decided.sum(axis=1)
        table["positive_agreement|ratio"] = np.stack([2.0 * both, sizes], axis=1)
        table["log_kl|log_ratio"] = sums_of_clips(bernoulli_kl(t, s))
    return table


def read(members: Sequence[Outputs], who: str, name: str = "logits") -> Tags:
    """log p and log(1-p) of the members' mean probability."""
    titles = [who if who == "student" else teacher_name(i, len(members)) for i in range(len(members))]
    nets = [_read_one(member, title, name) for member, title in zip(members, titles)]
    same_shape([net.logits for net in nets], name)
    if len(nets) == 1:
        return nets[0]
    log_p, log_not = (divergence.log_mean(side) for side in ([net.log_p for net in nets], [net.log_not for net in nets]))
    return Tags(log_p, log_not, log_p - log_not)


def _read_one(outputs: Outputs, who: str, name: str) -> Tags:
    if "probs" not in outputs:
        logits = finite(outputs, name, who, 2)
        return Tags(divergence.log_sigmoid(logits), divergence.log_sigmoid(-logits), logits)
    p = finite(outputs, "probs", who, 2)
    wrong = ((p < 0) | (p > 1)).any(axis=1)
    if wrong.any():
        raise ValueError(f"{who} probs: row {int(wrong.argmax())} has values outside 0 to 1")
    with np.errstate(divide="ignore"):  # log odds of 0 and 1 are infinite
        log_p, log_not = np.log(p), np.log1p(-p)
    return Tags(log_p, log_not, log_p - log_not)


def read_pair(student: Outputs, teachers: Sequence[Outputs]) -> tuple[Tags, Tags]:
    """Student and teacher on the same clips."""
    same_items(student, teachers, ("labels", "ids"))
    s, t = read((student,), "student"), read(teachers, "teacher")
    same_shape([s.log_p, t.log_p], "logits")
    return s, t


def tag_labels(outputs: Outputs, shape: tuple[int, ...], name: str = "labels") -> Array:
    """Labels as bool [N, C]."""
    labels = ranked(outputs, name, "student", 2)
    if labels.shape != shape:
        raise ValueError(f"{name}: shape {labels.shape}, but the logits have {shape}")
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{name}: values other than 0 and 1")
    return labels.astype(bool)


def bernoulli_kl(p: Tags, q: Tags) -> Array:
    """KL(p || q) of each clip and tag [N, C]."""
    return divergence.bernoulli_kl(p.log_p, p.log_not, q.log_p, q.log_not)


def sums_of_clips(values: Array) -> Array:
    """Sum over the tags of each clip, and the number of tags [N, 2]."""
    return np.stack([values.sum(axis=1), np.full(len(values), float(values.shape[1]))], axis=1)


def positive_agreement(first: Array, second: Array) -> float:
    """2a / (2a + b + c) over all clips and tags: agreement on what either calls present, since absence swamps the rest."""
    return ag.ratio(2.0 * int((first & second).sum()), int(first.sum()) + int(second.sum()))


def score_correlation(t: Tags, s: Tags) -> dict[str, float]:
    """Pearson of logits and Spearman over the clips of a tag; tau-b over the tags of a clip. Constants are counted."""
    with np.errstate(invalid="ignore"):  # infinite log odds have no correlation: NaN
        linear = ranking.pearson(t.logits.T, s.logits.T)
    monotone = ranking.spearman(t.logits.T, s.logits.T)
    values = {"logit_pearson": linear, "spearman": monotone, "tau_b": ranking.kendall_tau_b(t.ranks, s.ranks)}
    card = {name: mean(found) for name, found in values.items()}
    return card | {f"{name}_skipped": float(np.isnan(values[name]).sum()) for name in ("spearman", "tau_b")}


def top_tags_overlap(t: Array, s: Array, k: int) -> float:
    """Mean share of the teacher's top k tags of a clip that are in the student's top k (ties: the higher tag number)."""
    tags = np.arange(t.shape[1])
    shared = ranking.shared_depths(ranking.rank(t, tags), ranking.rank(s, tags))
    return float(ranking.overlap_at(shared, k).mean())


def strata(positive: Array) -> dict[str, Array]:
    """Tags in three equal groups by number of positives; with fewer than three tags some are empty."""
    order = np.argsort(positive.sum(axis=0), kind="stable")
    return dict(zip(STRATA, np.array_split(order, 3)))


def operating_points(student: Outputs, teachers: Sequence[Outputs], s: Tags, t: Tags) -> dict[str, float]:
    """Positive agreement at thresholds chosen on validation: the teacher's for both nets (do the scores agree), and
    each net's own (do the decisions agree)."""
    val_s, val_t = read((student,), "student", "val_logits"), read(teachers, "teacher", "val_logits")
    positive = tag_labels(student, val_s.log_p.shape, "val_labels")
    at_t, without = ap.best_f1_thresholds(val_t.p, positive)
    at_s, _ = ap.best_f1_thresholds(val_s.p, positive)
    return {
        "positive_agreement_teacher_threshold": positive_agreement(t.p >= at_t, s.p >= at_t),
        "positive_agreement_own_threshold": positive_agreement(t.p >= at_t, s.p >= at_s),
        "thresholds_default": float(without),
    }
