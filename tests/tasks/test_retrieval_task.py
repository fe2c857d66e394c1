"""The task topics: what each set may say, views that can be replayed, the loss, and raw outputs that metrics can read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.errors import KdbenchError
from kdbench.metrics import card, gain
from kdbench.tasks.data.made import topic_lists
from kdbench.tasks.retrieval import RUN, SHOWN, Topics, TopicsConfig


@pytest.fixture(scope="module")
def task() -> Topics:
    return Topics(TopicsConfig(size="small"))


def batch_of(task: Topics, name: str, rows: list[int], view: int = 0) -> Batch:
    index = torch.tensor(rows)
    return Batch(task.data(name).rows(index), index, torch.full_like(index, view))


@pytest.mark.parametrize("name", ["few", "all"])
def test_sets_for_transfer_hold_no_labels(task, name):
    batch = task.augment("sample", batch_of(task, name, [0, 1, 2]), Draw(0))
    assert set(batch.fields) == {"query", "docs", "candidates"}
    with pytest.raises(KeyError, match="label"):
        batch["label"]
    with pytest.raises(ValueError, match="needs labels"):
        task.loss(task.decide(torch.zeros(3, SHOWN), batch))


def test_a_labelled_query_tells_one_document_only(task):
    label = task.data("labelled").fields["label"]
    assert (label[:, 0] == 3).all() and (label[:, 1:] == 0).all()
    truth = task.collection.queries["labelled"].grades
    unmarked = np.take_along_axis(truth, task.candidates("labelled"), 1)[:, 1:]
    assert (unmarked == 3).any()  # false negatives are there, as in the field's collections


def test_transfer_shows_the_labelled_queries_in_the_lists_that_training_sees(task):
    all_, labelled = task.data("all").fields, task.data("labelled").fields
    n = len(labelled["query"])
    assert torch.equal(all_["docs"][:n], labelled["docs"]) and torch.equal(all_["query"][:n], labelled["query"])
    assert len(all_["query"]) == n + len(task.collection.queries["pool"].tokens)


def test_no_query_of_val_or_test_is_trained_on(task):
    seen = {tuple(sorted(row)) for name in ("all", "graded") for row in task.data(name).fields["query"].tolist()}
    for split in ("val", "test"):
        assert not seen & {tuple(sorted(row)) for row in task.data(split).fields["query"].tolist()}


def test_documents_of_a_list_are_those_it_names(task):
    for name in (*task.sets, "val", "test"):
        fields = task.data(name).fields
        documents = torch.from_numpy(task.collection.documents).long()
        assert torch.equal(fields["docs"][5], documents[fields["candidates"][5]])


def test_a_view_is_a_function_of_sample_and_view_alone(task):
    draw = Draw(7)
    together = task.augment("sample", batch_of(task, "graded", [3, 1, 40, 8], view=2), draw)
    alone = task.augment("sample", batch_of(task, "graded", [40], view=2), draw)
    for name in ("docs", "candidates", "label", "query"):
        assert torch.equal(together[name][2:3], alone[name])
    other = task.augment("sample", batch_of(task, "graded", [40], view=3), draw)
    assert not torch.equal(other["candidates"], alone["candidates"])


def test_a_view_keeps_the_first_and_draws_the_rest_evenly(task):
    whole = batch_of(task, "graded", [11])
    counts = torch.zeros(topic_lists.LENGTH)
    for view in range(400):
        shown = task.augment("sample", Batch(whole.fields, whole.index, torch.tensor([view])), Draw(1))
        assert shown["candidates"].shape == (1, SHOWN)
        places = (whole["candidates"][0] == shown["candidates"][0][:, None]).nonzero()[:, 1]
        assert len(set(places.tolist())) == SHOWN and places[0] == 0
        assert torch.equal(shown["docs"][0], whole["docs"][0, places])
        assert torch.equal(shown["label"][0], whole["label"][0, places])
        counts[places] += 1
    share = counts[1:] / 400
    assert (share - (SHOWN - 1) / (topic_lists.LENGTH - 1)).abs().max() < 0.1


def test_the_whole_list_is_a_view_and_other_names_are_none(task):
    batch = batch_of(task, "all", [0])
    assert task.augment("whole", batch, Draw(0))["candidates"].shape == (1, topic_lists.LENGTH)
    with pytest.raises(KdbenchError, match="'none'"):
        task.augment("none", batch, Draw(0))


def test_the_loss_of_one_positive_is_cross_entropy():
    scores = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    labels = torch.zeros(5, 16)
    labels[:, 0] = 3
    loss = Topics(TopicsConfig(size="small")).loss(Decisions(scores, "candidate", labels))
    assert torch.allclose(loss, F.cross_entropy(scores, torch.zeros(5, dtype=torch.long)))


def test_the_loss_of_grades_by_hand_and_lists_without_a_relevant_one(task):
    scores = torch.tensor([[2.0, 0.0, -1.0], [4.0, 1.0, 0.0]])
    labels = torch.tensor([[3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    gains = np.array([np.exp(4.5) - 1, np.exp(1.5) - 1])
    log_p = np.array([2.0, 0.0]) - np.log(np.exp(2.0) + 1 + np.exp(-1.0))
    expected = -(gains / gains.sum() * log_p).sum()
    assert np.isclose(task.loss(Decisions(scores, "candidate", labels)).item(), expected, rtol=1e-6)


class Oracle:
    """Answers with the grades of a split, so that its ranking is the ideal one."""

    def __init__(self, task: Topics, split: str):
        documents = task.collection.documents
        self.number = {tuple(row): i for i, row in enumerate(documents.tolist())}
        self.grades = torch.from_numpy(task.collection.queries[split].grades).float()

    def __call__(self, batch: Batch) -> Outputs:
        shared = len(batch["docs"]) == 1
        assert shared and batch["query"].shape[0] == len(batch.index)
        columns = torch.tensor([self.number[tuple(doc)] for doc in batch["docs"][0].tolist()])
        return Outputs(self.grades[batch.index][:, columns])


@pytest.mark.parametrize("split", ["val", "test"])
def test_an_ideal_ranking_is_scored_as_ideal(task, split):
    outputs = task.evaluate(Oracle(task, split), split)
    metrics = card.truth("retrieval", outputs)
    assert metrics["ndcg@10"] == metrics["rr@10"] == metrics["recall@100"] == metrics["rerank_ndcg@10"] == 1.0
    assert outputs["run"].shape[1] == RUN
    assert np.array_equal(outputs["scores"], outputs["grades"])


def test_outputs_agree_with_a_direct_computation(task):
    weights = torch.randn(len(task.collection.words), generator=torch.Generator().manual_seed(3))

    def forward(batch: Batch) -> Outputs:
        common = (batch["query"][:, None, :, None] == batch["docs"][:, :, None, :]) & (batch["docs"] > 0)[:, :, None, :]
        return Outputs(common.float().sum((2, 3)) + weights[batch["docs"]].mean(-1))

    outputs = task.evaluate(forward, "test")
    queries = task.collection.queries["test"]
    index = torch.arange(len(queries.tokens))
    documents = torch.from_numpy(task.collection.documents).long()
    fields = {"query": torch.from_numpy(queries.tokens).long(), "docs": documents[None]}
    scores = forward(Batch(fields, index, index)).values.numpy()
    discount = 1 / np.log2(np.arange(2, 12))
    top = np.take_along_axis(queries.grades, np.argsort(-scores, axis=1)[:, :10], 1) @ discount
    ndcg = (top / (-np.sort(-queries.grades.astype(float), axis=1)[:, :10] @ discount)).mean()
    assert 0.1 < ndcg < 0.9
    assert np.isclose(card.truth("retrieval", outputs)["ndcg@10"], ndcg, atol=1e-9)
    assert np.allclose(outputs["scores"], np.take_along_axis(scores, outputs["candidates"], 1), atol=1e-6)
    assert np.array_equal(outputs["run_scores"], -np.sort(-outputs["run_scores"], axis=1))
    judged = gain.Judgements.read(*(outputs[f"qrels_{k}"] for k in ("query", "doc", "grade")), len(scores))
    assert np.array_equal(judged.grades_of(outputs["candidates"]), outputs["grades"])
    fidelity = card.fidelity("retrieval", outputs, [outputs])
    assert fidelity["tau_ap"] == pytest.approx(1.0) and fidelity["run_overlap@10"] == 1.0


def test_what_is_told_about_the_task(task, tmp_path):
    told = task.describe()
    assert told["sizes"] == {"labelled": 150, "few": 150, "all": 750, "graded": 600, "val": 30, "test": 60}
    task.sample(tmp_path / "topics.txt")
    text = (tmp_path / "topics.txt").read_text()
    first = next(line for line in text.splitlines() if "grade 3" in line).split()
    words = set(text.splitlines()[0].split()[2:])
    assert "grade 0" in text and len(first) > 8 and words <= set(task.collection.words)
