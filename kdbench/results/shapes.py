"""Of which kind the parts of a record are that everybody reads: labels, provenance, an identity's teachers. The rest is free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdbench.contract.numbers import is_whole

TEXTS = ("pair", "cell")
TEXTS_OR_NONE = ("alias", "preset", "source", "view", "from")
SEEDS = ("seed", "teacher_seed")
FACTS = ("device", "started", "finished")
TABLES = ("sources", "versions")  # name -> text
RUN = ("task", "method", "pair", "teacher", "student", "source")  # of a run made elsewhere


def misfit(kind: str, labels: Mapping[str, Any], identity: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    """The first part that is of a wrong kind, in words; empty where none is."""
    for name in (*TEXTS, *TEXTS_OR_NONE):
        value = labels.get(name, "")
        if not isinstance(value, str) and not (value is None and name in TEXTS_OR_NONE):
            return f"label {name!r} is {type(value).__name__}, not text"
    for name in SEEDS:
        if labels.get(name) is not None and not is_whole(labels[name]):
            return f"label {name!r} is no whole number"
    taught_by = identity.get("teachers") or []
    if not isinstance(taught_by, list) or not all(isinstance(key, str) for key in taught_by):
        return "identity.teachers is no list of keys"
    if kind == "imported":
        run = identity.get("imported")
        if "cell" not in labels or not isinstance(run, Mapping) or not all(isinstance(run.get(name), str) for name in RUN):
            return f"a run made elsewhere has a cell, and says {', '.join(RUN)}"
    return of_provenance(provenance)


def of_provenance(provenance: Mapping[str, Any]) -> str:
    for name in FACTS:
        if not isinstance(provenance.get(name, ""), str):
            return f"provenance.{name} is no text"
    for name in TABLES:
        table = provenance.get(name, {})
        if not isinstance(table, Mapping) or not all(isinstance(value, str) for value in table.values()):
            return f"provenance.{name} is no table of texts"
    for name in ("machine", "git", "code"):
        if not isinstance(provenance.get(name) or {}, Mapping):
            return f"provenance.{name} is no object"
    for name in ("git", "code"):
        if not isinstance((provenance.get(name) or {}).get("commit") or "", str):
            return f"provenance.{name}.commit is no text"
    if not isinstance((provenance.get("machine") or {}).get("gpus") or [], list):
        return "provenance.machine.gpus is no list"
    leaks = provenance.get("leaks", [])
    if not isinstance(leaks, list) or not all(isinstance(value, str) for value in leaks):
        return "provenance.leaks is no list of texts"
    return ""
