"""Results that are shown although older code made them: which, what changed since, and what to type to have them made anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

MARK = "older code"  # at every row with such a result
NAMED = 4  # rows named in one sentence


@dataclass(frozen=True)
class Older:
    """`reasons` by the key of the result; `command` makes them anew."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def said(self, rows: Mapping[str, str]) -> str:
        """What to know of the results with these keys, by the row that each stands in; empty where all are of today."""
        counts = Counter(row for key, row in rows.items() if key in self.reasons)
        if not counts:
            return ""
        parts = [f"{row} ({count})" for row, count in counts.most_common(NAMED)]
        more = f" and {len(counts) - NAMED} more" if len(counts) > NAMED else ""
        why = "; ".join(sorted({reason for key, reason in self.reasons.items() if key in rows}))
        number = f"{counts.total()} of {len(rows)} results" if len(rows) > 1 else "The result"
        return (
            f"{number} shown here: {why}. {', '.join(parts)}{more}: what the code of today gives may be another number. "
            f"To have them made anew: {self.command}"
        )
