"""Every metric by name: the one list that tables, report and gate read."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

Direction = Literal["up", "down", "zero"]
Kind = Literal["truth", "fidelity", "calibration"]
FAMILIES = ("classification", "segmentation", "retrieval", "tagging")


class MetricInfo(NamedTuple):
    """One metric of one family. `direction` says what is good; "zero" means as near as can be to `ideal`."""

    name: str
    title: str
    direction: Direction
    kind: Kind
    family: str
    unit: str  # share, nats, log nats, count, "" (a plain number)
    primary: bool = False
    ideal: float = 0.0


# name | title | direction | kind | unit   (a leading * marks a primary endpoint; "=1" after the direction is the ideal)
_CELLS = """
both_right | both right | up | fidelity | share
lost | teacher right, student wrong | down | fidelity | share
gained | teacher wrong, student right | up | fidelity | share
both_wrong_same | both wrong, same answer | down | fidelity | share
both_wrong_different | both wrong, different answers | down | fidelity | share
agreement_lower | least agreement that the accuracies allow | up | fidelity | share
agreement_upper | most agreement that the accuracies allow | up | fidelity | share
retention | student right where the teacher is right | up | fidelity | share
inherited_error | student's answer is the teacher's error, where the teacher errs | down | fidelity | share
correction | student right where the teacher errs | up | fidelity | share
error_consistency | error consistency (kappa of right and wrong) | up | fidelity |
"""
_TEACHER = """
teacher_nll | teacher's negative log likelihood | down | truth | nats
teacher_brier | teacher's Brier score | down | truth |
teacher_ece | teacher's calibration error | down | calibration | share
"""
_CLASS_AGREEMENT = """
class_agreement_teacher_min | agreement by teacher class, worst class | up | fidelity | share
class_agreement_teacher_p10 | agreement by teacher class, 10th percentile | up | fidelity | share
class_agreement_teacher_mean | agreement by teacher class, mean of classes | up | fidelity | share
"""

_TABLES = {
    "classification": """
*accuracy | top-1 accuracy | up | truth | share
top5_accuracy | top-5 accuracy | up | truth | share
nll | negative log likelihood | down | truth | nats
brier | Brier score, summed over classes | down | truth |
*ece | expected calibration error, 15 bins | down | calibration | share
ece10 | expected calibration error, 10 bins | down | calibration | share
classwise_ece | calibration error per class, mean of classes | down | calibration | share
overconfidence | mean confidence minus accuracy | zero | calibration | share
argmax_ties | decisions that were ties | down | truth | count
*agreement | top-1 agreement with the teacher | up | fidelity | share
kl | KL from teacher to student | down | fidelity | nats
*log_kl | log of the KL from teacher to student | down | fidelity | log nats
reverse_kl | KL from student to teacher | down | fidelity | nats
jsd | Jensen-Shannon divergence | down | fidelity | nats
tv | total variation distance | down | fidelity | share
kappa | Cohen's kappa of the decisions | up | fidelity |
ece_t | calibration error against the teacher's belief | down | calibration | share
exaggeration_slope | slope of student on teacher log odds | zero=1 | fidelity |
exaggeration_intercept | intercept of student on teacher log odds | zero | fidelity |
exaggeration_theil_sen | Theil-Sen slope of student on teacher log odds | zero=1 | fidelity |
target_kl | KL of the teacher's class against the rest | down | fidelity | nats
non_target_kl | KL within the other classes | down | fidelity | nats
non_target_kl_weighted | KL within the other classes, weighted by their mass | down | fidelity | nats
non_target_skipped | items without mass on other classes | down | fidelity | count
dark_rank | rank correlation of the other classes | up | fidelity |
dark_rank_skipped | items without a rank correlation | down | fidelity | count
logit_mse | mean squared difference of centred logits | down | fidelity |
logit_pearson | correlation of centred logits | up | fidelity |
teacher_argmax_ties | teacher decisions that were ties | down | fidelity | count
class_agreement_true_min | agreement by true class, worst class | up | fidelity | share
class_agreement_true_p10 | agreement by true class, 10th percentile | up | fidelity | share
class_agreement_true_mean | agreement by true class, mean of classes | up | fidelity | share
teacher_accuracy | teacher's top-1 accuracy | up | truth | share
"""
    + _TEACHER
    + _CELLS
    + _CLASS_AGREEMENT,
    "segmentation": """
*miou | mean IoU | up | truth | share
classes_absent | classes neither labelled nor predicted | down | truth | count
pixel_accuracy | pixel accuracy | up | truth | share
mean_class_accuracy | accuracy per class, mean of classes | up | truth | share
frequency_weighted_iou | IoU weighted by class frequency | up | truth | share
nll | pixel negative log likelihood | down | truth | nats
brier | pixel Brier score, summed over classes | down | truth |
*ece | pixel calibration error, 15 bins | down | calibration | share
ece_image | pixel calibration error, mean of images | down | calibration | share
agreement | pixel agreement with the teacher | up | fidelity | share
agreement_all | pixel agreement, void included | up | fidelity | share
agreement_image | pixel agreement, mean of images | up | fidelity | share
*miou_st | mean IoU of student and teacher maps | up | fidelity | share
miou_st_all | mean IoU of both maps, void included | up | fidelity | share
miou_st_absent | classes that neither net predicts | down | fidelity | count
kl | pixel KL from teacher to student | down | fidelity | nats
*log_kl | log of the pixel KL from teacher to student | down | fidelity | log nats
kl_native | KL at the networks' own stride | down | fidelity | nats
reverse_kl | pixel KL from student to teacher | down | fidelity | nats
tv | pixel total variation distance | down | fidelity | share
kappa | Cohen's kappa of the pixels | up | fidelity |
ece_t | calibration error against the teacher's belief | down | calibration | share
boundary_agreement | agreement within 2 % of the diagonal of teacher boundaries | up | fidelity | share
boundary_agreement_0 | agreement on teacher boundaries | up | fidelity | share
boundary_agreement_3 | agreement within 3 pixels of teacher boundaries | up | fidelity | share
interior_agreement | agreement off teacher boundaries | up | fidelity | share
boundary_iou | IoU of both nets' boundary bands | up | fidelity | share
pseudo_coverage | pixels on which the teacher is at least .968 certain | up | fidelity | share
pseudo_precision | teacher right on the pixels it is certain of | up | fidelity | share
agreement_covered | agreement where the teacher is certain | up | fidelity | share
agreement_uncovered | agreement where the teacher is not certain | up | fidelity | share
teacher_miou | teacher's mean IoU | up | truth | share
teacher_pixel_accuracy | teacher's pixel accuracy | up | truth | share
"""
    + _TEACHER
    + _CELLS
    + _CLASS_AGREEMENT,
    "retrieval": """
*ndcg@10 | nDCG@10, linear gain | up | truth | share
ndcg_exp@10 | nDCG@10, gain 2^grade - 1 | up | truth | share
rr@10 | MRR@10: reciprocal rank of the first relevant document in the top 10 | up | truth | share
recall@100 | R@100: recall in the top 100 | up | truth | share
queries_without_relevant | queries without a relevant document | down | truth | count
rerank_ndcg@10 | nDCG@10 of the candidate lists | up | truth | share
*tau_ap | tau_AP against the teacher's order | up | fidelity |
tau_b | Kendall's tau-b | up | fidelity |
weighted_tau | Kendall's tau weighted to the top | up | fidelity |
spearman | Spearman correlation of scores | up | fidelity |
pearson | Pearson correlation of scores | up | fidelity |
overlap@1 | same top document | up | fidelity | share
overlap@10 | common documents in the top 10 | up | fidelity | share
overlap@100 | common documents in the top 100 | up | fidelity | share
rbo | rank-biased overlap, p = .9, extrapolated | up | fidelity | share
rbo_truncated | rank-biased overlap, p = .9, truncated | up | fidelity | share
ndcg_t | nDCG with the teacher's ranks as gain | up | fidelity | share
ndcg_t_exp | nDCG with 2^(teacher's ranks) - 1 as gain | up | fidelity | share
rr_teacher_top | reciprocal rank of the teacher's top document | up | fidelity | share
kl | KL of the lists from teacher to student | down | fidelity | nats
*log_kl | log of the list KL from teacher to student | down | fidelity | log nats
reverse_kl | KL of the lists from student to teacher | down | fidelity | nats
kl_standardised | list KL of standardised scores | down | fidelity | nats
constant_lists | queries on which a net scores all candidates alike | down | fidelity | count
margin_mse | squared error of score margins | down | fidelity |
margin_mse_standardised | squared error of standardised margins | down | fidelity |
margin_skipped | queries without a margin | down | fidelity | count
teacher_rerank_ndcg@10 | teacher's nDCG@10 of the candidate lists | up | truth | share
effectiveness_link | correlation of teacher's and student's nDCG over queries | up | fidelity |
query_wins | queries on which the student beats its teacher | up | fidelity | share
query_ties | queries on which both are equal | up | fidelity | share
query_losses | queries on which the teacher is better | down | fidelity | share
run_coverage | teacher's run found in the student's | up | fidelity | share
run_overlap@10 | teacher's top 10 of the corpus found in the student's | up | fidelity | share
""",
    "tagging": """
*map | mean average precision, mean of tags | up | truth | share
map_skipped | tags without positives | down | truth | count
map_rare | mAP of the rarest third of tags | up | truth | share
map_middle | mAP of the middle third of tags | up | truth | share
map_frequent | mAP of the most frequent third of tags | up | truth | share
auc | area under the ROC curve, mean of tags | up | truth | share
auc_skipped | tags without positives or without negatives | down | truth | count
d_prime | d', mean of tags | up | truth |
d_prime_capped | tags whose AUC of 0 or 1 was capped | down | truth | count
d_prime_of_mean_auc | d' of the mean AUC | up | truth |
lwlrap | label-weighted label-ranking average precision | up | truth | share
accuracy | clips whose top tag is one of theirs | up | truth | share
f1 | F1 at .5, mean of tags | up | truth | share
f1_skipped | tags neither predicted nor true | down | truth | count
f1_micro | F1 at .5 over all decisions | up | truth | share
nll | negative log likelihood, mean of tags | down | truth | nats
brier | Brier score, mean of tags | down | truth |
*ece | calibration error per tag, 10 bins, mean of tags | down | calibration | share
ece_micro | calibration error over all decisions, 10 bins | down | calibration | share
*positive_agreement | agreement on what either calls present | up | fidelity | share
agreement | agreement of all decisions | up | fidelity | share
kappa | Cohen's kappa of the decisions | up | fidelity |
exact_match | clips on which all tags agree | up | fidelity | share
kl | Bernoulli KL from teacher to student, mean of tags | down | fidelity | nats
*log_kl | log of the Bernoulli KL from teacher to student | down | fidelity | log nats
reverse_kl | Bernoulli KL from student to teacher | down | fidelity | nats
tv | mean difference of probabilities | down | fidelity | share
ece_t | calibration error against the teacher's belief | down | calibration | share
map_t | mAP with the teacher's decisions as truth | up | fidelity | share
map_t_skipped | tags that the teacher never gives | down | fidelity | count
auc_t | AUC with the teacher's decisions as truth | up | fidelity | share
auc_t_skipped | tags that the teacher gives never or always | down | fidelity | count
d_prime_t | d' with the teacher's decisions as truth | up | fidelity |
d_prime_t_capped | tags whose AUC of 0 or 1 was capped | down | fidelity | count
lwlrap_t | lwlrap with the teacher's decisions as truth | up | fidelity | share
logit_pearson | correlation of logits per tag, mean of tags | up | fidelity |
spearman | rank correlation per tag, mean of tags | up | fidelity |
spearman_skipped | tags with constant scores | down | fidelity | count
tau_b | Kendall's tau-b per clip, mean of clips | up | fidelity |
tau_b_skipped | clips with constant scores | down | fidelity | count
overlap@1 | same top tag | up | fidelity | share
overlap@3 | common tags in the top 3 | up | fidelity | share
overlap@10 | common tags in the top 10 | up | fidelity | share
teacher_map | teacher's mAP | up | truth | share
kl_rare | Bernoulli KL on the rarest third of tags | down | fidelity | nats
kl_middle | Bernoulli KL on the middle third of tags | down | fidelity | nats
kl_frequent | Bernoulli KL on the most frequent third of tags | down | fidelity | nats
positive_agreement_rare | positive agreement on the rarest third of tags | up | fidelity | share
positive_agreement_middle | positive agreement on the middle third of tags | up | fidelity | share
positive_agreement_frequent | positive agreement on the most frequent third of tags | up | fidelity | share
positive_agreement_teacher_threshold | positive agreement at the teacher's thresholds | up | fidelity | share
positive_agreement_own_threshold | positive agreement at each net's own thresholds | up | fidelity | share
thresholds_default | tags left at .5 for want of validation positives | down | fidelity | count
"""
    + _TEACHER,
}


def _read(family: str, line: str) -> MetricInfo:
    name, title, direction, kind, unit = (cell.strip() for cell in line.split("|"))
    way, _, ideal = direction.partition("=")
    return MetricInfo(name.lstrip("*"), title, way, kind, family, unit, name.startswith("*"), float(ideal or 0))  # type: ignore[arg-type]


METRICS: tuple[MetricInfo, ...] = tuple(
    _read(family, line) for family, table in _TABLES.items() for line in table.strip().splitlines() if line.strip()
)
_BY_NAME = {(metric.family, metric.name): metric for metric in METRICS}


def metric(family: str, name: str) -> MetricInfo:
    """The entry of one metric; KeyError with both names where there is none."""
    return _BY_NAME[family, name]


def by_name(name: str) -> MetricInfo:
    """A metric by its name alone, as in the first family that has it; a plain number where it has gone from the catalogue."""
    return next((entry for entry in METRICS if entry.name == name), unlisted(name))


def unlisted(name: str, family: str = "") -> MetricInfo:
    """A plain number that the catalogue does not hold."""
    return MetricInfo(name, name, "up", "truth", family, "")


def metrics(family: str) -> tuple[MetricInfo, ...]:
    """All metrics of a family, in the order of the tables."""
    return tuple(entry for entry in METRICS if entry.family == family)


def names(families: Iterable[str] = FAMILIES) -> list[str]:
    """The names of all metrics of some families, each once."""
    return list(dict.fromkeys(entry.name for family in dict.fromkeys(families) for entry in metrics(family)))


def primary(family: str) -> tuple[MetricInfo, ...]:
    """The primary endpoints of a family, the only ones that a gate or a claim tests by default."""
    return tuple(entry for entry in METRICS if entry.family == family and entry.primary)
