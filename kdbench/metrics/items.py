"""Per-item statistics of single-label outputs, gathered a few items at a time: a set may be larger than memory.

What comes out is a number or two an item, and tables that are summed over the items; the cards are made of these. A
stored net is `logits` [N, K], `probs` [N, K] or, where only its answers are known, `decisions` [N].
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from kdbench.metrics import divergence
from kdbench.metrics.arrays import Array, Outputs, Scores, class_labels, same_shape, teacher_name, whole_numbers

CHUNK = 250_000  # values of one net in hand at a time: what fits a core's cache is also fastest
NOTHING = np.empty(0)


@dataclass
class Chunk:
    """A few items: decisions of the student and, where there is one, of the teacher, and probabilities where known.

    What is missing is empty, and then no statistic asks for it.
    """

    labels: Array  # [n]
    student: Array  # [n]
    teacher: Array
    log_s: Array = field(default_factory=lambda: NOTHING)  # [n, K]
    p_s: Array = field(default_factory=lambda: NOTHING)
    log_t: Array = field(default_factory=lambda: NOTHING)
    p_t: Array = field(default_factory=lambda: NOTHING)


Statistic = Callable[[Chunk], dict[str, Array]]


def gather(student: Outputs, teachers: Sequence[Outputs], *statistics: Statistic) -> dict[str, Array]:
    """What the functions make of each chunk: vectors [n] are strung together, tables of more axes are added up."""
    read = _decisions if "decisions" in student else _distributions
    vectors: dict[str, list[Array]] = {}
    tables: dict[str, Array] = {}
    for chunk in read(student, teachers):
        for statistic in statistics:
            for name, values in statistic(chunk).items():
                if values.ndim == 1:
                    vectors.setdefault(name, []).append(values)
                elif name in tables:
                    tables[name] += values
                else:
                    tables[name] = values
    return tables | {name: np.concatenate(parts) for name, parts in vectors.items()}


def _distributions(student: Outputs, teachers: Sequence[Outputs]) -> Iterator[Chunk]:
    """The items in order, a few at a time, with log p of the student and of the teachers' mean probability."""
    own = Scores.read(student, "student", 2)
    members = [Scores.read(teacher, teacher_name(i, len(teachers)), 2) for i, teacher in enumerate(teachers)]
    same_shape([own.array, *(member.array for member in members)], own.name)
    items, classes = own.array.shape
    labels = class_labels(student, items, classes) if "labels" in student else NOTHING
    step = max(1, CHUNK // classes)
    for start in range(0, items, step):
        part = slice(start, min(start + step, items))
        log_s, p_s = _mean([own], part)
        log_t, p_t = _mean(members, part) if members else (NOTHING, NOTHING)
        teacher = log_t.argmax(axis=1) if members else NOTHING
        yield Chunk(labels[part], log_s.argmax(axis=1), teacher, log_s, p_s, log_t, p_t)


def _mean(nets: Sequence[Scores], part: slice) -> tuple[Array, Array]:
    """log p and p of the nets' mean probability. What is stored as p is taken as it is, so that a confidence of .6 stays
    on the edge of its bin."""
    if len(nets) == 1 and nets[0].probable:
        p = nets[0].values(part)
        with np.errstate(divide="ignore"):
            return np.log(p), p
    log_p = divergence.log_mean([net.logits(part) if net.probable else divergence.log_softmax(net.logits(part)) for net in nets])
    return log_p, np.exp(log_p)


def _decisions(student: Outputs, teachers: Sequence[Outputs]) -> Iterator[Chunk]:
    """All items at once, of nets that tell their answers only."""
    if len(teachers) > 1:
        raise ValueError("decisions have no mean probability, so only one teacher can be compared")
    sides = [whole_numbers(outputs, "decisions", who) for outputs, who in zip((student, *teachers), ("student", "teacher"))]
    if "labels" in student:
        sides.append(whole_numbers(student, "labels", "student"))
    same_shape(sides, "decisions and labels")
    yield Chunk(sides[-1] if "labels" in student else NOTHING, sides[0], sides[1] if teachers else NOTHING)
