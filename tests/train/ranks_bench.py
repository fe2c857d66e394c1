"""Jobs of a suite on several ranks, as processes of their own, and how far what they learn is from what one process learns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import ranks_gradients
import torch
from gang_bench import Place
from safetensors.torch import load_file

from kdbench.execute import ranks
from kdbench.train import job as training
from kdbench.train.ranks.team import Team


class Strict(Team):
    """On a CPU all ranks must have equal bits, whoever is told by whom."""

    def follow(self, tensors):
        kept = [(tensor, tensor.detach().clone()) for tensor in tensors]
        super().follow(tensor for tensor, _ in kept)
        assert all(torch.equal(tensor, mine) for tensor, mine in kept), f"rank {self.number} has gone its own way"


def entry(payload, job_dir, device, emit, stop, rank):
    """Several jobs, one after the other, in the same processes; of each, how it ended. Beside them, what the gradients are."""
    torch.set_num_threads(1)
    team = Strict(*rank, torch.device(device))
    ends: dict[str, object] = {"gradients": ranks_gradients.measured(team)}
    for job, steps in payload["jobs"]:

        def end(how, key=job["key"]):
            ends[key] = how if isinstance(how, str) else f"{type(how).__name__}: {how}"

        training.together([training.Member(job, emit, end)], device, after(steps), team)
        team.any(False)
    return ends


def after(steps: int | None):
    """Whether to stop, as it is asked once before a job is built and then before each step: after so many steps."""
    asked = count()
    return lambda: steps is not None and next(asked) > steps


def shared(jobs: Sequence[tuple[dict, int | None]], folder: Path, number: int = 2) -> dict[str, Any]:
    """Payloads of jobs on so many ranks, some stopped after some steps; how each ended."""
    payload = {"ranks": number, "jobs": jobs}
    return dict(ranks.run(entry, json.loads(json.dumps(payload)), folder, "cpu", lambda event: None, lambda: False))


def weights(place: Place, job) -> dict[str, torch.Tensor]:
    return load_file(Path(place.home.weights) / f"{job.key}.safetensors")


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """How far two sets of weights are apart: the largest difference of a tensor's norm, in parts of that norm."""
    assert one.keys() == other.keys()
    found = 0.0
    for name, value in one.items():
        if value.is_floating_point() and value.numel():
            found = max(found, float((value - other[name]).norm()) / max(float(value.norm()), 1e-6))
        else:
            assert torch.equal(value, other[name]), name
    return found
