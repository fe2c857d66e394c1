"""MGD: unlabelled images pasted into each other, and two teachers heard at three grains: pixels, regions, the image.

J. Qin, J. Wu, M. Li, X. Xiao, M. Zheng, X. Wang: Multi-Granularity Distillation Scheme Towards Lightweight Semi-Supervised
Semantic Segmentation. ECCV 2022.

    u = (1 − M) u_0 + M u_1,    M: three boxes, together 1/4 to 1/2 of the image;    ŷ_k = argmax of the logits mixed by M
    pixels:  CE(s(u), ŷ_1) + CE(s(u), ŷ_2), and the same on labelled images x with ŷ_k = argmax of teacher k on x
    region:  λ_2 · mean (A(s(u)) − A(t_1(u)))²,   A: cosines between the cells of a 7×7 mean of a tap
    image:   λ_1 · Σ_{b,c} |mean of s's logits − mean of t_2's|,   both on u
    L = task · CE(y, s(x)) + pixels · (…) + region + image

Teachers are frozen here: the release goes on training one of them with the student and leaves the other's gradients lying. u_1 is
the batch's next image rather than another loader's. The image's term is a sum over batch and classes, so its weight depends on
both, as released. The first teacher gives regions, the second the image.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from kdbench.contract.batch import Batch, Signal
from kdbench.contract.decisions import Decisions
from kdbench.contract.method import Method, Step, Term
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs

BOXES = 3


class MGDSemiConfig(Config):
    task: float = Field(1.0, ge=0, description="weight of the supervised loss")
    pixels: float = Field(1.0, ge=0, description="weight of the pseudo-labels on pasted images")
    labelled: float = Field(1.0, ge=0, description="weight of the teachers' labels on labelled images")
    region: float = Field(100.0, ge=0, description="weight of the regions' similarities (λ2)")
    image: float = Field(0.002, ge=0, description="weight of the mean logits, a sum over batch and classes (λ1)")
    tap: str = Field("embedding", description="the map whose regions are compared, in student and first teacher")
    cells: int = Field(7, ge=2, description="regions a side")


def boxes(image: Tensor, generator: torch.Generator) -> Tensor:
    """[B,H,W] masks of three boxes each, a quarter to a half of the image where none overlap; any aspect, within the image."""
    count, _, height, width = image.shape
    device = image.device
    u = torch.rand(4, count, BOXES, generator=generator, device=device)
    area = (0.25 + 0.25 * u[0]) / BOXES
    tall = area ** u[1]  # between the area itself (flat) and 1 (narrow)
    size = torch.stack((tall * height, area / tall * width)).round()
    start = (u[2:] * torch.stack((height - size[0] + 1, width - size[1] + 1))).floor()

    def inside(axis: int, length: int) -> Tensor:
        at = torch.arange(length, device=device)
        first, extent = start[axis, ..., None], size[axis, ..., None]
        return (at >= first) & (at < first + extent)

    return (inside(0, height)[..., :, None] & inside(1, width)[..., None, :]).any(1)


def resized(mask: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """[N] the mask at the decisions' places."""
    return F.interpolate(mask[:, None].float(), grid[1:], mode="nearest")[:, 0].bool().flatten()


def pasted(member: Decisions, mask: Tensor) -> Tensor:
    """[N] labels of the mixed image: the member's on this image outside the mask, on the next one inside."""
    assert member.grid is not None
    label = member.predictions()
    return torch.where(mask, label.view(member.grid).roll(-1, 0).flatten(), label)


def similarities(tap: Tensor, cells: int) -> Tensor:
    """[B,c²,c²] cosines between the cells of a map."""
    rows = F.normalize(F.adaptive_avg_pool2d(tap, cells).flatten(2).transpose(1, 2), dim=-1)
    return rows @ rows.transpose(1, 2)


class MGDSemi(Method):
    """Pixels, regions and whole images of two teachers on pasted unlabelled images."""

    name = "mgd_semi"
    Config = MGDSemiConfig
    needs = Needs(
        axes=frozenset({"class"}),
        streams=frozenset({"labelled", "transfer"}),
        signal=frozenset({"members", "member_taps"}),
        teachers="many",
        student_taps=frozenset({"$tap"}),
        fields=frozenset({"image"}),
        grid=True,
        asks=True,
    )
    exempt = {"fixed-point": "a hard label asks for more certainty than the teacher that gave it has"}

    def terms(self, step: Step) -> dict[str, Term]:
        c = self.c
        if not (c.pixels or c.labelled or c.region or c.image):
            return {"task": Term(step.supervised, c.task)}
        batch = step.batch()
        image = batch["image"]
        mask = boxes(image, step.generator)
        mixed = batch.with_(image=torch.where(mask[:, None], image.roll(-1, 0), image)).but(signal=None)

        def two(signal: Signal) -> tuple[Signal, Signal]:
            return signal.members[0], signal.members[1]

        def student(on: Batch) -> Decisions:
            return step.task.decide(step.forward(on).values, on)

        def learn() -> Tensor:
            mine, grid = student(mixed), two(step.teacher())[0].decisions.grid
            assert grid is not None
            inside = resized(mask, grid)
            labels = [pasted(each.decisions, inside) for each in two(step.teacher())]
            return torch.stack([step.task.loss(mine.but(labels=label, valid=None)) for label in labels]).sum()

        def agree() -> Tensor:
            mine = step.decide("labelled")
            labels = [each.decisions.predictions() for each in two(step.teacher("labelled"))]
            return torch.stack([step.task.loss(mine.but(labels=label)) for label in labels]).sum()

        def region() -> Tensor:
            theirs = two(step.ask(mixed))[0].taps[c.tap]
            return (similarities(step.forward(mixed).taps[c.tap], c.cells) - similarities(theirs, c.cells)).pow(2).mean()

        def whole() -> Tensor:
            mine, theirs = student(mixed), two(step.ask(mixed))[1].decisions
            return (mine.maps().mean((2, 3)) - theirs.maps().mean((2, 3))).abs().sum()

        return {
            "task": Term(step.supervised, c.task),
            "pixels": Term(learn, c.pixels),
            "labelled": Term(agree, c.labelled),
            "region": Term(region, c.region),
            "image": Term(whole, c.image),
        }
