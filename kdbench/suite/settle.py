"""Puts the settings that were chosen on validation data in the place of those that a suite writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from kdbench.suite.arm import Arm, ArmClaim, Place
from kdbench.suite.tuning import Tuning


@dataclass
class Settled:
    """`arms` have their settings, `waiting` have none yet; `doubles` are those whose choice is an arm that there already is.
    `cells` are the labels that chosen settings made of those that the suite writes."""

    arms: list[Arm] = field(default_factory=list)
    waiting: list[Arm] = field(default_factory=list)
    doubles: dict[str, str] = field(default_factory=dict)
    cells: dict[Place, str] = field(default_factory=dict)


def settle(arms: Sequence[Arm], tunings: Mapping[Place, Tuning], chosen: Mapping[Place, int]) -> Settled:
    """Every arm as it is to be run; its order is the suite's."""
    found = Settled()
    taken = {arm.place: "" for arm in arms if arm.written is None}
    for arm in arms:
        place = arm.place
        if arm.written is None:
            found.arms.append(arm)
        elif place not in chosen:
            found.waiting.append(arm)
        else:
            final = replace(tunings[place].variants[chosen[place]].arm, written=arm.cell).at(arm.seed)
            found.cells[place] = final.cell
            if taken.setdefault(final.place, arm.cell) == arm.cell:
                found.arms.append(final)
            else:
                found.doubles[str(arm)] = f"its tuning chose what '{final.cell}' is already"
    return found


def renamed(claim: ArmClaim, cells: Mapping[Place, str]) -> ArmClaim:
    """A claim about the cells that there are now."""
    arm, *over = (cells.get(place, place.cell) for place in claim.places())
    return replace(claim, arm=arm, over=over[0] if over else None)
