"""A record and its events in MLflow's terms: tags, params, metrics and curves, within MLflow's rules for names and lengths."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from kdbench.contract.numbers import is_number, is_whole
from kdbench.execute.events import NOT_METRICS, parse
from kdbench.results.record import Record, canonical, comparable
from kdbench.results.timing import MARKS, marks
from kdbench.suite.recipe import RECIPE_DEFAULTS

LAYOUT = 4  # of what is logged of a record: runs of another one are written again
PLUGINS = {"task": "task", "student": "model", "method": "method", "source": "source"}  # parts of an identity, and their kinds
NAME_LIMIT, PARAM_LIMIT, TAG_LIMIT = 250, 6000, 5000


class Point(NamedTuple):
    name: str
    value: float
    milliseconds: int
    step: int


@dataclass(frozen=True)
class Entry:
    """One run of the tracker. A pure function of the record and its events, so that a rebuilt store equals the first one."""

    key: str
    digest: str
    name: str
    tags: dict[str, str]
    params: dict[str, str]
    points: list[Point]
    started: int
    finished: int
    failed: bool = False
    skipped: list[str] = field(default_factory=list)  # metrics that MLflow's stores cannot hold: NaN and infinities


def digest(record: Record) -> str:
    """Changes when the record's content does, or the code that made it; a run that bears it is complete, its record included."""
    content = {**comparable(record), "layout": LAYOUT, "sources": record.provenance.get("sources")}
    return hashlib.sha256(canonical(content).encode()).hexdigest()


Defaults = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]  # of a kind of plugin and what an identity says of one


def none_known(kind: str, told: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


def entry(record: Record, events: Path, defaults: Defaults = none_known, profile: str | None = None) -> Entry:
    """The run of one record; its curves come from the job's events, where this machine has them. Params that the identity leaves
    out, since they are as by default, are filled in."""
    curves = list(_curves(events))
    started, finished = _times(record, curves)
    last_step = max((point.step for point in curves), default=0)
    finals = {f"{group}.{name}": value for group, values in record.metrics.items() for name, value in values.items()}
    skipped = sorted(name for name, value in finals.items() if not math.isfinite(value))
    points = [Point(_name(n), v, finished, last_step) for n, v in sorted(finals.items()) if math.isfinite(v)]
    tags = {f"kdbench.{_name(name)}": _text(value, TAG_LIMIT) for name, value in record.labels.items() if value is not None}
    tags |= {"kdbench.key": record.key, "kdbench.kind": record.kind, "kdbench.status": record.status}
    tags |= {"kdbench.profile": profile or "none", **_source(record.provenance.get("code"))}
    if befell := marks(record.timing):  # MLflow shows how long each run took, and sorts by it
        tags["kdbench.duration"] = f"not of one job alone: {', '.join(MARKS[name] for name in befell)}"
    if skipped:
        tags["kdbench.not_finite"] = _text(", ".join(skipped), TAG_LIMIT)
    return Entry(
        record.key, digest(record), _title(record), tags, _params(resolved(record.identity, defaults)), curves + points,
        started, finished, record.status != "done", skipped,
    )  # fmt: skip


def _title(record: Record) -> str:
    parts = [record.labels.get("cell") or record.method, record.labels.get("pair") if record.kind == "student" else None]
    seed = record.labels.get("seed")
    parts.append(f"seed {seed}" if seed is not None else None)
    return " · ".join([record.task, *(str(part) for part in parts if part)])


def _source(code: Any) -> dict[str, str]:
    """The commit under the names that MLflow itself gives it."""
    if not isinstance(code, Mapping) or not code.get("commit"):
        return {}
    named = {"mlflow.source.git.commit": code["commit"], "mlflow.source.git.branch": code.get("branch")}
    tags = {name: str(value) for name, value in named.items() if value}
    return tags | {"kdbench.uncommitted": "true" if code.get("dirty") else "false"}


def resolved(identity: Mapping[str, Any], defaults: Defaults) -> dict[str, Any]:
    """The identity with the params of its plugins in full."""
    found = dict(identity)
    for part, kind in PLUGINS.items():
        told = found.get(part)
        if isinstance(told, Mapping) and isinstance(told.get("params"), Mapping):
            found[part] = {**told, "params": {**defaults(kind, told), **told["params"]}}
    if isinstance(found.get("recipe"), Mapping):
        found["recipe"] = {**RECIPE_DEFAULTS, **found["recipe"]}
    return found


def _params(identity: Mapping[str, Any]) -> dict[str, str]:
    params: dict[str, str] = {}
    for path, value in _leaves(identity, ""):
        name = _name(path)
        if name in params:  # two names that differ only in characters that MLflow does not allow
            name = f"{name[: NAME_LIMIT - 9]}_{hashlib.sha256(path.encode()).hexdigest()[:8]}"
        params[name] = _text(value, PARAM_LIMIT)
    return params


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Objects are walked, lists of objects too; a list of plain values is one leaf."""
    if isinstance(value, Mapping) and value:
        for name in sorted(value):
            yield from _leaves(value[name], f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
    else:
        yield path, value


def _text(value: Any, limit: int) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(text) > limit:
        return f"{text[: limit - 80]}… (cut; sha256 {hashlib.sha256(text.encode()).hexdigest()})"
    return text


def _name(name: str) -> str:
    """`name` with what MLflow refuses replaced: nDCG@10 becomes nDCG_at_10, as MLflow writes it for its own metrics."""
    name = re.sub(r"[^\w.\- /]", "_", name.replace("@", "_at_"))
    name = re.sub(r"/+", "/", name).strip("/. ")
    return "/".join(part.lstrip(".") or "_" for part in name.split("/"))[:NAME_LIMIT] or "_"


def _curves(events: Path) -> Iterator[Point]:
    """Every number of the job's epoch and metric events. A resumed job tells some steps twice: the later telling counts."""
    try:
        lines = events.read_text(errors="replace").splitlines()
    except OSError:
        return
    points: dict[tuple[str, int], Point] = {}
    for line in lines:
        event = parse(line)  # None for the last line of a job that was killed while it wrote
        if event is None or event.get("event") not in ("epoch", "metric"):
            continue
        step, seconds = event.get("step", event.get("epoch")), event.get("t", 0)
        if not is_whole(step) or not is_number(seconds):
            continue
        for name, value in event.items():
            if name not in NOT_METRICS and is_number(value):
                points[name, step] = Point(_name(name), float(value), round(seconds * 1000), step)
    yield from sorted(points.values(), key=lambda point: (point.step, point.name))


def _times(record: Record, curves: list[Point]) -> tuple[int, int]:
    """Start and end in milliseconds, from the record, else from its events; 0 (1970) where nobody knows, never this moment."""
    told = [point.milliseconds for point in curves]
    started = _milliseconds(record.provenance.get("started"))
    finished = _milliseconds(record.provenance.get("finished"))
    finished = finished if finished is not None else max(told, default=started or 0)
    return (started if started is not None else min(told, default=finished)), finished


def _milliseconds(moment: Any) -> int | None:
    try:
        return round(datetime.fromisoformat(moment).timestamp() * 1000)
    except (TypeError, ValueError):
        return None
