"""Built-in text nets for retrieval: an interaction net that scores pairs, a dense and an inference-free sparse encoder.

Each takes query word ids [B,L] and documents' word ids [B,K,M] and gives scores [B,K]. Documents with a leading size of 1
are shared by all queries of the batch, so that searching a whole collection encodes each document once. Word id 0 pads.
All start from the task's table `lsa`, so that they differ in form and not in what they know of words.
"""

from __future__ import annotations

import math
from typing import cast

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from kdbench.contract.model import Config, Facts, ModelPlugin


def start_vectors(facts: Facts) -> nn.Embedding:
    """Word vectors that begin at the task's LSA table."""
    table = facts.tables["lsa"]
    words = nn.Embedding(*table.shape)
    with torch.no_grad():
        words.weight.copy_(table)
    return words


def log_idf(facts: Facts) -> nn.Parameter:
    """A learned log weight a word that begins at its idf; the padding's is masked wherever it is used."""
    weight = nn.Parameter(torch.empty(facts.vocabulary))
    with torch.no_grad():
        weight.copy_(facts.tables["idf"].clamp(min=1e-2).log())
    return weight


class InteractionConfig(Config):
    window: int = Field(6, ge=1, le=18, description="words that count as standing together")
    hidden: int = Field(32, ge=1, description="width of the layer over the 21 features")


class Interaction(nn.Module):
    """Kernel pooling over the matrix of word similarities, and how much of the query one window of the document covers.

    A bag of words cannot tell whether two words stand together; the window can. The role of a cross-encoder.
    """

    def __init__(self, facts: Facts, config: InteractionConfig):
        super().__init__()
        self.window = config.window
        self.words = start_vectors(facts)
        self.weight = log_idf(facts)
        self.gate = nn.Parameter(torch.tensor([8.0, 0.6]))  # steepness and threshold of "this word is meant"
        centres = torch.tensor([1.0, 0.9, 0.7, 0.5, 0.3, 0.1, -0.1, -0.3, -0.5])
        widths = torch.tensor([0.01] + [0.1] * 8)
        self.register_buffer("centres", centres, persistent=False)
        self.register_buffer("sharpness", 0.5 / widths**2, persistent=False)
        self.body = nn.Linear(2 * len(centres) + 3, config.hidden)
        self.score = nn.Linear(config.hidden, 1)

    def features(self, query: Tensor, documents: Tensor) -> Tensor:
        """[B,K,21]. Within, similarities are [B,L,K,M]: a word of the query, a document, a word of the document."""
        vectors = F.normalize(self.words.weight, dim=-1)
        q, d = F.embedding(query, vectors), F.embedding(documents, vectors)
        match = torch.einsum("bld,kmd->blkm", q, d[0]) if len(d) == 1 else torch.einsum("bld,bkmd->blkm", q, d)
        match = match.masked_fill((documents == 0)[:, None], -10.0)  # beyond every kernel and the gate
        weight = torch.softmax(self.weight[query].masked_fill(query == 0, -math.inf), -1)[..., None]  # [B,L,1]

        kernels = []
        for centre, sharpness in zip(cast(Tensor, self.centres), cast(Tensor, self.sharpness)):
            count = torch.exp(-sharpness * (match - centre) ** 2).sum(-1)  # [B,L,K]
            kernels += [(weight * torch.log1p(count * 10)).sum(1), (weight * count.clamp(max=1)).sum(1)]

        meant = torch.sigmoid(self.gate[0] * (match - self.gate[1]))
        covered = F.max_pool1d(meant.flatten(0, 1), self.window, stride=1).unflatten(0, meant.shape[:2])  # [B,L,K,W]
        weights = weight[..., None]
        arithmetic = (weights * covered).sum(1).amax(-1)
        geometric = torch.exp((weights * torch.log(covered + 1e-3)).sum(1)).amax(-1)
        whole = torch.exp((weight * torch.log(covered.amax(-1) + 1e-3)).sum(1))
        return torch.stack([*kernels, arithmetic, geometric, whole], -1)

    def forward_taps(self, query: Tensor, documents: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        pair = torch.relu(self.body(self.features(query, documents)))
        return self.score(pair).squeeze(-1), {"pair": pair}

    def forward(self, query: Tensor, documents: Tensor) -> Tensor:
        return self.forward_taps(query, documents)[0]


class Dense(nn.Module):
    """One tower for both sides: weighted mean of word vectors, a linear map, cosine times a learned scale."""

    def __init__(self, facts: Facts, config: Config):
        super().__init__()
        self.words = start_vectors(facts)
        self.weight = log_idf(facts)
        width = self.words.embedding_dim
        self.map = nn.Linear(width, width, bias=False)
        with torch.no_grad():
            self.map.weight.mul_(0.1).add_(torch.eye(width))
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def encode(self, tokens: Tensor) -> Tensor:
        """Unit vectors [...,width]."""
        weight = torch.softmax(self.weight[tokens].masked_fill(tokens == 0, -math.inf), -1)
        mean = (weight[..., None] * self.words(tokens)).sum(-2)
        return F.normalize(self.map(mean), dim=-1)

    def forward_taps(self, query: Tensor, documents: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        q, d = self.encode(query), self.encode(documents)
        scores = self.log_scale.exp() * torch.einsum("bd,bkd->bk", q, d.expand(len(q), -1, -1))
        return scores, {"embedding": q, "documents": d}

    def forward(self, query: Tensor, documents: Tensor) -> Tensor:
        return self.forward_taps(query, documents)[0]


class Sparse(nn.Module):
    """Documents are expanded to weights over the vocabulary; a query is only its words' idf, so asking costs no network."""

    def __init__(self, facts: Facts, config: Config):
        super().__init__()
        self.words = start_vectors(facts)
        width = self.words.embedding_dim
        self.context = nn.Linear(width, width)
        with torch.no_grad():  # a word begins at a weight of about log 3 for itself, and at none for most others
            self.words.weight.copy_(5.0 * F.normalize(self.words.weight, dim=-1))
            self.context.weight.mul_(0.1)
            self.context.bias.zero_()
        self.mix = nn.Parameter(torch.tensor(0.3))
        self.out = nn.Linear(width, self.words.num_embeddings)
        with torch.no_grad():
            self.out.weight.copy_(F.normalize(facts.tables["lsa"], dim=-1))
            self.out.bias.fill_(-3.0)
        self.scale = nn.Parameter(torch.tensor(0.3))
        self.register_buffer("idf", torch.empty(facts.vocabulary).copy_(facts.tables["idf"]))

    def encode_query(self, tokens: Tensor) -> Tensor:
        """[B,V]: the idf of each word, as often as it occurs."""
        idf = cast(Tensor, self.idf)
        rows = torch.zeros(len(tokens), len(idf), device=tokens.device)
        return rows.scatter_add(1, tokens, idf[tokens])

    def encode(self, tokens: Tensor) -> Tensor:
        """[...,V]: the largest log(1 + relu) over the document's positions. The maximum comes first, since both are monotone."""
        present = tokens > 0
        vectors = self.words(tokens)
        mean = (vectors * present[..., None]).sum(-2, keepdim=True) / present.sum(-1)[..., None, None]
        logits = self.out(vectors + self.mix * mean + self.context(mean))
        return torch.log1p(torch.relu(logits.masked_fill(~present[..., None], -math.inf).amax(-2)))

    def forward_taps(self, query: Tensor, documents: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        q, d = self.encode_query(query), self.encode(documents)
        scores = self.scale * torch.einsum("bv,bkv->bk", q, d.expand(len(q), -1, -1))
        return scores, {"embedding": q, "documents": d}

    def forward(self, query: Tensor, documents: Tensor) -> Tensor:
        return self.forward_taps(query, documents)[0]


READS = ("query", "docs")

interaction = ModelPlugin(
    name="interaction",
    build=Interaction,
    doc="reads query and document together: kernel pooling and window coverage (42,404 parameters on topics)",
    taps=("pair",),
    reads=READS,
    Config=InteractionConfig,
)
dense_text = ModelPlugin(
    name="dense_text",
    build=Dense,
    doc="one vector a text, cosine times a learned scale (45,762 parameters on topics)",
    taps=("embedding", "documents"),
    reads=READS,
)
sparse_text = ModelPlugin(
    name="sparse_text",
    build=Sparse,
    doc="documents as weights over all words, queries as idf without a network (86,851 parameters on topics)",
    taps=("embedding", "documents"),
    reads=READS,
)
