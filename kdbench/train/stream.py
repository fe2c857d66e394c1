"""Streams of batches: an endless sequence of permutations, whose order and views are functions of (seed, step)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw, seed_for
from kdbench.contract.model import Config
from kdbench.contract.stage import Stage
from kdbench.contract.task import Samples, Task
from kdbench.train.ahead import Ahead
from kdbench.train.ranks.team import Team
from kdbench.train.sampler import classes_of, order

Stages = Sequence[tuple[type[Stage], Config]]
AT_ONCE = 256  # samples of a pass over a set, where images are small
PIXELS = 1 << 24  # and of large images what a device holds with a net's maps of them


@dataclass(frozen=True)
class ViewSpec:
    """How samples are shown: the task's policy, how many frozen views a sample has, and the seed of the draws."""

    augment: str
    bank: int | None
    seed: int

    def number(self, epoch: Tensor | int) -> Tensor | int:
        """The view that an epoch shows: a slot of the bank, or a view of its own for each epoch."""
        return epoch if self.bank is None else epoch % self.bank


class Stream:
    """One set of samples, shown batch by batch. Sample k of step i stands at position i·B + k of the permutations."""

    def __init__(
        self,
        task: Task,
        set_name: str,
        batch: int,
        order_seed: int,
        view: ViewSpec,
        device: torch.device,
        stages: Stages = (),
        sampler: str = "shuffled",
    ):
        self.task, self.set_name, self.size, self.order_seed, self.view = task, set_name, batch, order_seed, view
        found: Samples = task.data(set_name)
        # Batches that are made ahead are made beside the device, which has its hands full, and are brought to it when wanted.
        self.home = torch.device("cpu") if found.ahead else device
        self.samples = found.to(self.home)
        self.device, self.sampler = device, sampler
        self.classes = None if sampler == "shuffled" else classes_of(self.samples, set_name, sampler)
        # A stream with stages draws for itself: whatever is stored by the seed of its draw is about what it shows.
        # Defaults are not told, as in a job's identity: a parameter that is new changes no draw.
        told = [f"{kind.name}@{kind.version} {config.model_dump_json(exclude_defaults=True)}" for kind, config in stages]
        self.draw = Draw(seed_for(view.seed, set_name, *told))
        self.stages = [kind(config, self.draw, len(self.samples)) for kind, config in stages]
        self.ahead = Ahead(self._made, found.ahead, device) if found.ahead else None
        self.team: Team | None = None  # of ranks, each of which makes its own rows of what is made ahead
        self.waited = 0.0  # seconds in which training had no batch; where a device makes them, what launching took

    @lru_cache(maxsize=4)  # noqa: B019 - a stream lives as long as its job
    def permutation(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed_for(self.order_seed, self.set_name, epoch))
        if self.classes is not None:
            return order(self.sampler, self.classes, len(self.samples), generator).to(self.home)
        return torch.randperm(len(self.samples), generator=generator).to(self.home)

    @property
    def at_once(self) -> int:
        """How many samples a pass over the set shows together."""
        height, width = self.task.facts.size
        return max(1, min(AT_ONCE, PIXELS // max(1, height * width)))

    def epochs(self, steps: int) -> float:
        return steps * self.size / len(self.samples)

    def batch(self, step: int) -> Batch:
        """The batch of a step, in its view."""
        if self.ahead is not None:
            batch, waited = self.ahead.take(step)
        else:
            began = time.perf_counter()
            batch = self._made(step)
            waited = time.perf_counter() - began
        self.waited += waited
        batch = batch.to(self.device)
        return batch if self.team is None else self._whole(batch, self.team)

    def share(self, team: Team) -> None:
        """From now on each rank makes its rows of a batch, and gets those of the others. Only where that is much work: what lies
        on the device is shown faster than it is sent."""
        if self.ahead is not None and self.size >= team.count:
            self.team = team

    def _whole(self, own: Batch, team: Team) -> Batch:
        fields = {name: team.gather(values, self.size) for name, values in own.fields.items()}
        return own.but(fields=fields, index=team.gather(own.index, self.size), view=team.gather(own.view, self.size))

    def rest(self) -> None:
        """No further step will come soon."""
        if self.ahead is not None:
            self.ahead.stop()

    def _made(self, step: int) -> Batch:
        """Batches run across the ends of epochs, so every sample is shown equally often."""
        total, start = len(self.samples), step * self.size
        index, epochs, taken = [], [], 0
        while taken < self.size:
            epoch, offset = divmod(start + taken, total)
            part = self.permutation(epoch)[offset : offset + self.size - taken]
            index.append(part)
            epochs.append(torch.full_like(part, epoch))
            taken += len(part)
        mine = slice(None) if self.team is None else self.team.rows(self.size)
        return self._after(len(self.stages), torch.cat(index)[mine], self.view.number(torch.cat(epochs)[mine]))  # type: ignore[arg-type]

    def show(self, index: Tensor, view: Tensor, augment: str | None = None) -> Batch:
        """Given samples in given views: what training, stored signals and evaluation on the distillation set all call.

        In another policy than the stream's own (the sample as it is), no stage is applied either.
        """
        index, view = index.to(self.home), view.to(self.home)
        if augment is not None:
            shown = self.task.augment(augment, Batch(self.samples.rows(index), index, view), self.draw)
        else:
            shown = self._after(len(self.stages), index, view)
        return shown.to(self.device)

    def _after(self, stages: int, index: Tensor, view: Tensor) -> Batch:
        """These samples after the first so many stages; a stage may look at any others as they reach it."""
        if stages == 0:
            return self.task.augment(self.view.augment, Batch(self.samples.rows(index), index, view), self.draw)
        before = partial(self._after, stages - 1)
        return self.stages[stages - 1](before(index, view), before)


class Tick:
    """What a step offers to a learner: each stream's batch, made once. Learners of a gang hand each other what is `made`."""

    def __init__(self, index: int, streams: Mapping[str, Stream], made: dict[int, Batch] | None = None):
        self.index, self._streams = index, streams
        self._made = {} if made is None else made

    def batch(self, on: str) -> Batch:
        """The batch of a stream; two names of one stream share one batch."""
        stream = self._streams[on]
        if id(stream) not in self._made:
            self._made[id(stream)] = stream.batch(self.index).but(said={})
        return self._made[id(stream)]
