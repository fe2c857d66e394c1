"""FLOPS: a price on every word that sparse documents use, by how many documents use it; the sparse half of idf_flops.

B. Paria, C.-K. Yeh, I. E.-H. Yen, N. Xu, P. Ravikumar, B. Póczos: Minimizing FLOPs to Learn Efficient Sparse Representations.
ICLR 2020; with distillation from heterogeneous rankers Z. Geng, Y. Wang, D. Ru, Y. Yang: Towards Competitive Search Relevance
For Inference-Free Learned Sparse Retrievers. 2024, arXiv 2411.04403.

    + weight · min(1, (step + 1) / ramp)² · mean_p Σ_w (mean_q |d_qp[w]|)²    d_qp: document at place p of query q's list

The square of the mean is what scoring costs with an inverted index, up to a factor: one word in all documents costs more than
many words in one document each. `idf_in: flops` divides |d[w]| by the word's idf inside the square, as the paper's first title
has it; its release has the idf in the score alone (a query is its words' idf), the default. There the effect is indirect: a word
of low idf earns little gradient from the ranking, so the price removes it first. The release sums over the places of a list (2 in
its example), here it is their mean, so that a list's length does not change the price.

The student should be sparse (`sparse_text`): on dense vectors the price runs too, but nothing becomes 0 and nothing is saved.
idf_flops is `flops` around `kd` (T 1) with teachers normalised by minmax and scaled by 30.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from kdbench.contract.errors import KdbenchError
from kdbench.contract.method import Method, Specs, Step, Term, Wrapper
from kdbench.contract.model import Config
from kdbench.contract.needs import Needs
from kdbench.contract.task import Task


class FlopsConfig(Config):
    tap: str = Field("documents", description="the student's tap that holds the documents' weights over all words")
    weight: float = Field(0.002, ge=0, description="price of the words")
    ramp: int = Field(200, ge=1, description="steps over which the price rises, as a square")
    idf_in: Literal["score", "flops"] = Field(
        "score", description="where a word's idf counts: in the query alone, or in the price too"
    )


def flops(documents: Tensor, idf: Tensor | None = None) -> Tensor:
    """Σ_w (mean |d[w]|)² over queries [B,K,V], the mean over places; |d[w]| / idf[w] where an idf is given."""
    used = documents.abs().mean(0)
    if idf is not None:
        used = used / idf
    return used.pow(2).sum(-1).mean()


class Flops(Wrapper):
    """A price on the words of sparse documents, around any ranking method."""

    name = "flops"
    exempt = {"fixed-point": "words have a price whoever uses them, the teacher included"}
    Config = FlopsConfig
    own = Needs(axes=frozenset({"candidate"}), streams=frozenset({"transfer"}), student_taps=frozenset({"$tap"}))
    idf: Tensor

    def __init__(self, config: FlopsConfig | None, inner: Method):
        super().__init__(config, inner)
        self.register_buffer("idf", torch.ones(()), persistent=False)

    def build(self, specs: Specs, task: Task) -> None:
        super().build(specs, task)
        width, words = specs.student.taps[self.c.tap][-1], task.facts.vocabulary
        if self.c.idf_in == "flops":
            if width != words:
                raise KdbenchError(
                    f"flops: idf_in flops needs one number for each of the {words} words, tap {self.c.tap!r} is {width} wide; "
                    "a sparse student has that (sparse_text)"
                )
            self.idf = task.facts.tables["idf"].clamp(min=1e-2).to(self.idf.device)

    def extra(self, step: Step) -> dict[str, Term]:
        c = self.c
        ramp = min(1.0, (step.index + 1) / c.ramp) ** 2

        def price() -> Tensor:
            return flops(step.student().taps[c.tap], self.idf if c.idf_in == "flops" else None)

        return {"flops": Term(price, c.weight * ramp)}
