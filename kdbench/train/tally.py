"""What a run tells of its terms: their values, their shares of the loss, and now and then the sizes of their gradients.

Sums stay on the device: nothing is copied to the host before a report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from kdbench.contract.method import Owner, Term

Value = float | Tensor


class Tally:
    """Sums since the last report."""

    def __init__(self, device: torch.device):
        self.device = device
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.weighted: dict[str, Tensor] = {}
        self.gradients: dict[str, Tensor] = {}
        self.finite = torch.ones((), dtype=torch.bool, device=device)

    def note(self, values: Mapping[str, Value]) -> None:
        for name, value in values.items():
            value = torch.as_tensor(value, device=self.device)
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
            self.finite = self.finite & torch.isfinite(value).all()

    def weigh(self, values: Mapping[str, tuple[Term, Value]]) -> None:
        """Add the terms as they enter the loss, sign apart."""
        for name, (term, value) in values.items():
            size = abs(term.weight) * torch.as_tensor(value, device=self.device).abs()
            self.weighted[name] = self.weighted[name] + size if name in self.weighted else size

    def means(self) -> tuple[dict[str, float], bool]:
        """Means of the values and whether all were finite; these sums start anew."""
        means = {name: float(total) / self.counts[name] for name, total in self.sums.items()}
        self.sums, self.counts = {}, {}
        return means, bool(self.finite)

    def shares(self) -> dict[str, dict[str, float]]:
        """Each term's share of the loss since the last call, and of the gradients' norms where some were measured."""
        found = {"share": shares_of(self.weighted), "gradient": shares_of(self.gradients)}
        self.weighted, self.gradients = {}, {}
        return {kind: shares for kind, shares in found.items() if shares}


def shares_of(sizes: Mapping[str, Tensor]) -> dict[str, float]:
    plain = {name: float(size) for name, size in sizes.items()}
    total = sum(plain.values())
    return {name: size / total for name, size in plain.items()} if total else {}


def probe(terms: Mapping[str, Term], owners: Mapping[str, Owner], tally: Tally, prefix: str = "") -> dict[str, Term]:
    """The same terms with their values at hand, after the norm of each one's weighted gradient was noted.

    The graph stays, so that what follows is bit for bit what would have been without this.
    """
    known = {name: term if term.weight == 0 else replace(term, value=term.compute(name)) for name, term in terms.items()}
    for name, term in known.items():
        params = [p for p in owners[term.owner].params if p.requires_grad] if term.weight else []
        if not params or not isinstance(term.value, Tensor) or not term.value.requires_grad:
            continue
        parts = torch.autograd.grad(term.value, params, retain_graph=True, allow_unused=True)
        squares = [part.detach().pow(2).sum() for part in parts if part is not None]
        if squares:
            norm = abs(term.weight) * torch.stack(squares).sum().sqrt()
            name = prefix + name
            tally.gradients[name] = tally.gradients[name] + norm if name in tally.gradients else norm
    return known
