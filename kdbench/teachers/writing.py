"""Writes cards: a new one from what was said on the command line, or a measurement into one that a person wrote."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from kdbench.contract.errors import KdbenchError
from kdbench.results.files import write_atomically
from kdbench.suite.card import WEIGHTS_VARIABLE, Measured
from kdbench.suite.yaml import loads

CLAIM = re.compile(r"(?P<metric>[^=\s]+)=(?P<value>[^±+%\s]+)%?(?:(?:±|\+-)(?P<tolerance>[^%\s]+)%?)?")


def claim(text: str) -> dict[str, Any]:
    """`accuracy=0.733`, `accuracy=73.3%`, `accuracy=0.733±0.002` as a card says it."""
    parts = CLAIM.fullmatch(text.strip())
    try:
        if parts is None:
            raise InvalidOperation
        numbers = {key: Decimal(parts[key]) for key in ("value", "tolerance") if parts[key]}
    except InvalidOperation:
        raise KdbenchError(
            f"--claims {text}: expected METRIC=VALUE or METRIC=VALUE±TOLERANCE, e.g. accuracy=0.733±0.002"
        ) from None
    if "%" in text:
        numbers = {key: number / 100 for key, number in numbers.items()}
    return {"metric": parts["metric"], **{key: float(number) for key, number in numbers.items()}}


def params(texts: Sequence[str], option: str) -> dict[str, Any]:
    """`depth=2` and `widths=[16, 32]`, as YAML would read the values."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        document = loads(value, option)
        if not equals or not name or document.problems:
            raise KdbenchError(f"{option} {text}: expected NAME=VALUE, e.g. {option} depth=2")
        found[name] = document.data
    return found


def normalisation(mean: str, std: str) -> dict[str, list[float]] | None:
    """`0.5,0.5,0.5` twice, or neither."""
    if not mean and not std:
        return None
    try:
        found = {"mean": [float(part) for part in mean.split(",")], "std": [float(part) for part in std.split(",")]}
    except ValueError:
        raise KdbenchError(
            f"--mean {mean} --std {std}: expected numbers with commas between them in both, one a channel"
        ) from None
    return found


def place(weights: Path, card: Path) -> str:
    """How a card names its weights' file: relative to where such files lie, so that it holds on every machine."""
    root = os.environ.get(WEIGHTS_VARIABLE, "").strip()
    under = Path(root).expanduser().resolve() if root else card.parent.resolve().parent
    resolved = weights.resolve()
    if not resolved.is_relative_to(under):
        return str(resolved)
    return str(resolved.relative_to(under)) if root else os.path.relpath(resolved, card.parent.resolve())


def text_of(card: Mapping[str, Any]) -> str:
    """A card as its file has it; what is empty is left out."""
    return dumped({name: value for name, value in card.items() if value not in (None, {})})


def with_measured(text: str, measured: Measured) -> str:
    """The text of a card with what was measured; its author's comments and order stay."""
    yaml = writer()
    data = yaml.load(text)
    data["measured"] = plain(measured)
    return dumped(data)


def plain(measured: Measured) -> dict[str, Any]:
    return measured.model_dump(mode="json", exclude_none=True)


def save(path: Path, text: str) -> None:
    write_atomically(path, text.encode())


def writer() -> YAML:
    yaml = YAML()
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def dumped(data: Any) -> str:
    out = io.StringIO()
    writer().dump(data, out)
    return out.getvalue()
