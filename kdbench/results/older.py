"""Results that are shown although older code made them: which, what changed since, and what to type to have them made anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

MARK = "older code"  # at every row with such a result, unless all are
PREFIX = f"{MARK} of "
NAMED = 4  # of rows and of what changed, named in one sentence


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
        whole = self.all_of(rows)
        number = "The result" if len(rows) == 1 else f"{'All' if whole else f'{counts.total()} of'} {len(rows)} results"
        changed = causes(self.reasons[key] for key in rows if key in self.reasons)
        where = "What" if whole else listed([f"{row} ({count})" for row, count in counts.most_common()]) + ": what"
        known = f"{number} shown here: {changed}. {where} the code of today gives may be another number"
        return f"{known}. To have them made anew: {self.command}"

    def all_of(self, keys: Collection[str]) -> bool:
        """Whether none is of today: then that is said once, and a mark at each would tell nothing."""
        return bool(keys) and all(key in self.reasons for key in keys)


def causes(reasons: Iterable[str]) -> str:
    """`older code of mine.py, train.loop`: what changed since, the most frequent first, of many reasons of this form."""
    names = Counter(name for reason in reasons for name in reason.removeprefix(PREFIX).split(", "))
    return PREFIX + listed([name for name, _ in names.most_common()])


def listed(words: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more
