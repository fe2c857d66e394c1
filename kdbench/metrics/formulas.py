"""What each metric is, as one line of text: the words of the reference. A test holds that every metric has one.

s and t are the student's and the teacher's probabilities (softmax of logits; of several teachers the mean of their
probabilities), y the label, a the decision of a net (its largest probability; of a tie the lowest class), so a_s = y means
that the student is right. [ ] is 1 where what is inside holds, else 0. KL(p ‖ q) = Σ p ln(p / q), and 0 ln 0 = 0. Means are
over items unless something else is said.
"""

from kdbench.metrics.catalogue import FAMILIES

_CELLS = """
both_right | mean [a_t = y and a_s = y]
lost | mean [a_t = y and a_s ≠ y]
gained | mean [a_t ≠ y and a_s = y]
both_wrong_same | mean [a_t ≠ y and a_s = a_t]
both_wrong_different | mean [a_t ≠ y and a_s ≠ y and a_s ≠ a_t]
agreement_lower | max(0, A_t + A_s − 1), A the accuracies
agreement_upper | 1 − |A_t − A_s|, A the accuracies
retention | both_right / A_t
inherited_error | both_wrong_same / (1 − A_t)
correction | gained / (1 − A_t)
error_consistency | (o − e) / (1 − e), o = 1 − lost − gained, e = A_t A_s + (1 − A_t)(1 − A_s)
"""
_TEACHER = """
teacher_nll | mean −ln t_y
teacher_brier | mean Σ_k (t_k − [k = y])²
teacher_ece | as ece, of t
"""
_CLASS_AGREEMENT = """
class_agreement_teacher_min | least over classes c of mean [a_s = c] where a_t = c
class_agreement_teacher_p10 | 10th percentile over classes c of mean [a_s = c] where a_t = c
class_agreement_teacher_mean | mean over classes c of mean [a_s = c] where a_t = c
"""
_SHARED = """
nll | mean −ln s_y
brier | mean Σ_k (s_k − [k = y])²
kl | mean KL(t ‖ s)
log_kl | ln max(kl, 1e-12)
reverse_kl | mean KL(s ‖ t)
tv | mean ½ Σ_k |t_k − s_k|
kappa | (agreement − e) / (1 − e), e = Σ_k share of a_t = k × share of a_s = k
"""

_TABLES = {
    "classification": """
accuracy | mean [a_s = y]
top5_accuracy | mean [y among the 5 largest s_k]; none with 5 classes or fewer
ece | Σ_b |Σ_{i in b} ([a_s = y] − max_k s_k)| / n, b: 15 equal bins of max_k s_k, closed above
ece10 | as ece, with 10 bins
classwise_ece | mean over classes k of Σ_b |Σ_{i in b} ([y = k] − s_k)| / n, b: 15 equal bins of s_k
overconfidence | mean max_k s_k − accuracy
argmax_ties | number of items whose largest s_k several classes have
agreement | mean [a_s = a_t]
jsd | mean ½ KL(t ‖ m) + ½ KL(s ‖ m), m = ½ (t + s)
ece_t | as ece, with t of the student's answer in place of [a_s = y]
exaggeration_slope | least-squares slope of logit s_c on logit t_c, c = a_t; logit p = ln(p / (1 − p)), p held 1e-6 off 0 and 1
exaggeration_intercept | intercept of that line
exaggeration_theil_sen | median slope over all pairs of items (of more than 1,000 items, of 1,000 spread evenly)
target_kl | mean KL((t_c, 1 − t_c) ‖ (s_c, 1 − s_c)), c = a_t
non_target_kl | mean KL(t' ‖ s') over items with 1 − t_c ≥ 1e-12, p'_k = p_k / (1 − p_c) for k ≠ c, c = a_t
non_target_kl_weighted | mean (1 − t_c) KL(t' ‖ s'); kl = target_kl + this
non_target_skipped | number of items with 1 − t_c < 1e-12
dark_rank | mean Spearman correlation of t_k and s_k over k ≠ a_t; none with 3 classes or fewer
dark_rank_skipped | number of items where a net holds all k ≠ a_t alike, or where they are too few
logit_mse | mean over items and classes of (u_t − u_s)², u = ln p − mean_k ln p
logit_pearson | Σ u_t u_s / √(Σ u_t² Σ u_s²) over items and classes, u = ln p − mean_k ln p
teacher_argmax_ties | number of items whose largest t_k several classes have
class_agreement_true_min | least over classes c of mean [a_s = a_t] where y = c
class_agreement_true_p10 | 10th percentile over classes c of mean [a_s = a_t] where y = c
class_agreement_true_mean | mean over classes c of mean [a_s = a_t] where y = c
teacher_accuracy | mean [a_t = y]
"""
    + _SHARED
    + _TEACHER
    + _CELLS
    + _CLASS_AGREEMENT,
    "segmentation": """
miou | mean over classes k with a union of M_kk / (Σ_j M_kj + Σ_j M_jk − M_kk), M_jk: the set's pixels of label j, answer k
classes_absent | number of classes without a union in miou
pixel_accuracy | Σ_k M_kk / Σ M
mean_class_accuracy | mean over labelled classes k of M_kk / Σ_j M_kj
frequency_weighted_iou | Σ_k (Σ_j M_kj / Σ M) IoU_k
ece | Σ_b |Σ_{pixels in b} ([a_s = y] − max_k s_k)| / pixels, b: 15 equal bins of max_k s_k, closed above
ece_image | mean over images of the image's own ece
agreement | mean [a_s = a_t]
agreement_all | the same with void pixels
agreement_image | mean over images of the image's own agreement
miou_st | as miou, with the teacher's answers in place of labels
miou_st_all | the same with void pixels
miou_st_absent | number of classes without a union in miou_st
kl_native | mean KL(t ‖ s) over the cells of the networks' own grid, void included; none where their strides differ
ece_t | as ece, with t of the student's answer in place of [a_s = y]
boundary_agreement | agreement within w steps of the teacher's class boundaries, w = 2 % of the picture's diagonal, at least 1
boundary_agreement_0 | agreement on pixels with a 4-neighbour of another class in the teacher's map
boundary_agreement_3 | agreement within 3 steps of these
interior_agreement | agreement on all other pixels
boundary_iou | mean over classes of |B_t ∩ B_s| / |B_t ∪ B_s|, B: the class's pixels within w steps of its edge, w as above
pseudo_coverage | mean [max_k t_k ≥ .968]
pseudo_precision | mean [a_t = y] where max_k t_k ≥ .968
agreement_covered | mean [a_s = a_t] where max_k t_k ≥ .968
agreement_uncovered | mean [a_s = a_t] where max_k t_k < .968
teacher_miou | as miou, of the teacher's answers
teacher_pixel_accuracy | mean [a_t = y]
"""
    + _SHARED
    + _TEACHER
    + _CELLS
    + _CLASS_AGREEMENT,
    "retrieval": """
ndcg@10 | DCG / DCG of the ideal order of all judged documents, DCG = Σ_{r ≤ 10} g_r / log2(1 + r), g the grade at rank r
ndcg_exp@10 | the same with g = 2^grade − 1
rr@10 | 1 / rank of the first document of at least the relevant grade (1 unless the task says else), 0 if none is in the top 10
recall@100 | documents of grade ≥ 1 in the top 100 / all of grade ≥ 1
queries_without_relevant | number of queries without a document of grade ≥ 1; they have no score
rerank_ndcg@10 | nDCG@10 of the candidates in the student's order, over that of their own best order
tau_ap | 2 / (C − 1) Σ_{i = 2..C} c_i / (i − 1) − 1, c_i: what stands above place i for both
tau_b | Σ sign(Δs) sign(Δt) / √(pairs with Δs ≠ 0 × pairs with Δt ≠ 0), over pairs of candidates
weighted_tau | as tau_b with 1 / r_i + 1 / r_j on each pair; mean of ranks by the teacher and ranks by the student
spearman | Pearson correlation of both nets' ranks, mean ranks for ties
pearson | Pearson correlation of both nets' scores
overlap@1 | [both have the same top candidate]
overlap@10 | common candidates of both top 10 / 10
overlap@100 | common candidates of both top 100 / 100 (or / C, where lists are shorter)
rbo | (1 − p) Σ_{d = 1..C} p^(d−1) overlap@d + p^C overlap@C, p = .9
rbo_truncated | (1 − p) Σ_{d = 1..C} p^(d−1) overlap@d, p = .9
ndcg_t | nDCG of all C candidates in the student's order, gain C for the teacher's first, 1 for its last
ndcg_t_exp | the same with gain 2^(C − place) − 1, place 0 for the teacher's first
rr_teacher_top | 1 / rank that the student gives to the teacher's first
kl | KL(softmax of the teacher's scores ‖ softmax of the student's) over the candidates
log_kl | ln max(kl, 1e-12)
reverse_kl | KL(softmax of the student's scores ‖ softmax of the teacher's)
kl_standardised | as kl, each net's scores less their mean over their standard deviation in the list
constant_lists | number of queries on which a net scores all candidates alike
margin_mse | mean over pairs (i of grade ≥ 1, j not) of ((t_i − t_j) − (s_i − s_j))², of scores
margin_mse_standardised | the same with each net's scores over their standard deviation in the list
margin_skipped | number of queries without such a pair, or with a constant list
teacher_rerank_ndcg@10 | as rerank_ndcg@10, in the teacher's order
effectiveness_link | Pearson correlation over queries of both nets' rerank_ndcg@10
query_wins | mean [student's rerank_ndcg@10 > teacher's], by more than 1e-9
query_ties | mean [the two are within 1e-9]
query_losses | mean [student's rerank_ndcg@10 < teacher's], by more than 1e-9
run_coverage | documents of the teacher's run that are in the student's / documents of the teacher's run
run_overlap@10 | documents of the teacher's top 10 that are in the student's top 10 / 10
""",
    "tagging": """
map | mean over tags with positives of AP, AP = mean over positives of the share of positives among clips scored as high or higher
map_skipped | number of tags without positives
map_rare | mean AP of the third of tags with the fewest positives
map_middle | mean AP of the middle third
map_frequent | mean AP of the third with the most
auc | mean over tags of P(positive scored above negative) + ½ P(equal)
auc_skipped | number of tags without positives or without negatives
d_prime | mean over tags of √2 Φ⁻¹(AUC), AUC held half a pair off 0 and 1
d_prime_capped | number of tags that were held so
d_prime_of_mean_auc | √2 Φ⁻¹(auc)
lwlrap | mean over (clip, true tag) of the share of true tags among the clip's tags scored as high or higher
accuracy | mean over clips of [the highest tag is one of the clip's]
f1 | mean over tags of 2 hits / (given + true), given where s ≥ .5
f1_skipped | number of tags neither given nor true
f1_micro | 2 hits / (given + true) over all clips and tags
nll | mean over clips and tags of −y ln s − (1 − y) ln(1 − s)
brier | mean over clips and tags of (s − y)²
ece | mean over tags of Σ_b |Σ_{clips in b} (y − s)| / n, b: 10 equal bins of s, closed above
ece_micro | the same over all clips and tags at once
positive_agreement | 2 both / (both nets' number of given tags), given where p ≥ .5, over all clips and tags
agreement | mean over clips and tags of [both give it, or neither]
kappa | (agreement − e) / (1 − e), e: agreement by chance, from how often each net gives any tag
exact_match | mean over clips of [both give the same tags]
kl | mean over clips and tags of t ln(t / s) + (1 − t) ln((1 − t) / (1 − s))
log_kl | ln max(kl, 1e-12)
reverse_kl | as kl, with s and t exchanged
tv | mean over clips and tags of |s − t|
ece_t | as ece, with t in place of y
map_t | as map, with [t ≥ .5] as truth
map_t_skipped | number of tags that the teacher gives to no clip
auc_t | as auc, with [t ≥ .5] as truth
auc_t_skipped | number of tags that the teacher gives to no clip, or to all
d_prime_t | as d_prime, with [t ≥ .5] as truth
d_prime_t_capped | number of tags whose AUC was held off 0 and 1 there
lwlrap_t | as lwlrap, with [t ≥ .5] as truth
logit_pearson | mean over tags of the Pearson correlation of both nets' log odds over clips
spearman | mean over tags of the Spearman correlation of both nets' scores over clips
spearman_skipped | number of tags on which a net's scores are constant
tau_b | mean over clips of Kendall's tau-b of both nets' scores over tags
tau_b_skipped | number of clips on which a net's scores are constant
overlap@1 | mean over clips of [both have the same top tag]
overlap@3 | mean over clips of common tags of both top 3 / 3
overlap@10 | mean over clips of common tags of both top 10 / 10 (or / tags, where there are fewer)
teacher_map | as map, of t
kl_rare | as kl, over the third of tags with the fewest positives
kl_middle | as kl, over the middle third
kl_frequent | as kl, over the third with the most
positive_agreement_rare | as positive_agreement, over the third of tags with the fewest positives
positive_agreement_middle | as positive_agreement, over the middle third
positive_agreement_frequent | as positive_agreement, over the third with the most
positive_agreement_teacher_threshold | as positive_agreement, given where p ≥ h_t, by which t has a tag's best F1 on validation
positive_agreement_own_threshold | the same, the student's tags given where s ≥ h_s, its own best thresholds
thresholds_default | number of tags without validation positives, whose threshold is .5
teacher_nll | as nll, of t
teacher_brier | as brier, of t
teacher_ece | as ece, of t
""",
}

FORMULAS: dict[tuple[str, str], str] = {
    (family, name.strip()): formula.strip()
    for family in FAMILIES
    for name, _, formula in (line.partition("|") for line in _TABLES[family].splitlines() if line)
}
