"""The page of metrics: every entry of the catalogue with its formula, family by family."""

from __future__ import annotations

from kdbench.docs.markdown import made, table
from kdbench.metrics.catalogue import FAMILIES, MetricInfo, metrics
from kdbench.metrics.formulas import FORMULAS

INTRODUCTION = """\
*Truth* metrics say how good a net is, *calibration* whether its confidence means what it says, *fidelity* metrics how much a
student is like its teacher. Bold ones are primary: the gate judges these, and they have intervals over test examples beside
those over seeds. ↑ means that more is better, ↓ less, → 1 that 1 is best. A value that cannot be had (no tag with a positive,
no item left) is NaN and never 0.

Fidelity is read beside accuracy: two nets that are right on 90 % of the items agree on 80 % of them at least. So the report
shows the *feasible interval* (`agreement_lower`, `agreement_upper`), and the *independent* control: a student of another
teacher of the same kind. Fidelity gain = (A − A_independent) / (agreement_upper − A_independent): 0 where nothing is
transferred, 1 for all that the accuracies allow, and none where less than a point of room is left."""
SYMBOLS = """\
| symbol | |
|---|---|
| s, t | probabilities of the student and of the teacher: softmax of logits; of several teachers the mean of their probabilities |
| a_s, a_t | their decisions: the largest probability; of a tie the lowest class |
| y | the label |
| [ ] | 1 where what is inside holds, else 0 |
| KL(p ‖ q) | Σ p ln(p / q), where 0 ln 0 = 0; in nats |
| A_s, A_t | accuracies of student and teacher |"""
UNITS = {
    "classification": "Means are over items.",
    "segmentation": "Means are over the pixels of all images together, void ones (255) left out. Logits are "
    "resized to the labels before the softmax. A is the pixel accuracy. On large sets, what needs probabilities is of a sample.",
    "retrieval": "What is written is of one query; the metric is the mean over queries that have one. s and t are scores "
    "of a query's C candidates (of several teachers, their mean); equal scores are ordered by document number.",
    "tagging": "Each tag has a probability of its own: s = sigmoid of its logit. A tag is given where p ≥ .5.",
}
HEADS = ("metric", "", "kind", "unit", "formula")
GOOD = {"up": "↑", "down": "↓"}


def page() -> str:
    parts = [made("Metrics", INTRODUCTION), SYMBOLS]
    for family in FAMILIES:
        parts += [f"## {family}", UNITS[family], table(HEADS, map(row, metrics(family)))]
    return "\n\n".join(parts) + "\n"


def row(metric: MetricInfo) -> tuple[str, ...]:
    name = f"**`{metric.name}`**" if metric.primary else f"`{metric.name}`"
    good = GOOD.get(metric.direction, f"→ {metric.ideal:g}")
    return name, metric.title, f"{metric.kind} {good}", metric.unit, FORMULAS[metric.family, metric.name]
