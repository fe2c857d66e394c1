"""Cards from files: what comes out, that a part at a time is the same as all at once, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest

from kdbench.cli.app import explain
from kdbench.cli.exits import Exit
from kdbench.cli.verbs.score import Input, Letter
from kdbench.cli.verbs.score import score as verb
from kdbench.contract.errors import KdbenchError
from kdbench.metrics import card, items
from kdbench.score.scoring import score

DRAW = np.random.default_rng(7)
N, K = 500, 12
LABELS = DRAW.integers(0, K, N)
BASE = 2 * DRAW.normal(size=(N, K)) + 3 * (np.arange(K) == LABELS[:, None])
TEACHERS = [(BASE + 0.5 * DRAW.normal(size=(N, K))).astype(np.float32) for _ in range(2)]
STUDENT = np.round(BASE + DRAW.normal(size=(N, K)), 1).astype(np.float32)  # rounded, so that there are ties
OTHER = (2 * DRAW.normal(size=(N, K)) + 3 * (np.arange(K) == LABELS[:, None])).astype(np.float32)


@pytest.fixture
def put(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def save(**arrays):
        for name, values in arrays.items():
            np.save(f"{name}.npy", values)

    save(T=TEACHERS[0], T2=TEACHERS[1], S=STUDENT, Y=LABELS, I=OTHER)
    return save


@pytest.mark.parametrize("chunk", [3 * K, 7 * K + 1, 100 * K + 5, 10**9])
@pytest.mark.parametrize("teachers", [1, 2])
def test_any_part_at_a_time_gives_the_card_in_memory(put, monkeypatch, chunk, teachers):
    student = {"logits": STUDENT, "labels": LABELS}
    whole = card.truth("classification", student)
    whole |= card.fidelity("classification", student, [{"logits": z} for z in TEACHERS[:teachers]])
    monkeypatch.setattr(items, "CHUNK", chunk)
    found = score("C", ["T.npy", "T2.npy"][:teachers], "S.npy", "Y.npy").metrics
    assert found == pytest.approx(whole, abs=1e-9, nan_ok=True)
    assert found["argmax_ties"] > 0 and found["kl"] > 0.01


def test_logits_and_their_probabilities_have_one_card(put):
    p = [np.exp(z - z.max(1, keepdims=True).astype(float)) for z in (*TEACHERS, STUDENT)]
    put(PT=p[0] / p[0].sum(1, keepdims=True), PT2=p[1] / p[1].sum(1, keepdims=True), PS=p[2] / p[2].sum(1, keepdims=True))
    logits = score("C", ["T.npy", "T2.npy"], "S.npy", "Y.npy").metrics
    probs = score("C", ["PT.npy", "PT2.npy"], "PS.npy", "Y.npy", read_as="probs").metrics
    rounded = ("argmax_ties", "teacher_argmax_ties", "exaggeration_theil_sen")
    assert {k: v for k, v in probs.items() if k not in rounded} == pytest.approx(
        {k: v for k, v in logits.items() if k not in rounded}, abs=1e-9
    )


def test_a_copy_gains_all_and_the_independent_student_itself_nothing(put):
    copy = score("C", ["T.npy"], "T.npy", "Y.npy", "I.npy").metrics
    assert (copy["agreement"], copy["fidelity_gain"]) == (1, pytest.approx(1))
    assert copy["kl"] == pytest.approx(0, abs=1e-12) and copy["kl_gain"] == copy["independent_kl"] > 0.1
    itself = score("C", ["T.npy"], "I.npy", "Y.npy", "I.npy").metrics
    assert (itself["fidelity_gain"], itself["kl_gain"]) == (0, 0)
    bare = score("C", ["T.npy"], "S.npy", independent="I.npy")
    assert "fidelity_gain" not in bare.metrics and bare.metrics["kl_gain"] > 0 and "accuracy" not in bare.metrics
    assert any("without --labels" in note for note in bare.notes)


@pytest.mark.parametrize("letter", ["S", "R", "A"])
def test_other_cards_are_those_in_memory_with_gain(put, letter):
    shape = {"S": (6, 3, 4, 5), "R": (9, 12), "A": (40, 5)}[letter]
    t, t2, s, other = (DRAW.normal(size=shape).astype(np.float32) for _ in range(4))
    labels = {
        "S": DRAW.integers(0, 3, (6, 8, 10)).astype(np.uint8),
        "R": DRAW.integers(0, 3, shape),
        "A": DRAW.integers(0, 2, shape),
    }
    put(t=t, t2=t2, s=s, i=other, y=labels[letter])
    found = score(letter, ["t.npy", "t2.npy"], "s.npy", "y.npy", "i.npy").metrics
    family = {"S": "segmentation", "R": "retrieval", "A": "tagging"}[letter]
    common = {"candidates": np.tile(np.arange(12), (9, 1))} if letter == "R" else {}
    net = lambda z: {"scores" if letter == "R" else "logits": z, **common}
    truth = {"grades" if letter == "R" else "labels": labels[letter]}
    expected = card.truth(family, net(s) | truth) | card.fidelity(family, net(s) | truth, [net(t), net(t2)])
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12, nan_ok=True)
    base = card.fidelity(family, net(other) | truth, [net(t), net(t2)])
    assert found["independent_kl"] == pytest.approx(base["kl"], abs=1e-12)
    assert found["kl_gain"] == pytest.approx(base["kl"] - expected["kl"])
    assert ("fidelity_gain" in found) == (letter == "S")


def test_a_probability_of_zero_is_no_error_and_is_never_clipped(put, capsys):
    put(p=np.array([[0.5, 0.5, 0], [0, 0, 1]]), q=np.array([[1, 0, 0], [0, 0.5, 0.5]]), y=np.array([0, 2]))
    copy = score("C", ["p.npy"], "p.npy", "y.npy", read_as="probs").metrics
    assert (copy["kl"], copy["jsd"], copy["tv"]) == (0, 0, 0)
    found = score("C", ["p.npy"], "q.npy", "y.npy", read_as="probs")
    assert found.metrics["kl"] == np.inf and found.metrics["tv"] == 0.5 and 0 < found.metrics["jsd"] < np.log(2)
    assert np.isnan(found.metrics["logit_mse"])
    assert any(note.startswith("kl, log_kl") and "infinite" in note for note in found.notes)
    verb(Letter.C, ["p.npy"], "q.npy", "y.npy", None, Input.probs, True)
    printed = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert (printed["metrics"]["kl"], printed["metrics"]["logit_mse"]) == ("inf", None)


def test_tags_may_be_certain(put):
    put(p=np.array([[1, 0.2], [0, 0.7]]), q=np.array([[1, 0.5], [0, 0.3]]), r=np.array([[0.9, 0.5], [0.1, 0]]))
    same = score("A", ["p.npy"], "q.npy", read_as="probs").metrics
    kl = [0.2 * np.log(0.4) + 0.8 * np.log(1.6), 0.7 * np.log(7 / 3) + 0.3 * np.log(3 / 7)]
    assert same["kl"] == pytest.approx(sum(kl) / 4) and same["overlap@1"] == 0.5 + 0.5 * 1
    assert score("A", ["p.npy"], "r.npy", read_as="probs").metrics["kl"] == np.inf


def test_tables_and_one_file_of_several_arrays(put, tmp_path):
    """A table of one column is a list, and whole numbers written as 3.0 are labels."""
    np.savetxt("t.csv", TEACHERS[0], delimiter=",", fmt="%.9g", header=",".join(f"class {k}" for k in range(K)), comments="")
    np.savetxt("s.csv", STUDENT, delimiter=",", fmt="%.9g")
    np.savetxt("y.csv", LABELS, fmt="%.1f", header="label", comments="")
    np.savez("all.npz", t=TEACHERS[0], s=STUDENT, y=LABELS)
    expected = score("C", ["T.npy"], "S.npy", "Y.npy").metrics
    assert score("C", ["all.npz:t"], "all.npz:s", "all.npz:y").metrics == pytest.approx(expected, nan_ok=True, abs=1e-15)
    assert score("C", ["t.csv"], "s.csv", "y.csv").metrics == pytest.approx(expected, nan_ok=True, abs=1e-7)


def nan_at(row):
    broken = STUDENT.copy()
    broken[row, 3] = np.nan
    return broken


REFUSED = {
    "shape of the student": (
        {"S": STUDENT[:, :5]},
        {},
        r"12 classes against 5: teacher T.npy \[500, 12\], student S.npy \[500, 5\]",
    ),
    "number of items": ({"T": TEACHERS[0][:9]}, {}, r"9 items against 500: teacher T.npy \[9, 12\]"),
    "labels": ({"Y": LABELS[:9]}, {}, r"9 items against 500: labels Y.npy \[9\]"),
    "labels with axes": ({"Y": STUDENT}, {}, r"labels Y.npy: its shape is \[500, 12\], expected \[items\]"),
    "labels out of range": ({"Y": LABELS + 5}, {}, "the logits have 12 classes"),
    "fractions as labels": ({"Y": LABELS + 0.5}, {}, "labels: not whole numbers"),
    "a NaN": ({"S": nan_at(321)}, {}, "(?s)student logits.*the first in row 321\n.*S.npy"),
    "a NaN in the independent": ({"I": nan_at(7)}, {"independent": "I.npy"}, "independent logits.*row 7"),
    "logits as probabilities": ({}, {"read_as": "probs"}, "probs: row 0 has the sum"),
    "scores of card R": ({}, {"read_as": "scores"}, "--input scores: card C reads logits or probs or labels"),
    "an ensemble of decisions": ({}, {"read_as": "labels", "teachers": ["Y.npy"] * 2}, "give one --teacher"),
    "one class": ({"S": STUDENT[:, :1], "T": STUDENT[:, :1]}, {}, "--card A"),
    "no file": ({}, {"labels": "nowhere.npy"}, "nowhere.npy"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_exit_code_2(put, capsys, case):
    arrays, changed, message = REFUSED[case]
    put(**arrays)
    arguments = {"letter": "C", "teachers": ["T.npy"], "student": "S.npy", "labels": "Y.npy"} | changed
    with pytest.raises((KdbenchError, OSError), match=message) as caught:
        score(**arguments)
    assert explain(caught.value) == Exit.usage
    assert "Traceback" not in capsys.readouterr().err


def test_maps_need_whole_numbers_and_never_void_answers(put):
    maps = DRAW.integers(0, 3, (2, 4, 4))
    put(
        m=maps,
        v=np.where(maps == 0, 255, maps),
        f=maps.astype(float),
        p=np.eye(3)[maps].transpose(0, 3, 1, 2),
        y=np.zeros((2, 8, 8), int),
    )
    assert score("S", ["m.npy"], "m.npy", "m.npy", read_as="labels").metrics["miou_st"] == 1
    for labels, student, kind, message in (
        ("f.npy", "m.npy", "labels", "integer type"),
        ("m.npy", "v.npy", "labels", "never void"),
        ("y.npy", "p.npy", "probs", "cannot be resized"),
        ("y.npy", "m.npy", "labels", "8 height|4 height"),
    ):
        with pytest.raises(KdbenchError, match=message):
            score("S", [student], student, labels, read_as=kind)


MEASURE = """import json, sys, time
from kdbench.score.scoring import score
import kdbench.metrics.classification
peak = lambda: int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1]) / 1024
start, before = time.perf_counter(), peak()
agreement = score("C", ["T.npy"], "S.npy", "Y.npy").metrics["agreement"]
print(json.dumps([agreement, peak() - before, peak(), time.perf_counter() - start, "torch" in sys.modules]))"""


def measured(tmp_path, rows, classes):
    """agreement, growth and peak of resident memory in MiB, seconds, torch imported - of a process of its own."""
    files = [np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float32, (rows, classes)) for name in "TS"]
    for start in range(0, rows, 10_000):
        values = DRAW.standard_normal((min(10_000, rows - start), classes), dtype=np.float32)
        files[0][start : start + 10_000] = files[1][start : start + 10_000] = values
    np.save(tmp_path / "Y.npy", DRAW.integers(0, classes, rows))
    del files
    ran = subprocess.run([sys.executable, "-c", MEASURE], cwd=tmp_path, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def test_files_are_not_held_in_memory(tmp_path):
    """Two files of 31 MiB; what is in hand at a time, and what is kept of each row, take some 35."""
    agreement, growth, _, _, torch = measured(tmp_path, 8_000, 1000)
    assert agreement == 1 and growth < 55 and not torch


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_million_rows_of_a_thousand_classes_within_two_gibibytes(tmp_path):
    agreement, _, peak, seconds, _ = measured(tmp_path, 1_000_000, 1000)
    print(f"peak {peak:.0f} MiB, {seconds:.0f} s")
    assert agreement == 1 and peak < 2048
