"""The hand-checked vectors of the design notes, as outputs that a job could have stored."""

import numpy as np


def log_odds(p):
    return np.log(p) - np.log1p(-p)


LABELS = np.array([0, 0, 1, 2])
TEACHER_P = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.6, 0.2, 0.2]])
STUDENT_P = np.array([[0.6, 0.2, 0.2], [0.3, 0.5, 0.2], [0.2, 0.6, 0.2], [0.5, 0.2, 0.3]])
C_TEACHER = {"logits": np.log(TEACHER_P), "labels": LABELS}
C_STUDENT = {"logits": np.log(STUDENT_P), "labels": LABELS}


def class_map(text):
    return np.array([[int(cell) for cell in row] for row in text.split("|")])


TEACHER_MAP, STUDENT_MAP = class_map("0011|0011|0011|2222"), class_map("0001|0011|0111|2221")
TRUE_MAP = TEACHER_MAP.copy()
TRUE_MAP[3, 3] = 255


def map_logits(maps, classes=3):
    """Logits [N, K, H, W] whose argmax is the map."""
    return np.log(np.where(np.arange(classes)[None, :, None, None] == maps[:, None], 0.8, 0.2 / (classes - 1)))


S_TEACHER = {"logits": map_logits(TEACHER_MAP[None])}
S_STUDENT = {"logits": map_logits(STUDENT_MAP[None]), "labels": TRUE_MAP[None].astype(np.uint8)}

R_LISTS = {"candidates": np.arange(5)[None], "grades": np.array([[1, 0, 0, 0, 0]])}
R_TEACHER = {"scores": np.array([[5.0, 4, 3, 2, 1]]), **R_LISTS}
R_STUDENT = {"scores": np.array([[4.0, 5, 1, 3, 2]]), **R_LISTS}
R_TIES = {  # documents a b c d e = 0..4; e is retrieved, d is not
    "run": np.array([[0, 1, 2, 4]]),
    "run_scores": np.array([[2.0, 2.0, 2.0, 1.0]]),
    "qrels_query": np.zeros(4, int),
    "qrels_doc": np.arange(4),
    "qrels_grade": np.array([3, 0, 1, 2]),
}

A_TEACHER_P = np.array([[0.9, 0.2, 0.6], [0.1, 0.7, 0.2], [0.3, 0.2, 0.1]])
A_STUDENT_P = np.array([[0.8, 0.5, 0.4], [0.2, 0.3, 0.4], [0.6, 0.1, 0.1]])
A_TEACHER, A_STUDENT = {"logits": log_odds(A_TEACHER_P)}, {"logits": log_odds(A_STUDENT_P)}

CLIP_LABELS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]])
CLIP_P = np.array([[0.9, 0.2, 0.1], [0.6, 0.7, 0.3], [0.8, 0.4, 0.2], [0.1, 0.5, 0.6], [0.3, 0.3, 0.3]])
CLIPS = {"logits": log_odds(CLIP_P), "labels": CLIP_LABELS}
