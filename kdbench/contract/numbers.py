"""What counts as a number in a file that anybody, or a half-dead process, may have written."""

from __future__ import annotations

import math
from typing import Any, TypeGuard

WHOLE = 2**63  # whole numbers beyond are none to any float, array or database


def is_whole(value: Any) -> TypeGuard[int]:
    """A whole number that fits 64 bits; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and -WHOLE <= value < WHOLE


def is_number(value: Any) -> TypeGuard[float]:
    """A finite number."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))
