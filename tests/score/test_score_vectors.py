"""`kdbench score` on the hand-checked vectors of the design notes prints the documented values."""

import json

import numpy as np
import pytest

from kdbench.cli.verbs.score import Input, Letter, score

C_LABELS = np.array([0, 0, 1, 2])
C_TEACHER = np.array([[0.8, 0.1, 0.1], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3], [0.6, 0.2, 0.2]])
C_STUDENT = np.array([[0.6, 0.2, 0.2], [0.3, 0.5, 0.2], [0.2, 0.6, 0.2], [0.5, 0.2, 0.3]])
S_TEACHER, S_STUDENT = (
    np.array([[[int(c) for c in row] for row in text.split("|")]]) for text in ("0011|0011|0011|2222", "0001|0011|0111|2221")
)
S_LABELS = S_TEACHER.copy()
S_LABELS[0, 3, 3] = 255
R_TEACHER, R_STUDENT, R_GRADES = np.array([[5.0, 4, 3, 2, 1]]), np.array([[4.0, 5, 1, 3, 2]]), np.array([[1, 0, 0, 0, 0]])
A_TEACHER = np.array([[0.9, 0.2, 0.6], [0.1, 0.7, 0.2], [0.3, 0.2, 0.1]])
A_STUDENT = np.array([[0.8, 0.5, 0.4], [0.2, 0.3, 0.4], [0.6, 0.1, 0.1]])


def hot(maps, classes=3):
    """Logits [N, K, H, W] whose argmax is the map."""
    return np.log(np.where(np.arange(classes)[None, :, None, None] == maps[:, None], 0.8, 0.2 / (classes - 1)))


DECIDED_C = {
    "agreement": 0.75, "kappa": 0.5, "error_consistency": 0.5, "agreement_lower": 0.25, "agreement_upper": 0.75,
    "both_right": 0.5, "lost": 0.25, "gained": 0, "both_wrong_same": 0.25, "both_wrong_different": 0, "retention": 0.666667,
    "inherited_error": 1, "correction": 0, "class_agreement_teacher_min": 0.666667, "accuracy": 0.5, "teacher_accuracy": 0.75,
}  # fmt: skip
CARD_C = DECIDED_C | {
    "kl": 0.063115, "reverse_kl": 0.066398, "jsd": 0.016011, "tv": 0.15, "exaggeration_slope": 0.450591, "target_kl": 0.054810,
    "non_target_kl": 0.017631, "ece": 0.45, "teacher_ece": 0.45, "ece10": 0.45, "nll": 0.857399, "teacher_nll": 0.804719,
    "brier": 0.51, "teacher_brier": 0.465, "ece_t": 0.05, "dark_rank": None, "dark_rank_skipped": 4,
}  # fmt: skip
CARD_S = {
    "agreement": 0.866667, "agreement_all": 0.8125, "miou_st": 0.809524, "miou_st_all": 0.696429, "both_right": 0.866667,
    "lost": 0.133333, "boundary_agreement_0": 0.818182, "interior_agreement": 1, "class_agreement_teacher_min": 0.833333,
    "teacher_miou": 1,
}  # fmt: skip
CARD_R = {
    "tau_b": 0.4, "spearman": 0.6, "pearson": 0.6, "tau_ap": 0.25, "weighted_tau": 0.441606, "overlap@1": 0,
    "rbo_truncated": 0.264285, "rbo": 0.854775, "ndcg_t": 0.948788, "ndcg_t_exp": 0.858787, "rr_teacher_top": 0.5,
    "margin_mse": 3.25, "kl": 0.531203,
}  # fmt: skip
CARD_A = {
    "kl": 0.111760, "positive_agreement": 0.333333, "agreement": 0.555556, "kappa": 0, "exact_match": 0, "lwlrap_t": 0.722222,
    "map_t": 0.666667, "overlap@1": 0.666667, "spearman": (1 + 0.866025) / 3,
}  # fmt: skip
VECTORS = {
    "C probs": ("C", "probs", C_TEACHER, C_STUDENT, C_LABELS, CARD_C),
    "C logits": (
        "C",
        None,
        np.log(C_TEACHER) + 7,
        np.log(C_STUDENT) - 2,
        C_LABELS,
        {k: v for k, v in CARD_C.items() if k != "ece10"},
    ),
    "C labels": ("C", "labels", C_TEACHER.argmax(1), C_STUDENT.argmax(1), C_LABELS, DECIDED_C),
    "S logits": ("S", None, hot(S_TEACHER), hot(S_STUDENT), S_LABELS, CARD_S),
    "S probs": ("S", "probs", np.exp(hot(S_TEACHER)), np.exp(hot(S_STUDENT)), S_LABELS, CARD_S),
    "S labels": ("S", "labels", S_TEACHER, S_STUDENT, S_LABELS, CARD_S),
    "R scores": ("R", None, R_TEACHER, R_STUDENT, R_GRADES, CARD_R),
    "A probs": ("A", "probs", A_TEACHER, A_STUDENT, None, CARD_A),
    "A logits": ("A", "logits", *(np.log(p / (1 - p)) for p in (A_TEACHER, A_STUDENT)), None, CARD_A),
}


def run(tmp_path, letter, kind, teacher, student, labels, as_json):
    names = [str(tmp_path / f"{name}.npy") for name in ("T", "S", "Y")]
    for name, values in zip(names, (teacher, student, labels)):
        np.save(name, np.zeros(0) if values is None else values)
    given = names[2] if labels is not None else None
    assert score(Letter(letter), [names[0]], names[1], given, None, Input(kind) if kind else None, as_json) == 0


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(tmp_path, capsys, name):
    *arguments, expected = VECTORS[name]
    run(tmp_path, *arguments, as_json=True)
    found = json.loads(capsys.readouterr().out)
    for metric, value in expected.items():
        assert found["metrics"][metric] == (value if value is None else pytest.approx(value, abs=2e-6)), metric
    assert (found["card"], found["n"]) == (arguments[0], len(arguments[2]))
    run(tmp_path, *arguments, as_json=False)
    printed = {
        line[2:].split()[0]: line[2:].split()[1]
        for line in capsys.readouterr().out.splitlines()
        if line.strip()[:1] and len(line[2:].split()) > 1
    }
    for metric, value in expected.items():
        assert printed[metric] == "n/a" if value is None else float(printed[metric]) == pytest.approx(value, abs=2e-6), metric


def test_decisions_alone_have_no_metric_of_probabilities(tmp_path, capsys):
    for name in ("C labels", "S labels"):
        *arguments, _ = VECTORS[name]
        run(tmp_path, *arguments, as_json=True)
        found = set(json.loads(capsys.readouterr().out)["metrics"])
        assert found and not found & {"kl", "log_kl", "ece", "nll", "brier", "ece_t", "teacher_ece", "dark_rank", "tv"}


def test_the_table_has_groups_with_primary_metrics_first_and_directions(tmp_path, capsys):
    *arguments, _ = VECTORS["C probs"]
    run(tmp_path, *arguments, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Card C, single-label classification: 4 items, probs [4, 3]"
    for heading, first in (("Truth", "* accuracy"), ("Fidelity", "* agreement"), ("Calibration", "* ece ")):
        place = next(number for number, line in enumerate(lines) if line.startswith(heading))
        assert lines[place + 1].startswith(first)
    assert any(line.split()[:4] == ["kl", "0.063115", "↓", "KL"] for line in lines)
    assert any(line.split()[:4] == ["exaggeration_slope", "0.450591", "→", "1"] for line in lines)
