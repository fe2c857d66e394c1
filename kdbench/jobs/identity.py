"""What makes two jobs the same: a canonical JSON of everything that can change a result, hashed.

Params are written without the ones that equal their defaults, so a new parameter with a default changes no key; a changed default
needs a new plugin version, which the lock test enforces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

IDENTITY_VERSION = 1
KEY_LENGTH = 24  # hexadecimal digits: 96 bits
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(value: Any) -> str:
    """One text for one value: sorted keys, no blanks, floats by their shortest form; 4 and 4.0 are told apart by the schema."""
    return _ENCODER.encode(value)


def key_of(identity: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(identity).encode()).hexdigest()[:KEY_LENGTH]


def without_defaults(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Only what differs from the defaults, so that a default written out is the same job."""
    missing = object()
    return {name: value for name, value in values.items() if value != defaults.get(name, missing)}


def unseeded(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What the seeds of a cell have in common: the identity without its seed and without the jobs of that seed."""
    found = {name: value for name, value in identity.items() if name not in ("seed", "teachers")}
    if isinstance(found.get("init"), Mapping) and "job" in found["init"]:
        found["init"] = {**found["init"], "job": "of the same seed"}
    return found
