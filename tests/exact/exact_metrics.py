"""Every metric of every card on frozen outputs: what is stored, and how it is computed anew."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from kdbench.metrics import card

HERE = Path(__file__).parent
OUTPUTS, VALUES = HERE / "outputs.npz", HERE / "metrics.csv"
HEAD = ("family", "card", "teachers", "metric", "value")
Row = tuple[str, str, str, str]


def frozen() -> dict[str, list[dict[str, np.ndarray]]]:
    """Per family the outputs of a student and of two teachers, as committed."""
    found: dict[str, list[dict[str, np.ndarray]]] = {}
    with np.load(OUTPUTS, allow_pickle=False) as stored:
        for name in stored.files:
            family, who, array = name.split("/")
            found.setdefault(family, [{}, {}, {}])[int(who)][array] = stored[name]
    return found


def freeze(outputs: dict[str, list[dict[str, np.ndarray]]]) -> None:
    """Commit other outputs than before: after this every value is accepted anew."""
    named = {f"{family}/{who}": net for family, nets in outputs.items() for who, net in enumerate(nets)}
    np.savez_compressed(OUTPUTS, **{f"{place}/{name}": array for place, net in named.items() for name, array in net.items()})


def computed() -> dict[Row, float]:
    """Truth of the student, and its fidelity to one teacher and to both."""
    found: dict[Row, float] = {}
    for family, (student, *teachers) in frozen().items():
        cards = {("truth", 0): card.truth(family, student)}
        cards |= {("fidelity", n): card.fidelity(family, student, teachers[:n]) for n in (1, 2)}
        for (kind, n), values in cards.items():
            found |= {(family, kind, str(n), metric): float(value) for metric, value in values.items()}
    return found


def stored() -> dict[Row, float]:
    with VALUES.open(newline="") as file:
        family, kind, teachers, metric, value = HEAD
        return {(r[family], r[kind], r[teachers], r[metric]): float(r[value]) for r in csv.DictReader(file)}


def written(values: dict[Row, float]) -> str:
    """One line a value, in the order of the names."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(HEAD)
    lines.writerows((*row, repr(value)) for row, value in sorted(values.items()))
    return text.getvalue()
