"""Random outputs of each family, small enough for many tests and large enough to have every case in them."""

import numpy as np


def outputs(family, seed=0, teachers=1, shift=1.0):
    """(student, [teacher ...]) of a family: teachers of one seed are alike, students follow them with noise `shift`."""
    draw = np.random.default_rng(seed)
    return {"classification": _classes, "segmentation": _maps, "retrieval": _lists, "tagging": _tags}[family](
        draw, teachers, shift
    )


def _noisy(draw, base, teachers, shift):
    near = [(base + 0.5 * draw.normal(size=base.shape)).astype(np.float32) for _ in range(teachers)]
    return (base + shift * draw.normal(size=base.shape)).astype(np.float32), near


def _classes(draw, teachers, shift):
    labels = draw.integers(0, 6, 120)
    base = draw.normal(size=(120, 6)) + 2.0 * (np.arange(6) == labels[:, None])
    student, near = _noisy(draw, base, teachers, shift)
    return {"logits": student, "labels": labels}, [{"logits": z, "labels": labels} for z in near]


def _maps(draw, teachers, shift):
    base = 2.0 * draw.normal(size=(7, 4, 5, 6))
    labels = draw.integers(0, 4, (7, 11, 13)).astype(np.uint8)
    labels[draw.random(labels.shape) < 0.1] = 255
    student, near = _noisy(draw, base, teachers, shift)
    return {"logits": student, "labels": labels}, [{"logits": z, "labels": labels} for z in near]


def _lists(draw, teachers, shift):
    queries, candidates, corpus = 20, 12, 60
    lists = np.stack([draw.permutation(corpus)[:candidates] for _ in range(queries)])
    grades = draw.integers(0, 4, lists.shape) * (draw.random(lists.shape) < 0.4)
    grades[:, 0] = 2
    student, near = _noisy(draw, draw.normal(size=lists.shape), teachers, shift)
    run = np.stack([draw.permutation(corpus)[:40] for _ in range(queries)])
    common = {
        "candidates": lists,
        "grades": grades,
        "qrels_query": np.repeat(np.arange(queries), candidates),
        "qrels_doc": lists.ravel(),
        "qrels_grade": grades.ravel(),
    }
    ranked = lambda: {"run": run, "run_scores": draw.integers(0, 9, run.shape).astype(np.float32)}
    return {"scores": student, **ranked(), **common}, [{"scores": z, **ranked(), **common} for z in near]


def _tags(draw, teachers, shift):
    labels = (draw.random((90, 6)) < 0.3).astype(np.float32)
    labels[:, 5] = 0  # a tag without positives
    student, near = _noisy(draw, draw.normal(size=labels.shape) + 2 * labels - 1, teachers, shift)
    return {"logits": student, "labels": labels}, [{"logits": z, "labels": labels} for z in near]


FAMILIES = ("classification", "segmentation", "retrieval", "tagging")


def take(family, outputs, index):
    """The outputs of the units `index`, with repeats as units of their own."""
    if family != "retrieval":
        return {name: array[index] for name, array in outputs.items()}
    judged = [np.flatnonzero(outputs["qrels_query"] == query) for query in index]
    rows = np.concatenate(judged)
    return {
        **{name: outputs[name][index] for name in ("scores", "candidates", "grades", "run", "run_scores")},
        "qrels_query": np.repeat(np.arange(len(index)), [len(part) for part in judged]),
        "qrels_doc": outputs["qrels_doc"][rows],
        "qrels_grade": outputs["qrels_grade"][rows],
    }
