"""The reference: distillation as somebody writes it who wants speed and nothing else. No records, no methods, no names.

Images stay uint8, padded once; a batch is one gather for crop and mirror, and one affine. Memory is channels-last, the optimiser
fused, the teacher in inference mode, and no step asks the device for a number.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

T, WEIGHT, TASK = 4.0, 0.9, 0.1
MEAN, STD = (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)
PAD = 4


class Bare:
    def __init__(self, teacher: nn.Module, student: nn.Module, images: Tensor, labels: Tensor, batch: int = 64):
        self.teacher = teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.student = student.train().to(memory_format=torch.channels_last)
        self.images = F.pad(images, (PAD,) * 4).permute(0, 2, 3, 1).contiguous()
        self.labels, self.size, self.side = labels, batch, images.shape[2]
        self.scale = (1 / (255 * torch.tensor(STD)))[:, None, None]
        self.shift = -(torch.tensor(MEAN) / torch.tensor(STD))[:, None, None]
        self.optimiser = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)
        self.order, self.at = torch.randperm(len(labels)), 0
        self.total = torch.zeros(())

    def step(self) -> None:
        images, labels = self.batch()
        said = self.ask(images)
        loss = self.loss(self.student(images), said, labels)
        self.backward(loss)
        self.optimise()
        self.total += loss.detach()

    def batch(self) -> tuple[Tensor, Tensor]:
        if self.at + self.size > len(self.order):
            self.order, self.at = torch.randperm(len(self.labels)), 0
        index = self.order[self.at : self.at + self.size]
        self.at += self.size
        start = torch.randint(2 * PAD + 1, (len(index), 2))
        rows = start[:, :1] + torch.arange(self.side)
        columns = start[:, 1:] + torch.arange(self.side)
        columns = torch.where(torch.rand(len(index), 1) < 0.5, columns.flip(1), columns)
        images = self.images[index[:, None, None], rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
        return images.float().mul_(self.scale).add_(self.shift), self.labels[index]

    @torch.inference_mode()
    def ask(self, images: Tensor) -> Tensor:
        return F.softmax(self.teacher(images) / T, dim=1)

    def loss(self, logits: Tensor, said: Tensor, labels: Tensor) -> Tensor:
        distance = F.kl_div(F.log_softmax(logits / T, dim=1), said.clone(), reduction="batchmean")
        return TASK * F.cross_entropy(logits, labels) + WEIGHT * T * T * distance

    def backward(self, loss: Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()

    def optimise(self) -> None:
        self.optimiser.step()
