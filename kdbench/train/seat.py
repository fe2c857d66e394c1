"""A student with its own instance of the method, and the owners of what it learns. Most learners have one seat, peers several."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kdbench.contract.errors import MethodError
from kdbench.contract.method import Method, Owner, Term
from kdbench.contract.model import Net


@dataclass(eq=False)
class Seat:
    """`prefix` stands before the names of its owners and terms; the first seat, whose student is exported, has none."""

    net: Net
    method: Method
    prefix: str = ""
    initial: Net | None = None
    owners: dict[str, Owner] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method.needs.initial:
            self.initial = copy.deepcopy(self.net).eval().requires_grad_(False)

    def acting(self, terms: Mapping[str, Term]) -> set[str]:
        """Owners that have a term in this step."""
        if not isinstance(terms, Mapping) or not all(isinstance(term, Term) for term in terms.values()):
            given = type(terms).__name__ if not isinstance(terms, Mapping) else f"{type(terms).__name__} of other values"
            raise MethodError(
                f"terms() of {self.method.name} returns a {given}; it returns a dict: {{name: Term(value, weight)}}"
            )
        acting = {term.owner for term in terms.values() if term.weight != 0}
        unknown = acting - set(self.owners)
        if unknown:
            have = ", ".join(self.owners)
            raise MethodError(f"{self.method.name} has a term of owner {', '.join(sorted(unknown))}, its owners are {have}")
        return acting


def gathered(seats: Iterable[Seat]) -> dict[str, Owner]:
    """All owners, by their full names. They are disjoint: a parameter that two players step would belong to nobody."""
    owners = {seat.prefix + name: owner for seat in seats for name, owner in seat.owners.items()}
    seen: dict[int, str] = {}
    for name, owner in owners.items():
        for parameter in owner.params:
            if seen.setdefault(id(parameter), name) != name:
                raise MethodError(f"a parameter belongs to both owners {seen[id(parameter)]!r} and {name!r}")
    return owners
