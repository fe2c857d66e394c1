"""What card S sums over the pixels of each image: every function takes a chunk and answers [n, ...]."""

import numpy as np

from kdbench.metrics import divergence, grid
from kdbench.metrics.agreement import cell_counts
from kdbench.metrics.arrays import Array
from kdbench.metrics.class_statistics import chosen
from kdbench.metrics.pixels import Chunk

PSEUDO_LABEL_CONFIDENCE = 0.968
Table = dict[str, Array]


def confusion(chunk: Chunk) -> Table:
    """The student's decisions against the truth."""
    return {"confusion": chunk.confusion(chunk.labels, chunk.student, chunk.valid)}


def calibration(chunk: Chunk) -> Table:
    return {"bins": chunk.bin_sums(chunk.p_s.max(axis=1), chunk.student == chunk.labels)}


def likelihood(chunk: Chunk) -> Table:
    return {
        "nll": chunk.sums(-chosen(chunk.log_s, chunk.labels)),
        "brier": chunk.sums(brier(chunk.p_s, chunk.labels)),
    }


def overlap(chunk: Chunk) -> Table:
    """The student's decisions against the teacher's."""
    return {"teacher_student": chunk.confusion(chunk.teacher, chunk.student, chunk.valid)}


def overlap_all(chunk: Chunk) -> Table:
    """The same with void pixels, on which the teacher speaks too."""
    return {"teacher_student_all": chunk.confusion(chunk.teacher, chunk.student, np.ones_like(chunk.valid))}


def kl(chunk: Chunk) -> Table:
    return {"kl": chunk.sums(divergence.kl_with(chunk.p_t, chunk.log_t, chunk.log_s, axis=1))}


def distributions(chunk: Chunk) -> Table:
    """The other divergences."""
    found = {
        "reverse_kl": chunk.sums(divergence.kl_with(chunk.p_s, chunk.log_s, chunk.log_t, axis=1)),
        "tv": chunk.sums(0.5 * np.abs(chunk.p_t - chunk.p_s).sum(axis=1)),
        "belief_bins": chunk.bin_sums(chunk.p_s.max(axis=1), chosen(chunk.p_t, chunk.student)),
    }
    if chunk.native_kl is not None:
        cells = float(chunk.native_kl[0].size)
        sums = chunk.native_kl.sum(axis=(1, 2))
        found["native"] = np.stack([sums, np.full(len(sums), cells)], axis=1)
    return found


def edges(chunk: Chunk) -> Table:
    """Agreement near the teacher's boundaries and away from them, and the overlap of both nets' boundary bands.

    Boundaries are those of the whole map; void is cut out afterwards, so it makes no boundary of its own.
    """
    same = chunk.teacher == chunk.student
    edge = grid.boundary(chunk.teacher)
    width = grid.band_width(*edge.shape[1:])
    rings = {"boundary_0": 0, "boundary_3": 3, "boundary": width}
    found = {name: chunk.hits(same, grid.dilate(edge, steps) & chunk.valid) for name, steps in rings.items()}
    found["interior"] = chunk.hits(same, chunk.valid & ~edge)
    bands = [grid.band(maps, width) & chunk.valid for maps in (chunk.teacher, chunk.student)]
    found["band"] = np.stack(
        [
            chunk.counts(chunk.teacher, bands[0] & bands[1] & same),
            chunk.counts(chunk.teacher, bands[0]),
            chunk.counts(chunk.student, bands[1]),
        ],
        axis=1,
    )
    return found


def pseudo_labels(chunk: Chunk) -> Table:
    """Agreement where the teacher is confident enough to label, and elsewhere."""
    covered = (chunk.p_t.max(axis=1) >= PSEUDO_LABEL_CONFIDENCE) & chunk.valid
    same = chunk.teacher == chunk.student
    return {
        "pseudo_coverage": chunk.hits(covered, chunk.valid),
        "pseudo_precision": chunk.hits(chunk.teacher == chunk.labels, covered),
        "agreement_covered": chunk.hits(same, covered),
        "agreement_uncovered": chunk.hits(same, chunk.valid & ~covered),
    }


def against_both(chunk: Chunk) -> Table:
    """Who is right where, and the teacher's decisions against the truth."""
    images = zip(chunk.teacher, chunk.student, chunk.labels, chunk.valid)
    return {
        "cells": np.array([cell_counts(t[keep], s[keep], y[keep]) for t, s, y, keep in images]),
        "teacher_confusion": chunk.confusion(chunk.labels, chunk.teacher, chunk.valid),
    }


def teacher_against_labels(chunk: Chunk) -> Table:
    return {
        "teacher_bins": chunk.bin_sums(chunk.p_t.max(axis=1), chunk.teacher == chunk.labels),
        "teacher_nll": chunk.sums(-chosen(chunk.log_t, chunk.labels)),
        "teacher_brier": chunk.sums(brier(chunk.p_t, chunk.labels)),
    }


def brier(p: Array, classes: Array) -> Array:
    """Squared distance of each pixel's distribution to its one-hot class."""
    return (p * p).sum(axis=1) - 2.0 * chosen(p, classes) + 1.0
