"""The text nets: scores by an independent computation, padding and sharing without effect, what may learn and what may not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kdbench.contract.model import Facts, ModelPlugin
from kdbench.models import probe, text
from kdbench.tasks.retrieval import Topics

PLUGINS = [text.interaction, text.dense_text, text.sparse_text]
WORDS, WIDTH = 30, 8


def facts(idf: torch.Tensor | None = None) -> Facts:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(WORDS, WIDTH, generator=generator)
    table[0] = 0
    if idf is None:
        idf = torch.rand(WORDS, generator=generator) + 0.5
    return Facts(outputs=4, vocabulary=WORDS, tables={"lsa": table, "idf": idf})


def lists(generator_seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(generator_seed)
    query = torch.randint(1, WORDS, (3, 5), generator=generator)
    documents = torch.randint(1, WORDS, (3, 4, 9), generator=generator)
    query[1, 3:] = 0
    documents[0, 2, 7:] = 0
    return query, documents


def build(plugin: ModelPlugin, given: Facts | None = None) -> torch.nn.Module:
    torch.manual_seed(0)
    return plugin.build(given or facts(), plugin.Config()).eval()


def test_sizes_on_topics():
    given = Topics().facts
    sizes = [probe.parameters(build(plugin, given)) for plugin in PLUGINS]
    assert sizes == [42_404, 45_762, 86_851]


@pytest.mark.parametrize("plugin", PLUGINS)
def test_shared_documents_score_as_repeated_ones(plugin):
    net = build(plugin)
    query, documents = lists()
    shared = documents[:1]
    with torch.no_grad():
        assert torch.allclose(net(query, shared), net(query, shared.repeat(3, 1, 1)), atol=1e-5)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_padding_says_nothing(plugin):
    net = build(plugin)
    query, documents = lists()
    wide_query, wide = torch.zeros(3, 7, dtype=torch.long), torch.zeros(3, 4, 14, dtype=torch.long)
    wide_query[:, :5], wide[:, :, :9] = query, documents
    with torch.no_grad():
        assert torch.allclose(net(query, documents), net(wide_query, wide), atol=1e-5)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_taps_are_those_declared_and_every_parameter_learns(plugin):
    net = build(plugin)
    values, taps = net.forward_taps(*lists())
    assert values.shape == (3, 4) and set(taps) == set(plugin.taps)
    values.pow(2).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("plugin", PLUGINS)
def test_shapes_can_be_read_without_memory(plugin):
    shapes = {"query": ((5,), torch.long), "docs": ((4, 9), torch.long)}
    found = probe.probe(plugin, plugin.Config(), facts(), shapes)
    assert found.outputs == 4 and set(found.taps) == set(plugin.taps)


def test_dense_scores_are_scaled_cosines_of_its_vectors():
    net = build(text.dense_text)
    query, documents = lists()
    values, taps = net.forward_taps(query, documents)
    table, weight, map_ = (p.detach().numpy() for p in (net.words.weight, net.weight, net.map.weight))

    def vector(tokens: np.ndarray) -> np.ndarray:
        tokens = tokens[tokens > 0]
        share = np.exp(weight[tokens]) / np.exp(weight[tokens]).sum()
        return map_ @ (share[:, None] * table[tokens]).sum(0)

    for b in range(3):
        q = vector(query[b].numpy())
        for k in range(4):
            d = vector(documents[b, k].numpy())
            cosine = q @ d / np.linalg.norm(q) / np.linalg.norm(d)
            assert np.isclose(values[b, k].item(), 10 * cosine, atol=1e-4)
    assert torch.allclose(taps["embedding"].norm(dim=-1), torch.ones(3), atol=1e-5)


def test_sparse_scores_equal_a_walk_over_postings():
    net = build(text.sparse_text)
    query, documents = lists()
    with torch.no_grad():
        values, taps = net.forward_taps(query, documents)
    postings: dict[int, list[tuple[int, float]]] = {}
    for k, row in enumerate(taps["documents"][0]):
        for word in row.nonzero()[:, 0].tolist():
            postings.setdefault(word, []).append((k, row[word].item()))
    scores = np.zeros(4)
    for word in query[0][query[0] > 0].tolist():
        for k, weight in postings.get(word, []):
            scores[k] += net.scale.item() * net.idf[word].item() * weight
    assert scores.max() > 0 and np.allclose(values[0].numpy(), scores, atol=1e-5)


def test_with_an_idf_of_one_the_sparse_score_is_the_plain_product():
    net = build(text.sparse_text, facts(torch.ones(WORDS)))
    query, documents = lists()
    with torch.no_grad():
        values, taps = net.forward_taps(query, documents)
    counts = torch.stack([torch.bincount(row[row > 0], minlength=WORDS) for row in query]).float()
    assert torch.allclose(values, 0.3 * torch.einsum("bv,bkv->bk", counts, taps["documents"]), atol=1e-5)


def test_asking_the_sparse_net_trains_nothing():
    net = build(text.sparse_text)
    assert not net.encode_query(lists()[0]).requires_grad
    assert "idf" in dict(net.named_buffers()) and "idf" not in dict(net.named_parameters())
    assert "idf" in net.state_dict()  # an exported net brings its query side along


def test_only_the_interaction_net_sees_which_words_stand_together():
    query = torch.tensor([[1, 2]])
    near = torch.tensor([[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]]])
    far = torch.tensor([[[1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 2]]])
    with torch.no_grad():
        for plugin, sees in ((text.interaction, True), (text.dense_text, False), (text.sparse_text, False)):
            net = build(plugin)
            assert torch.allclose(net(query, near), net(query, far), atol=1e-5) is not sees
        features = build(text.interaction).features
        arithmetic, geometric = (features(query, near) - features(query, far))[0, 0, 18:20].tolist()
        assert arithmetic > 0.1 and geometric > 0.1
