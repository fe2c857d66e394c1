"""Which query trains, which chooses and which tests: as the set says, and by the content of the query where it does not.

    test   the set's test split; else its dev split; with training queries alone there is nothing to test on
    val    its dev split, where that is not the test; else a tenth of the training queries, at most 1,000
    train  its train split; with dev and test alone half of dev; with test alone two fifths of it train, one chooses, two test

What must be divided goes by the sha256 of the query's text (lower case, single spaces), so that equal texts stay together, the
division needs no seed, and it is the same for every copy of the set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

SHARES = (("train", 0.4), ("val", 0.2), ("test", 0.4))
TENTH, MOST = 0.1, 1000


def mark(text: str) -> str:
    return hashlib.sha256(" ".join(text.lower().split()).encode()).hexdigest()


def _divided(queries: Sequence[int], texts: Sequence[str], shares: Sequence[tuple[str, float]]) -> dict[str, list[int]]:
    """Queries in parts of these shares, each in the order of the marks. A text that occurs twice goes where it first fell."""
    order = sorted(queries, key=lambda query: (mark(texts[query]), query))
    parts: dict[str, list[int]] = {name: [] for name, _ in shares}
    ends, total = [], 0.0
    for _, share in shares:
        total += share
        ends.append(round(total * len(order)))
    names, before, at = list(parts), "", 0
    for place, query in enumerate(order):
        own = mark(texts[query])
        while own != before and at < len(names) - 1 and place >= ends[at]:
            at += 1
        parts[names[at]].append(query)
        before = own
    return parts


def parts(judged: Mapping[str, Sequence[int]], texts: Sequence[str]) -> dict[str, list[int]]:
    """train, val and test: query numbers in the order of their marks. What is tested word for word trains and chooses nothing."""
    found, taken = _parts(judged, texts), set()
    for name in ("test", "val", "train"):
        found[name] = [query for query in found[name] if mark(texts[query]) not in taken]
        taken |= {mark(texts[query]) for query in found[name]}
    return found


def _parts(judged: Mapping[str, Sequence[int]], texts: Sequence[str]) -> dict[str, list[int]]:
    whole = {split: _divided(queries, texts, ((split, 1.0),))[split] for split, queries in judged.items()}
    train, dev, test = (whole.get(split, []) for split in ("train", "dev", "test"))
    if not test:
        dev, test = [], dev
    if not train and not dev:
        return _divided(test, texts, SHARES)
    if not train:
        halves = _divided(dev, texts, (("train", 0.5), ("val", 0.5)))
        return {**halves, "test": test}
    if not dev:
        share = min(TENTH, MOST / len(train))
        some = _divided(train, texts, (("val", share), ("train", 1 - share)))
        return {"train": some["train"], "val": some["val"], "test": test}
    return {"train": train, "val": dev, "test": test}
