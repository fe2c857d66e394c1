"""ClassMix between domains: half of the classes of a labelled image are pasted onto an unlabelled one, with their labels.

V. Olsson, W. Tranheden, J. Pinto, L. Svensson: ClassMix: Segmentation-Based Data Augmentation for Semi-Supervised Learning.
WACV 2021; across domains in W. Tranheden et al.: DACS: Domain Adaptation via Cross-domain Mixed Sampling. WACV 2021.

    M: pixels of ⌈share · n⌉ classes, drawn from the n classes of the labelled image
    x = M x_l + (1 − M) x_u,    labels, weights and validity likewise, by the same mask; pasted pixels are valid and weigh 1

The source was asked about the unlabelled image as it was. Pixel by pixel nothing is mixed, so labels stay labels; what else the
source says (probabilities, taps) has no meaning on the pasted pixels and ends here. Ignored pixels are never pasted; the releases
take their number for a class. The unlabelled image i meets the labelled one i, round again where these are fewer. Released code
jitters and blurs the mixed image afterwards; here it is shown as it is.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.stage import After


class ClassMixConfig(Config):
    share: float = Field(0.5, gt=0, le=1, description="share of the labelled image's classes that are pasted")


def chosen(present: Tensor, keys: Tensor, share: float) -> Tensor:
    """[B,K] which of the present classes are pasted: those with the smallest keys, the share rounded up."""
    rank = keys.where(present, torch.full_like(keys, 2.0)).argsort(1).argsort(1)
    return present & (rank < torch.ceil(share * present.sum(1, keepdim=True)))


def reduced(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """[B,h,w] of [B,H,W]: every so many rows and columns, since a label has no mean."""
    rows, columns = (torch.arange(n, device=maps.device) * full // n for n, full in zip(size, maps.shape[1:]))
    return maps[:, rows][:, :, columns]


class ClassMix(After):
    """Pastes classes of labelled images, with their labels, onto the images that the student is taught on."""

    name = "classmix"
    Config = ClassMixConfig
    mixes = True
    needs = Needs(axes=frozenset({"class"}), streams=frozenset({"labelled"}), signal=frozenset({"labels"}), grid=True)
    leaves = frozenset({"labels"})

    def __call__(self, batch: Batch, labelled: Batch) -> Batch:
        assert batch.signal is not None
        decisions = batch.signal.decisions
        assert decisions.grid is not None and decisions.labels is not None
        rows = torch.arange(len(batch), device=batch.index.device) % len(labelled)
        label = labelled["label"][rows].long()
        known = label < decisions.answers
        label = label.where(known, torch.zeros_like(label))
        classes = torch.arange(decisions.answers, device=label.device)[None, :, None]
        present = ((label.flatten(1)[:, None] == classes) & known.flatten(1)[:, None]).any(2)
        keys = self.draw.uniform("classmix", batch.view, batch.index, decisions.answers)
        mask = chosen(present, keys, self.c.share).gather(1, label.flatten(1)).view_as(label) & known
        image = torch.where(mask[:, None], labelled["image"][rows], batch["image"])

        pasted, theirs = (reduced(each, decisions.grid[1:]).flatten() for each in (mask, label))
        certain = torch.ones_like(decisions.values[..., 0].reshape(-1)[: decisions.count])
        valid = pasted.new_ones(len(pasted)) if decisions.valid is None else decisions.valid
        weight = certain if decisions.weight is None else decisions.weight
        carried = decisions.but(
            values=decisions.values.masked_fill(pasted[:, None], float("nan")),  # whoever reads them there is told so
            labels=torch.where(pasted, theirs, decisions.labels),
            valid=valid | pasted,
            weight=torch.where(pasted, torch.ones_like(weight), weight),
        )
        return batch.but(fields={"image": image}, signal=Signal(carried))
