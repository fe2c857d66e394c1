"""What tells the runs of one experiment from those of another that lie in the same folder under the same cell."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from kdbench.jobs.identity import canonical, unseeded
from kdbench.results.record import Record

COLUMNS = ("task_params", "student", "teacher", "recipe", "experiment")
Networks = Mapping[str, Any]  # of every job that is known, by key


def networks_of(records: Mapping[str, Record]) -> dict[str, Any]:
    return {key: record.identity.get("student") for key, record in records.items()}


def columns(record: Record, networks: Networks) -> dict[str, str | None]:
    """As text: params and recipe as the identity has them, without defaults; networks by name. `experiment` is equal for runs
    that differ in their seeds alone; a teacher of which there is no record stands for itself."""
    identity = record.identity
    taught = [networks.get(key) or key for key in identity.get("teachers") or ()]
    common = canonical([unseeded(identity), sorted(map(canonical, taught))])
    task = identity.get("task")
    return {
        "task_params": _text(task.get("params")) if isinstance(task, Mapping) else None,
        "student": _network(identity.get("student")),
        "teacher": " + ".join(sorted({_network(each) or "?" for each in taught})) or None,
        "recipe": _text(identity.get("recipe")),
        "experiment": hashlib.sha256(common.encode()).hexdigest()[:8],
    }


def _network(told: Any) -> str | None:
    if isinstance(told, str):  # a key
        return told[:8]
    if not isinstance(told, Mapping):
        return None
    return str(told.get("model")) + (f" {_text(told['params'])}" if told.get("params") else "")


def _text(value: Any) -> str | None:
    return None if value is None else json.dumps(value, sort_keys=True, ensure_ascii=False)
