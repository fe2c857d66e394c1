"""From a trained net to raw outputs: on held-out splits and on the distillation set, to which its teachers speak too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.draw import seed_for
from kdbench.contract.model import Net
from kdbench.contract.task import Forward, Task
from kdbench.train.common import Common
from kdbench.train.stream import Stream

DISTIL_ITEMS = {"classification": 10_000, "tagging": 10_000, "retrieval": 1_000, "segmentation": 64}
VALUES = {"classification": "logits", "tagging": "logits", "retrieval": "scores", "segmentation": "logits"}


def forward_of(net: Net, device: torch.device) -> Forward:
    """The net in evaluation mode, answering without gradients for batches that may lie elsewhere."""
    net.eval()

    @torch.no_grad()
    def forward(batch: Batch) -> Outputs:
        fields = {name: values.to(device) for name, values in batch.fields.items()}
        return net(Batch(fields, batch.index.to(device), batch.view.to(device)))

    return forward


def on_splits(task: Task, net: Net, device: torch.device, splits: tuple[str, ...] = ("val", "test")) -> dict[str, np.ndarray]:
    """{split/array: values} of the held-out splits."""
    forward = forward_of(net, device)
    return {f"{split}/{name}": array for split in splits for name, array in task.evaluate(forward, split).items()}


def on_distillation_set(task: Task, net: Net, stream: Stream) -> dict[str, np.ndarray]:
    """Values on the first view of a fixed sample of the distillation set: whether the student matches where it was taught."""
    ask = forward_of(net, stream.device)
    total = len(stream.samples)
    wanted = min(total, DISTIL_ITEMS[task.family])
    generator = torch.Generator().manual_seed(seed_for("distil", stream.set_name))
    rows = torch.randperm(total, generator=generator)[:wanted].sort().values.to(stream.device)
    shown = [stream.show(part, torch.zeros_like(part)) for part in rows.split(stream.at_once)]
    arrays = {VALUES[task.family]: [task.stored(ask(batch).values.float()) for batch in shown]}
    arrays |= {name: [batch[name] for batch in shown] for name in task.kept}
    return {f"distil/{name}": torch.cat(parts).cpu().numpy() for name, parts in arrays.items()}


def evaluate(task: Task, net: Net, teachers: Mapping[str, Net], stream: Stream, common: Common) -> dict[str, np.ndarray]:
    """The net on the held-out splits and on the distillation set, and what its teachers say to the latter (equal for all
    students of a teacher and view, and so asked once in a process and stored once)."""
    found = {**on_splits(task, net, common.device), **on_distillation_set(task, net, stream)}
    for number, (key, teacher) in enumerate(teachers.items()):
        taught = common.once(partial(on_distillation_set, task, teacher, stream), "taught", id(stream), key)
        found |= {f"taught{number}/{name.removeprefix('distil/')}": array for name, array in taught.items()}
    return found
