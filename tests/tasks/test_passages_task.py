"""The task passages: frozen lists and what they may know, views, words looked up late, raw outputs, every built-in text net."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import passage_files as files
import pytest
import torch

from kdbench.contract.batch import Batch, Outputs
from kdbench.contract.decisions import Decisions
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.task import Samples
from kdbench.metrics import card
from kdbench.models import text
from kdbench.tasks.data import array_cache, meant
from kdbench.tasks.data.text import passage_check, passage_given, passage_parts, passage_set, passage_texts
from kdbench.tasks.data.text.passage_lists import Lists
from kdbench.tasks.data.text.passage_search import Search, top
from kdbench.tasks.passages import Passages, PassagesConfig
from kdbench.tasks.retrieval import SHOWN


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = files.made(train=24, dev=6, test=18)
    made.qrels["train"] += [("q1", "00", -1), ("q1", "MED-25", 0)]
    made.qrels["test"] += [("q33", name, -1) for name in ("MED-1", "02")]
    made.documents["empty"] = ("", " . ")
    made.queries["free"] = "?!"
    return files.beir(tmp_path_factory.mktemp("passages") / "set", made)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory):
    patch = pytest.MonkeyPatch()
    patch.setenv(array_cache.VARIABLE, str(tmp_path_factory.mktemp("cache")))
    patch.delenv("KDBENCH_DATA", raising=False)
    yield
    patch.undo()


def task_of(folder: Path, **params) -> Passages:
    content = passage_set.read(folder).fingerprint
    return Passages(PassagesConfig(root=str(folder), content=content, document_words=20, query_words=6, **params))


@pytest.fixture(scope="module")
def task(folder: Path, cache) -> Passages:
    return task_of(folder, titles=10, labelled=16)


def batch_of(samples: Samples, rows: list[int], view: int = 0) -> Batch:
    index = torch.tensor(rows)
    return Batch(samples.rows(index), index, torch.full_like(index, view))


def truth(task: Passages) -> dict[int, dict[int, int]]:
    """Grades by query and document, of all splits."""
    grades: dict[int, dict[int, int]] = {}
    for judged in task.collection.splits.values():
        for query, document, grade in zip(judged.query, judged.document, judged.grade):
            grades.setdefault(int(query), {})[int(document)] = int(grade)
    return grades


def test_labelled_lists_begin_with_a_relevant_document_and_hold_no_other(task):
    grades, lists = truth(task), task.parts.judged
    pairs = {(int(q), int(row[0])) for q, row in zip(lists.query, lists.documents)}
    assert pairs == {(q, d) for q in task.parts.queries["train"] for d, g in grades[q].items() if g >= 1}
    for query, row in zip(lists.query, lists.documents):
        known = [grades[int(query)].get(int(d), 0) for d in row]
        assert known[0] >= 1 and max(known[1:]) == 0 and min(known) == 0 and len(set(row.tolist())) == 32
        best = top(Search(task.collection.store).scores(task.collection.words(int(query))), 130)
        assert len(set(row[1:16].tolist()) & set(best.tolist())) >= 10, "half of them are hard"
    label = task.data("judged").fields["label"]
    assert (label[:, 0] >= 1).all() and not label[:, 1:].any() and len(set(label[:, 0].tolist())) == 2
    assert task.data("labelled").fields["label"].shape == (48, 32) and len(label) > 48


@pytest.mark.parametrize("name", ["few", "pool", "all"])
def test_sets_for_transfer_hold_no_labels(task, name):
    batch = task.augment("sample", batch_of(task.data(name), [0, 1, 2]), Draw(0))
    assert set(batch.fields) == {"query", "docs", "candidates"} and batch["docs"].shape == (3, SHOWN, 20)
    with pytest.raises(ValueError, match="needs labels"):
        task.loss(task.decide(torch.zeros(3, SHOWN), batch))


def test_the_pool_is_what_nothing_is_known_of(task):
    lists, words = task.parts.pool
    judged = set(truth(task))
    free = {q for q in range(len(task.collection.names)) if q not in judged}
    beyond = set(task.parts.queries["train"][16:])
    assert set(lists.query.tolist()) - {-1} == free | beyond and (lists.query == -1).sum() == 10
    assert not (free | beyond) & set(task.parts.labelled.query.tolist()) and len(words) == len(lists.query)
    assert len(task.data("all")) == len(task.data("labelled")) + len(task.data("pool"))
    titles = dict(passage_texts.titles(task.collection, 10))
    rows = np.flatnonzero(lists.query == -1)
    for row, (document, title) in zip(rows, titles.items(), strict=True):
        assert words[row].tolist() == title.tolist() == task.collection.store.document(document)[: len(title)].tolist()
        assert document not in lists.documents[row], "its own text would be found by its words"
        assert set(title.tolist()) & set(task.collection.store.document(int(lists.documents[row, 0])).tolist())


def test_lists_do_not_depend_on_other_queries_or_on_how_files_lie(task, tmp_path):
    made = files.made(train=24, dev=6, test=18)
    one = task_of(files.beir(tmp_path / "one", made), titles=4)
    other = task_of(files.beir(tmp_path / "other", made, shuffled=9), titles=4)
    del made.queries["q48"]  # one that nobody judges
    less = task_of(files.beir(tmp_path / "less", made), titles=4)
    for name in ("judged", "all", "val", "test"):
        assert torch.equal(one.data(name).fields["docs"], other.data(name).fields["docs"])
        assert torch.equal(one.data(name).fields["query"], other.data(name).fields["query"])
    assert np.array_equal(one.parts.judged.documents, less.parts.judged.documents)
    assert len(one.parts.pool[0].query) == len(less.parts.pool[0].query) + 1


def test_words_are_those_of_the_documents_cut_and_padded(task):
    found, fields = task.collection, task.data("test").fields
    vocabulary = task.known.vocabulary
    assert vocabulary == len(found.vocabulary) + 2
    for row in (0, 3):
        for place in (0, 50, 70):
            stored = found.store.document(int(fields["candidates"][row, place]))[:20] + 2
            assert len(stored)
            assert fields["docs"][row, place].tolist() == stored.tolist() + [0] * (20 - len(stored))
    empty = int(found.store.number(["empty"])[0])
    assert task.known.documents(np.array([empty]))[0].tolist() == [1] + [0] * 19
    small = task_of(Path(task.config.root), words=100)
    told = small.known.documents(np.arange(len(found.store)))
    assert told.max() == 99 and (told == 1).any() and small.facts.tables["lsa"].shape == (100, 64)
    assert small.facts.tables["idf"][:2].tolist() == [0, 0] and (small.facts.tables["idf"][2:].diff() >= -1e-6).all()


def test_a_view_is_a_function_of_sample_and_view_alone(task):
    draw, samples = Draw(7), task.data("judged")
    together = task.augment("sample", batch_of(samples, [3, 1, 40, 8], view=2), draw)
    alone = task.augment("sample", batch_of(samples, [40], view=2), draw)
    for name in ("docs", "candidates", "label", "query"):
        assert torch.equal(together[name][2:3], alone[name])
    assert together["candidates"][2, 0] == samples.fields["candidates"][40, 0]


class Oracle:
    """Answers with the grades of a split, so that its ranking is the ideal one. It knows documents by their words."""

    def __init__(self, task: Passages, split: str, undefined: float):
        grades = truth(task)
        tokens = [tuple(row) for row in task.known.documents(np.arange(len(task.known))).tolist()]
        self.number = {row: i for i, row in enumerate(tokens)}
        queries = task.parts.queries[split]
        table, which = task.known.queries(np.array(queries))
        self.query = {tuple(table[w].tolist()): q for w, q in zip(which, queries)}
        self.grades = {q: {d: g if g >= 0 else undefined for d, g in grades[q].items()} for q in queries}

    def __call__(self, batch: Batch) -> Outputs:
        rows = []
        for place, query in enumerate(batch["query"].tolist()):
            docs = batch["docs"][0 if len(batch["docs"]) == 1 else place]
            grades = self.grades[self.query[tuple(query)]]
            rows.append([float(grades.get(self.number[tuple(doc)], 0)) for doc in docs.tolist()])
        return Outputs(torch.tensor(rows))


@pytest.mark.parametrize("search", ["collection", "list"])
@pytest.mark.parametrize("split", ["val", "test"])
def test_an_ideal_ranking_is_scored_as_ideal_with_undefined_documents_first(folder, split, search):
    task = task_of(folder, search=search)
    outputs = task.evaluate(Oracle(task, split, undefined=9.0), split)
    metrics = card.truth("retrieval", outputs)
    assert metrics["ndcg@10"] == metrics["rr@10"] == metrics["recall@100"] == metrics["rerank_ndcg@10"] == 1.0
    assert np.array_equal(outputs["scores"], outputs["grades"]) and outputs["run"].shape[1] == 100
    assert outputs["candidates"].shape == (len(task.parts.queries[split]), 100)


def test_undefined_judgements_may_count_as_irrelevant(folder):
    task = task_of(folder, undefined="irrelevant")
    outputs = task.evaluate(Oracle(task, "test", undefined=9.0), "test")
    row = task.parts.queries["test"].index(task.collection.names.index("q33"))
    undefined = task.collection.store.number(["MED-1", "02"]).tolist()
    assert sorted(outputs["run"][row, :2].tolist()) == sorted(undefined)
    assert card.truth("retrieval", outputs)["ndcg@10"] < 1.0
    dropped = task_of(folder).evaluate(Oracle(task, "test", undefined=9.0), "test")
    assert not np.isin(dropped["run"][row], undefined).any() and not np.isin(dropped["candidates"][row], undefined).any()


def test_a_query_among_the_documents_can_be_left_out(tmp_path):
    made = files.made(test=12)
    made.documents["q30"], made.documents["q31"] = ("", made.queries["q30"]), ("", "something else")
    folder = files.beir(tmp_path / "arguana", made)
    keep, drop = task_of(folder), task_of(folder, identical_ids="drop")
    query = keep.collection.names.index("q30")
    own = int(keep.collection.store.number(["q30"])[0])
    rows = [task.parts.held_out("test").documents[task.parts.queries["test"].index(query)] for task in (keep, drop)]
    assert own in rows[0] and own not in rows[1]
    found = {line.what: line.found for line in passage_check.findings(folder)}
    assert found["identical ids"].startswith("1 queries stand among the documents")


def test_runs_are_the_whole_ranking_with_ties_by_falling_id(folder):
    task = task_of(folder)

    def constant(batch: Batch) -> Outputs:
        return Outputs(torch.zeros(len(batch["query"]), batch["docs"].shape[1]))

    run = task.evaluate(constant, "val")["run"]
    ids = [task.collection.store.ids[d] for d in run[0]]
    assert ids == sorted(task.collection.store.ids, reverse=True)[:100]


@pytest.mark.parametrize("plugin", [text.interaction, text.dense_text, text.sparse_text], ids=lambda plugin: plugin.name)
def test_every_text_net_learns(task, plugin):
    torch.manual_seed(0)
    net = task.net(plugin, plugin.build(task.facts, plugin.Config()))
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    samples, losses = task.data("judged"), []
    for step in range(6):
        rows = [(step * 8 + k) % 8 for k in range(8)]
        batch = task.augment("sample", batch_of(samples, rows), Draw(0))
        loss = task.loss(task.decide(net(batch).values, batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < losses[0]
    with torch.no_grad():
        outputs = task.evaluate(net.eval(), "val")
    assert all(np.isfinite(values).all() for values in outputs.values())
    assert card.fidelity("retrieval", outputs, [outputs])["tau_ap"] == pytest.approx(1.0)


def test_clean_tests_want_no_training_positive(tmp_path):
    made = files.made(train=24, dev=6, test=18)
    for n in range(5):
        made.qrels["test"].append((f"q{30 + n}", made.qrels["train"][3 * n][1], 2))
    folder = files.beir(tmp_path / "leaky", made)
    whole, clean = task_of(folder), task_of(folder, clean=True)
    learnt = whole.parts.learnt(whole.parts.queries["train"])
    assert len(clean.parts.queries["test"]) < len(whole.parts.queries["test"]) == 18
    assert not any(learnt & clean.parts.relevant(query) for query in clean.parts.queries["test"])
    assert whole.describe()["test queries that want a document which is a training positive"] > 0
    assert whole.leaks()[0].endswith("want a training positive (params.clean leaves those out)")


def test_what_is_missing_or_too_small_is_said(tmp_path, folder):
    told = Passages(PassagesConfig(root=str(tmp_path / "no"))).describe()
    assert "expected" in told["data"].lower() and "corpus.jsonl" in told["data"]
    made = files.made()
    made.documents = dict(list(made.documents.items())[:150])
    with pytest.raises(DataError, match="150 documents; lists are drawn from at least 200"):
        task_of(files.beir(tmp_path / "small", made)).data("labelled")
    before = {line.what: line for line in passage_check.findings(tmp_path / "small")}
    assert before["documents"].right is False and "add documents" in before["documents"].found
    made = files.made()
    made.qrels = {"train": made.qrels["train"]}
    with pytest.raises(DataError, match="no query is left for test"):
        task_of(files.beir(tmp_path / "train", made)).data("labelled")
    made = files.made(free=0)
    with pytest.raises(DataError, match="params titles or labelled"):
        task_of(files.beir(tmp_path / "nopool", made)).data("pool")


def test_what_cannot_be_had_of_a_collection_is_told_before_any_job(tmp_path, folder):
    def why(where: Path, **params) -> list[str]:
        config = PassagesConfig(root=str(where), content=passage_set.read(where).fingerprint, **params)
        return meant.wrong(passage_parts.meant_by("passages", dict(config)))

    made = files.made()
    made.documents = dict(list(made.documents.items())[:150])
    small = files.beir(tmp_path / "small", made)
    assert not why(folder) and "from at least 200: add documents" in why(small)[0]
    assert "no lists 'mine' under lists/" in why(folder, lists="mine@0123456789abcdef")[0]
    found = passage_set.read(small)
    row = np.arange(32, dtype=np.int32)
    given = Lists(np.array([0], np.int32), row[None])
    passage_given.write(found, "mine", given)
    name = passage_given.address("mine", given)
    assert "at least 200" in why(small, lists=name)[0] and not why(small, lists=name, test_lists=name)
    assert {line.what: line for line in passage_check.findings(small)}["documents"].right is None
    made = files.made()
    made.qrels = {"train": made.qrels["train"]}
    untested = files.beir(tmp_path / "train", made)
    assert "no query is left for test" in why(untested)[0]
    assert {line.what: line for line in passage_check.findings(untested)}["division"].right is False


def test_where_it_lies_is_no_part_of_identity(task, tmp_path):
    task.sample(tmp_path / "look.txt")
    assert "grade  2" in (tmp_path / "look.txt").read_text()
    dumped = task.config.model_dump()
    assert "root" not in dumped and "folder" not in dumped and dumped["content"] == task.collection.fingerprint
    assert Passages.fingerprint(task.config) == f"sha256:{task.collection.fingerprint}"
    assert isinstance(task.decide(torch.zeros(1, 3), batch_of(task.data("few"), [0])), Decisions)
