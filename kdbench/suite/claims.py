"""Finds the cells that a claim is about, in every pair of its task or in the one that it names."""

from __future__ import annotations

from collections.abc import Sequence

from kdbench.suite.arm import Arm, ArmClaim
from kdbench.suite.catalogue import Catalogue
from kdbench.suite.document import Loc
from kdbench.suite.errors import Problem, listing, nearest
from kdbench.suite.schema import Claim, Suite


def resolve_claims(suite: Suite, catalogue: Catalogue, arms: Sequence[Arm], problems: list[Problem]) -> list[ArmClaim]:
    """Each claim with the labels of its cells; names that mean no cell, or several, are added to the problems."""
    resolved = []
    for i, claim in enumerate(suite.claims):
        loc: Loc = ("claims", i)
        pairs = dict.fromkeys(arm.pair for arm in arms if arm.task["name"] == claim.task)
        for key in ("pair", "over_pair"):
            name = getattr(claim, key)
            if name is not None and name not in pairs:
                what = f"'{name}' is no pair of {claim.task}"
                problems.append(suite.document.problem((*loc, key), what, f"one of {listing(pairs)}", nearest(name, pairs)))
        for pair in [pair for pair in pairs if claim.pair in (None, pair)]:
            other = claim.over_pair or pair
            cells = []
            for key, place in (("arm", pair), ("over", other)):
                name = getattr(claim, key)
                if name is None or place not in pairs:
                    continue
                there = [arm for arm in arms if arm.task["name"] == claim.task and arm.pair == place]
                found = _cells(name, there, catalogue)
                if len(found) == 1:
                    cells.append(found[0])
                    continue
                known = dict.fromkeys([*(arm.cell for arm in there), *(arm.alias for arm in there if arm.alias)])
                what = "means no arm" if not found else "means several arms"
                choices = f"one of {listing(found or known)}"
                near = None if found else nearest(name, known)
                problems.append(suite.document.problem((*loc, key), f"'{name}' {what} of {claim.task}", choices, near))
            if len(cells) == 2 and cells[0] == cells[1] and pair == other:
                problems.append(suite.document.problem(loc, f"compares '{cells[0]}' with itself"))
            elif len(cells) == (1 if claim.over is None else 2):
                resolved.append(_arm_claim(claim, pair, *cells))
    return resolved


def _cells(name: str, arms: Sequence[Arm], catalogue: Catalogue) -> list[str]:
    """The cells that a name may mean: a full label first, then an arm's own name, then a method."""
    plugin = catalogue.at_hand("method", name)
    for fits in (
        lambda arm: arm.cell == name,
        lambda arm: arm.alias == name,
        lambda arm: plugin is not None and arm.cell == plugin.name,
        lambda arm: arm.called == (plugin.name if plugin else name),
        lambda arm: name in arm.names()["method"],
    ):
        found = list(dict.fromkeys(arm.cell for arm in arms if fits(arm)))
        if found:
            return found
    return []


def _arm_claim(claim: Claim, pair: str, arm: str, over: str | None = None) -> ArmClaim:
    bounded = claim.at_least is not None or claim.at_most is not None
    least = claim.at_least if bounded else 0.0
    where = claim.over_pair if claim.over_pair != pair else None
    bounds = (least, claim.at_most)
    said = (claim.arm, claim.over or "")
    return ArmClaim(claim.id, claim.task, pair, arm, over, claim.metric, *bounds, claim.source, claim.expect, where, said)
