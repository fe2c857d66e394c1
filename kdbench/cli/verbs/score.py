"""kdbench score: the fidelity card of networks trained elsewhere, from their stored outputs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kdbench.cli.options import JsonOption
from kdbench.cli.text import wrapped

if TYPE_CHECKING:
    from kdbench.metrics.catalogue import MetricInfo
    from kdbench.score.scoring import Score

HEADINGS = {
    "truth": "Truth: against the labels",
    "fidelity": "Fidelity: against the teacher",
    "calibration": "Calibration: does confidence mean what it says",
}
ARROWS = {"up": "↑", "down": "↓"}


class Letter(StrEnum):
    C = "C"
    S = "S"
    R = "R"
    A = "A"


class Input(StrEnum):
    logits = "logits"
    probs = "probs"
    labels = "labels"
    scores = "scores"


def score(
    card: Annotated[
        Letter,
        typer.Option(
            help="C single label: [items, classes], labels [items]. S segmentation: [images, classes, height, width], "
            "labels [images, height, width], 255 = void. R retrieval: scores [queries, candidates], labels = grades. "
            "A multi-label: [clips, tags], labels 0/1.",
            metavar="C|S|R|A",
            case_sensitive=False,
        ),
    ],
    teacher: Annotated[
        list[str],
        typer.Option(metavar="FILE", help="The teacher's outputs. Repeated: an ensemble, by mean probability (R: mean score)."),
    ],
    student: Annotated[str, typer.Option(metavar="FILE", help="The student's outputs, for the same items in the same order.")],
    labels: Annotated[
        str | None, typer.Option(metavar="FILE", help="The truth: adds truth metrics, calibration and cells.")
    ] = None,
    independent: Annotated[
        str | None, typer.Option(metavar="FILE", help="Outputs of a student of another teacher: adds the gain over it.")
    ] = None,
    read_as: Annotated[
        Input | None,
        typer.Option("--input", help="What the files hold; labels = decisions only. Default: logits, for R scores."),
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """Measure how far a student is like its teacher, from outputs in files.

    Files are .npy, .npz, .safetensors (FILE:array names one array of several) or .csv. For cards C and S they may be
    larger than memory. A million items of a thousand classes take a few minutes.

    Example: kdbench score --card C --teacher T.npy --student S.npy --labels Y.npy
    """
    from kdbench.score.scoring import score as measure

    found = measure(card.value, teacher, student, labels, independent, read_as and read_as.value)
    typer.echo(json.dumps(plain(found), indent=1, ensure_ascii=False) if as_json else "\n".join(lines(found)))
    return 0


def plain(found: Score) -> dict[str, Any]:
    """For a program. As in result files, what is undefined is null and what is infinite a word."""
    number = lambda value: None if math.isnan(value) else str(value) if math.isinf(value) else value
    files: dict[str, Any] = {"teacher": [file.spec for file in found.files if file.role.startswith("teacher")]}
    return {
        "card": found.card.letter,
        "input": found.read_as,
        "n": found.shape[0],
        "shape": found.shape,
        "files": files | {file.role: file.spec for file in found.files if not file.role.startswith("teacher")},
        "metrics": {name: number(value) for name, value in found.metrics.items()},
        "notes": found.notes,
    }


def lines(found: Score) -> Iterable[str]:
    """For a person: three groups, the primary metrics of each first."""
    from kdbench.score.cards import shown
    from kdbench.score.scoring import entries

    card, unit = found.card, found.card.unit
    yield f"Card {card.letter}, {card.title}: {found.shape[0]:,} {unit}, {found.read_as} {shown(found.shape)}"
    yield from (f"  {file}" for file in found.files)
    listed = entries(found)
    column = max(len(entry.name) for entry in listed)
    for kind, heading in HEADINGS.items():
        group = [entry for entry in listed if entry.kind == kind]
        if group:
            yield f"\n{heading}"
        for entry in group:
            mark = "*" if entry.primary else " "
            value = written(found.metrics[entry.name], entry.unit)
            yield wrapped(meaning(entry), column + 17, f"{mark} {entry.name:{column}}  {value:>10} ")
    yield "\n* primary   ↑ higher is better   ↓ lower is better   → N nearest to N is best   n/a undefined"
    yield from (wrapped(note, 6, "note: ") for note in found.notes)


def written(value: float, unit: str) -> str:
    if math.isnan(value):
        return "n/a"
    return f"{value:,.0f}" if unit == "count" else f"{value:.6g}"


def meaning(entry: MetricInfo) -> str:
    way = ARROWS.get(entry.direction, f"→ {entry.ideal:g}")
    return f"{way} {entry.title}" + (f" ({entry.unit})" if "nats" in entry.unit else "")
