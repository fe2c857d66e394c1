"""What people call metrics elsewhere, for the messages about a name that is unknown here."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kdbench.suite.errors import listing, nearest

MOST = 20  # names that a message lists

# Letters and digits alone are compared, in lower case. A name of several metrics means the first that is there.
OTHER_NAMES = {
    "accuracy": "acc top1 top1acc top1accuracy acc1 prec1 accuracytop1",
    "pixel_accuracy": "acc pixelacc pixacc pa aacc",
    "mean_class_accuracy": "macc meanaccuracy balancedaccuracy",
    "top5_accuracy": "top5 top5acc acc5 prec5 accuracytop5",
    "nll": "loss ce xent crossentropy logloss",
    "ece": "calibration calibrationerror expectedcalibrationerror",
    "kl": "kld kldiv kldivergence",
    "jsd": "js jensenshannon jsdivergence",
    "agreement": "top1agreement teacheragreement fidelity",
    "kappa": "cohenkappa cohenskappa",
    "miou": "iou meaniou jaccard meanintersectionoverunion",
    "frequency_weighted_iou": "fwiou",
    "ndcg@10": "ndcg ndcgcut10 ndcgat10",
    "rr@10": "rr mrr mrr10 mrrat10 mrrcut10 reciprank reciprocalrank",
    "recall@100": "recall r100 recallat100",
    "tau_b": "tau kendall kendalltau",
    "map": "ap meanap averageprecision meanaverageprecision",
    "auc": "auroc rocauc aucroc",
    "f1": "f1score macrof1 f1macro",
    "f1_micro": "microf1",
    "positive_agreement": "fidelity",
}


def meant(name: str, known: Iterable[str]) -> str | None:
    """The metric that a name is likely to mean, with the group that the name has (`val.acc`), or None where none is near."""
    group, dot, bare = name.rpartition(".")
    there = list(known)
    own = {_plain(each): each for each in reversed(there)}
    called = [metric for metric, others in OTHER_NAMES.items() if metric in there and _plain(bare) in others.split()]
    found = next(iter(called), None) or own.get(_plain(bare)) or nearest(bare, there)
    return found and f"{group}{dot}{found}"


def hint(name: str, known: Iterable[str]) -> str:
    """What to write instead of an unknown name, as the end of a sentence."""
    there = list(known)
    near = meant(name, there)
    return f"did you mean '{near}'?" if near else f"there are {listing(there, limit=MOST)}"


def _plain(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())
