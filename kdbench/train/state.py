"""What a learner's next step depends on, as tensors and positions. No generator: random numbers follow from the position."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from kdbench.train.loop import Learner


def state_of(learner: Learner) -> dict[str, Any]:
    optimisers = {name: owner.optimiser.state_dict()["state"] for name, owner in learner.owners.items() if owner.optimiser}
    state: dict[str, Any] = {
        "net": learner.net.state_dict(),
        "method": learner.method.state_dict(),
        "optimisers": {name: {str(k): v for k, v in state.items()} for name, state in optimisers.items()},
        "at": torch.tensor(learner.at),
        "finite": learner.tally.finite,
    }
    for seat in learner.seats[1:]:
        state[seat.prefix] = {"net": seat.net.state_dict(), "method": seat.method.state_dict()}
    if learner.own is not None:
        state["source"] = learner.own.state_dict()
    return state


def put_back(learner: Learner, state: Mapping[str, Any]) -> None:
    for seat in learner.seats:
        saved = state[seat.prefix] if seat.prefix else state
        seat.net.load_state_dict(saved["net"])
        seat.method.load_state_dict(saved.get("method", {}))
    if learner.own is not None:
        learner.own.load_state_dict(state.get("source", {}))
    learner.tally.finite = state["finite"]
    learner.at = int(state["at"]) - 1  # the phase of the last step done, whose optimisers were saved
    if learner.at >= 0:
        learner.enter_phase()
        for name, owner in learner.owners.items():
            assert owner.optimiser is not None
            saved = state.get("optimisers", {}).get(name, {})
            fresh = owner.optimiser.state_dict()
            owner.optimiser.load_state_dict({**fresh, "state": {int(k): dict(v) for k, v in saved.items()}})
            lay_alike(owner.optimiser)
    learner.at += 1


def lay_alike(optimiser: torch.optim.Optimizer) -> None:
    """Moments in the order in memory of their parameter: a fused optimiser reads both from end to end and does not compare."""
    for parameter, moments in optimiser.state.items():
        for name, value in moments.items():
            if value.shape == parameter.shape:
                moments[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
