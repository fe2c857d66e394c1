"""Dense segmentation: truth metrics and fidelity card S, from logits [N, K, h, w] and labels [N, H, W] (255 = void).

Nets of which only the `decisions` [N, H, W] are stored have cards that lack what needs probabilities; of large sets a sample
has logits too (sampled.py).
Counts are summed over the set before any quotient: one confusion matrix, one sum of KL over pixels. The unit of
resampling is the image. Reading and resizing are in pixels.py, the sums of each image in dense_statistics.py.
"""

from collections.abc import Sequence

import numpy as np

from kdbench.metrics import agreement as ag
from kdbench.metrics import dense_statistics as ds
from kdbench.metrics import divergence
from kdbench.metrics.arrays import Array, Outputs, same_items
from kdbench.metrics.blocks import class_iou, ece_of_bins, mean, mean_iou, ratio_of_sums
from kdbench.metrics.pixels import Statistic, gather
from kdbench.metrics.sampled import as_whole_set, sample, sampled, whole


def truth(outputs: Outputs) -> dict[str, float]:
    """mIoU and its kin out of one summed confusion matrix; NLL, Brier and ECE over the valid pixels."""
    if sampled(outputs):
        return truth(sample(outputs)) | truth(whole(outputs))
    tally = gather(outputs, (), ds.confusion, *_where_known(outputs, ds.calibration, ds.likelihood))
    matrix = tally["confusion"].sum(axis=0)
    pixels = matrix.sum()
    if pixels == 0:
        raise ValueError("labels: every pixel is void")
    iou = class_iou(matrix)
    share = matrix.sum(axis=1) / pixels
    card = {
        "miou": mean(iou),
        "classes_absent": float(np.isnan(iou).sum()),
        "pixel_accuracy": float(np.trace(matrix) / pixels),
        "mean_class_accuracy": mean(ag.class_agreement(matrix)),
        "frequency_weighted_iou": float((share * np.nan_to_num(iou)).sum()),
    }
    if "bins" not in tally:
        return card
    return card | {
        "nll": float(tally["nll"].sum() / pixels),
        "brier": float(tally["brier"].sum() / pixels),
        "ece": ece_of_bins(tally["bins"]),
        "ece_image": mean(np.array([ece_of_bins(image[None]) for image in tally["bins"]])),
    }


def fidelity(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, float]:
    """Card S: agreement, IoU and divergence against the teacher's maps, over valid pixels unless it says `all`."""
    same_items(student, teachers, ("labels", "ids", "rows"))
    if sampled(student):
        known = fidelity(sample(student), [sample(teacher) for teacher in teachers])
        return known if len(teachers) > 1 else known | fidelity(whole(student), [whole(teachers[0])])
    labelled = "labels" in student
    statistics = [ds.overlap, ds.overlap_all, ds.edges, *([ds.against_both] if labelled else [])]
    of_probabilities = [ds.kl, ds.distributions, ds.pseudo_labels, *([ds.teacher_against_labels] if labelled else [])]
    tally = gather(student, teachers, *statistics, *_where_known(student, *of_probabilities), native=True)
    per_image, everywhere = tally["teacher_student"], tally["teacher_student_all"].sum(axis=0)
    matrix = per_image.sum(axis=0)
    pixels = matrix.sum()
    card = {
        "agreement": ag.ratio(np.trace(matrix), pixels),
        "agreement_all": ag.ratio(np.trace(everywhere), everywhere.sum()),
        "agreement_image": mean(np.array([ag.ratio(np.trace(image), image.sum()) for image in per_image])),
        "miou_st": mean_iou(per_image),
        "miou_st_all": mean(class_iou(everywhere)),
        "miou_st_absent": float(np.isnan(class_iou(matrix)).sum()),
        "kappa": ag.kappa(matrix),
        "boundary_agreement": ratio_of_sums(tally["boundary"]),
        "boundary_agreement_0": ratio_of_sums(tally["boundary_0"]),
        "boundary_agreement_3": ratio_of_sums(tally["boundary_3"]),
        "interior_agreement": ratio_of_sums(tally["interior"]),
        "boundary_iou": mean(_band_iou(tally["band"].sum(axis=0))),
        **{f"class_agreement_teacher_{what}": value for what, value in ag.spread(ag.class_agreement(matrix)).items()},
    }
    if labelled:
        card |= ag.cell_metrics(ag.Cells(*(tally["cells"].sum(axis=0) / max(pixels, 1)).tolist()))
        teacher = tally["teacher_confusion"].sum(axis=0)
        card["teacher_miou"] = mean(class_iou(teacher))
        card["teacher_pixel_accuracy"] = ag.ratio(np.trace(teacher), pixels)
    return card | _distributions(tally, float(pixels), labelled) if "kl" in tally else card


def _distributions(tally: dict[str, Array], pixels: float, labelled: bool) -> dict[str, float]:
    """The part of card S that compares probabilities."""
    kl = ag.ratio(tally["kl"].sum(), pixels)
    card = {
        "kl": kl,
        "log_kl": divergence.log_of(kl),
        "reverse_kl": ag.ratio(tally["reverse_kl"].sum(), pixels),
        "tv": ag.ratio(tally["tv"].sum(), pixels),
        "kl_native": ratio_of_sums(tally["native"]) if "native" in tally else ag.NAN,
        "ece_t": ece_of_bins(tally["belief_bins"]),
        "pseudo_coverage": ratio_of_sums(tally["pseudo_coverage"]),
        "agreement_covered": ratio_of_sums(tally["agreement_covered"]),
        "agreement_uncovered": ratio_of_sums(tally["agreement_uncovered"]),
    }
    if labelled:
        card["pseudo_precision"] = ratio_of_sums(tally["pseudo_precision"])
        card["teacher_nll"] = ag.ratio(tally["teacher_nll"].sum(), pixels)
        card["teacher_brier"] = ag.ratio(tally["teacher_brier"].sum(), pixels)
        card["teacher_ece"] = ece_of_bins(tally["teacher_bins"])
    return card


def blocks(student: Outputs, teachers: Sequence[Outputs]) -> dict[str, Array]:
    """Per-image statistics of the primary metrics (see blocks.py)."""
    if sampled(student):
        few = blocks(sample(student), [sample(teacher) for teacher in teachers])
        of_all = blocks(whole(student), [whole(teacher) for teacher in teachers[:1] if len(teachers) == 1])
        return as_whole_set(few, student["rows"], len(student["decisions"])) | of_all
    labelled = "labels" in student
    statistics = [*([ds.confusion] if labelled else []), *([ds.overlap] if teachers else [])]
    of_probabilities = [*([ds.calibration] if labelled else []), *([ds.kl] if teachers else [])]
    tally = gather(student, teachers, *statistics, *_where_known(student, *of_probabilities))
    table: dict[str, Array] = {}
    if labelled:
        table["miou|iou"] = tally["confusion"]
    if "bins" in tally:
        table["ece|ece_of_bins"] = tally["bins"]
    if teachers:
        table["miou_st|iou"] = tally["teacher_student"]
    if "kl" in tally:
        table["log_kl|log_ratio"] = np.stack([tally["kl"], tally["teacher_student"].sum(axis=(1, 2))], axis=1)
    return table


def _where_known(outputs: Outputs, *statistics: Statistic) -> Sequence[Statistic]:
    """Statistics of probabilities, of nets that tell them."""
    return () if "decisions" in outputs else statistics


def _band_iou(counts: Array) -> Array:
    """IoU of each class's boundary bands [K] from (both, teacher's, student's) pixel counts [3, K]."""
    both, of_teacher, of_student = counts.astype(np.float64)
    union = of_teacher + of_student - both
    return np.divide(both, union, out=np.full(len(both), np.nan), where=union > 0)
