"""Files of others become lists, scores and judgements that the task reads; what does not fit is named, and nothing is run."""

from __future__ import annotations

import gzip
import json
import pickle
from pathlib import Path

import numpy as np
import passage_files as files
import pytest
import torch

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.tasks.data.text import passage_convert, passage_given, passage_set, trec
from kdbench.tasks.data.text.passage_lists import Lists
from kdbench.tasks.passages import Passages, PassagesConfig
from kdbench.train.sources.given import Given, GivenConfig

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def made() -> files.Made:
    return files.made(train=24, dev=6, test=12)


@pytest.fixture
def found(tmp_path: Path, made: files.Made) -> passage_set.PassageSet:
    return passage_set.read(files.beir(tmp_path / "set", made))


def written(tmp_path: Path, text: str, name: str = "file.tsv") -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


def ids(found: passage_set.PassageSet, lists: Lists) -> list[tuple[str, list[str]]]:
    names = [[found.store.ids[d].decode() for d in row] for row in lists.documents]
    return [(found.names[q], row) for q, row in zip(lists.query, names)]


def test_msmarco_becomes_beir_and_stays_the_same_collection(tmp_path: Path):
    source = files.msmarco(tmp_path / "marco", files.made(dev=12, test=0))
    told = passage_convert.to_beir(source, tmp_path / "beir")
    assert [line.split(": ")[1] for line in told] == ["240 lines", "44 lines", "72 judgements", "36 judgements"]
    assert passage_set.read(tmp_path / "beir").fingerprint == passage_set.read(source).fingerprint
    with pytest.raises(DataError, match=r"corpus.jsonl: is there already"):
        passage_convert.to_beir(source, tmp_path / "beir")
    with pytest.raises(DataError, match="no collection in a layout"):
        passage_convert.to_beir(tmp_path / "cache", tmp_path / "more")


def test_trec_judgements_become_a_split(tmp_path: Path):
    path = written(tmp_path, "q1 0 00 2\nq1\t0\tMED-1\t-1\n")
    assert "2 judgements" in passage_convert.judgements(trec.judgements(path), tmp_path / "set", "test")
    assert (tmp_path / "set/qrels/test.tsv").read_text() == "query-id\tcorpus-id\tscore\nq1\t00\t2\nq1\tMED-1\t-1\n"
    with pytest.raises(DataError, match="no split 'final'"):
        passage_convert.judgements(trec.judgements(path), tmp_path / "set", "final")
    with pytest.raises(DataError, match="line 1: grade 'x' is no whole number"):
        passage_convert.judgements(trec.judgements(written(tmp_path, "q1 0 00 x\n")), tmp_path / "other", "test")
    assert not list((tmp_path / "other" / "qrels").iterdir()), "nothing half written is left"


def test_a_run_goes_by_score_and_then_by_falling_id_whatever_its_rank_says(tmp_path: Path, found):
    rows = [("00", 9, 1.0), ("02", 1, 2.5), ("MED-1", 3, 2.5), ("04", 2, -7e-3)]
    path = written(tmp_path, "".join(f"q1 Q0 {d} {rank} {score} tag\n" for d, rank, score in rows))
    lists, _ = passage_convert.run(found, path, 3, positives=False)
    assert ids(found, lists) == [("q1", ["MED-1", "02", "00"])] and lists.scores.tolist() == [[2.5, 2.5, 1.0]]
    with pytest.raises(DataError, match=r"1 of 1 queries have fewer than 5 documents \(query q1\).*take --depth 4"):
        passage_convert.run(found, path, 5, positives=False)


def test_lists_for_training_begin_with_what_is_relevant(tmp_path: Path, found, made):
    relevant = [d for q, d, g in made.qrels["train"] if q == "q1"]
    text = "".join(f"q1 Q0 {d} 1 {score} t\n" for d, score in (("00", 3), (relevant[1], 2), (relevant[0], 1)))
    text += "q2 Q0 00 1 1 t\nq2 Q0 02 1 2 t\nq2 Q0 04 1 3 t\n" + "q43 Q0 00 1 1 t\nq43 Q0 02 1 2 t\nq43 Q0 04 1 0 t\n"
    lists, note = passage_convert.run(found, written(tmp_path, text), 3, positives=True)
    assert ids(found, lists) == [("q1", [relevant[1], "00", relevant[0]]), ("q43", ["02", "00", "04"])]
    assert lists.scores[0].tolist() == [2, 3, 1] and note.startswith("1 queries left out")


def test_margins_have_scores_first_and_ids_after(tmp_path: Path, found):
    lists, _ = passage_convert.margins(found, written(tmp_path, "7.5\t-1.25\tq1\t00\t02\n1\t2\tq3\t04\tMED-1\n"))
    assert ids(found, lists) == [("q1", ["00", "02"]), ("q3", ["04", "MED-1"])]
    assert lists.scores.tolist() == [[7.5, -1.25], [1, 2]]
    triples, _ = passage_convert.triples(found, written(tmp_path, "q1\t00\t02\nq1\t00\t04\n"))
    assert triples.scores is None and ids(found, triples)[1] == ("q1", ["00", "04"])


@pytest.mark.parametrize(
    ("make", "text", "told"),
    [
        ("triples", "what is\tsome text\tother text\n", "line 1: query 'what is' is not in .*take the file of ids"),
        ("triples", "q1\t00\t02\nq1\t00\tnowhere\n", "line 2: document 'nowhere' is not in"),
        ("triples", "q1\t00\t00\n", "line 1: a document stands twice"),
        ("triples", "q1\t00\n", r"line 1: 2 column\(s\), expected 3: query id, positive id, negative id"),
        ("triples", "", "no list comes of it"),
        ("margins", "q1\t00\t02\t1\t2\n", "line 1: score 'q1' is no number"),
        ("margins", "nan\t1\tq1\t00\t02\n", "line 1: score 'nan' is not finite"),
        ("margins", "1\tinf\tq1\t00\t02\n", "line 1: score 'inf' is not finite"),
    ],
)
def test_lines_that_do_not_fit_are_named(tmp_path: Path, found, make: str, text: str, told: str):
    path = written(tmp_path, text)
    with pytest.raises(DataError, match=told) as error:
        getattr(passage_convert, make)(found, path)
    assert str(error.value).startswith(str(path))


HARD = {"qid": "q1", "pos": ["00", "02"], "neg": {"bm25": ["04", "06", "MED-1"], "dense": ["06", "MED-3", "02"]}}


def test_hard_negatives_of_all_systems_without_the_positives(tmp_path: Path, found):
    path = written(tmp_path, json.dumps(HARD) + "\n" + json.dumps({**HARD, "qid": "q2", "neg": {"bm25": ["04"]}}) + "\n")
    lists, note = passage_convert.negatives(found, path, 3, None)
    assert [q for q, _ in ids(found, lists)] == ["q1", "q1"] and note.startswith("2 positives left out: too few negatives")
    for positive, (_, row) in zip(HARD["pos"], ids(found, lists)):
        assert row[0] == positive and set(row[1:]) < {"04", "06", "MED-1", "MED-3"} and len(set(row)) == 4
    again, _ = passage_convert.negatives(found, written(tmp_path, json.dumps(HARD) + "\n"), 3, None)
    assert np.array_equal(again.documents, lists.documents), "a query's draws are its own"
    for wrong in ({"qid": "q1", "pos": "00", "neg": {}}, {"qid": "q1", "pos": ["00"], "neg": ["04"]}, {"pos": [], "neg": {}}):
        with pytest.raises(DataError, match="line 1"):
            passage_convert.negatives(found, written(tmp_path, json.dumps(wrong) + "\n"), 1, None)


class Attack:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def test_scores_from_a_pickle_and_nothing_else_from_it(tmp_path: Path, found, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, json.dumps(HARD) + "\n")
    scores = tmp_path / "scores.pkl.gz"
    known = {"q1": {"00": 9.5, "04": -1.0, "MED-3": 2, "06": 0.25}}
    scores.write_bytes(gzip.compress(pickle.dumps(known)))
    lists, note = passage_convert.negatives(found, path, 3, scores)
    assert note.startswith("1 positives left out") and len(lists.query) == 1
    assert dict(zip(ids(found, lists)[0][1], lists.scores[0].tolist())) == known["q1"]
    for content, told in (
        (pickle.dumps({"q1": Attack()}), "which may run code; it was not run"),
        (b"cposix\nsystem\n(S'touch ran'\ntR.", "asks for posix.system"),
        (pickle.dumps({"q1": known["q1"] | {"06": float("nan")}}), "expected a finite number"),
        (pickle.dumps([1]), "expected {query: {passage: score}}, found list"),
        (pickle.dumps(known)[:-4], "no pickle of scores"),
    ):
        scores.write_bytes(gzip.compress(content))
        with pytest.raises(DataError, match=told) as error:
            passage_convert.negatives(found, path, 3, scores)
        assert str(scores) in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_numbers_as_ids_of_the_pickle(tmp_path: Path):
    from kdbench.tasks.data.text import score_pickle

    path = tmp_path / "scores.pkl"
    path.write_bytes(pickle.dumps({12: {7: 0.5}}))
    scores = score_pickle.read(path)
    assert scores.of("12", "7") == 0.5 and scores.of("012", "7") is None and scores.of("12", "07") is None


def task_of(found: passage_set.PassageSet, **params) -> Passages:
    return Passages(PassagesConfig(root=str(found.folder), content=found.fingerprint, document_words=20, **params))


def given_lists(found: passage_set.PassageSet, made: files.Made) -> Lists:
    """One list a judged training query and one for a free query, with scores that name the documents."""
    rows = {query: document for query, document, _ in made.qrels["train"]} | {"q43": "00"}
    numbers = found.store.number(list(rows.values()))
    query = np.array([found.names.index(name) for name in rows], np.int32)
    documents = np.stack([numbers, *((numbers + 1 + n) % len(found.store) for n in range(19))], 1).astype(np.int32)
    return Lists(query, documents, documents.astype(np.float32) / 8)


def test_given_lists_and_scores_reach_a_student(tmp_path: Path, found, made):
    lists = given_lists(found, made)
    passage_given.write(found, "ce", lists)
    told = passage_given.address("ce", lists)
    task = task_of(found, lists=told)
    samples = task.data("all")
    assert len(task.data("labelled")) == 24 and len(task.data("pool")) == 1 and len(samples) == 25
    index = torch.arange(25)
    batch = task.augment("sample", Batch(samples.rows(index), index, index), Draw(3))
    assert batch["candidates"].shape == (25, 16) and torch.equal(batch["given"], batch["candidates"] / 8)
    signal = Given(GivenConfig(scale=2.0), task, ()).ask(batch)
    assert torch.equal(signal.decisions.logits(), batch["candidates"] / 4)
    mined = task_of(found)
    mined_samples = mined.data("few")
    plain = mined.augment("sample", Batch(mined_samples.rows(index), index, index), Draw(3))
    with pytest.raises(DataError, match="source given: this set has no scores"):
        Given(GivenConfig(), mined, ()).ask(plain)


def test_evaluation_lists_are_given_for_every_query_and_show_no_scores(found, made):
    held_out = [*{q for split in ("dev", "test") for q, _, _ in made.qrels[split]}]
    query = np.array([found.names.index(name) for name in held_out], np.int32)
    lists = Lists(query, np.tile(np.arange(5, 35, dtype=np.int32), (len(query), 1)), np.ones((len(query), 30), np.float32))
    passage_given.write(found, "top", lists)
    task = task_of(found, test_lists=passage_given.address("top", lists), search="list")
    assert set(task.data("test").fields) == {"candidates", "label", "query", "docs"}
    assert task.data("val").fields["candidates"].tolist()[0] == list(range(5, 35))
    less = lists.rows(np.arange(len(query) - 1))
    passage_given.write(found, "less", less)
    with pytest.raises(DataError, match=r"lack 1 .* expected one list for each query"):
        short = task_of(found, test_lists=passage_given.address("less", less))
        for split in ("val", "test"):
            short.data(split)


def test_lists_that_are_not_those_that_are_meant(tmp_path: Path, found, made):
    lists = given_lists(found, made)
    path = passage_given.write(found, "ce", lists)
    told = passage_given.address("ce", lists)
    changed = Lists(lists.query, lists.documents, lists.scores + 1)
    for name, what in ((told[:-1] + "z", "not the lists that are meant"), ("no@1", "no lists 'no' under lists/, there are: ce")):
        with pytest.raises(DataError, match=what):
            task_of(found, lists=name).data("labelled")
    with pytest.raises(DataError, match=r"no lists '\.\./ce'"):
        task_of(found, lists="../ce@1").data("labelled")
    passage_given.write(found, "ce", changed)
    with pytest.raises(DataError, match="not the lists that are meant: ce@"):
        task_of(found, lists=told).data("labelled")
    wrong = Lists(lists.query, lists.documents[:, ::-1].copy())
    passage_given.write(found, "ce", wrong)
    with pytest.raises(DataError, match=r"24 do not begin with a relevant document \(query 'q"):
        task_of(found, lists=passage_given.address("ce", wrong)).data("labelled")
    for arrays, what in (
        ({"documents": lists.documents}, "has no content, query"),
        ({"content": "x", "query": lists.query, "documents": lists.documents}, "made for the collection x"),
        ({"query": lists.query, "documents": lists.documents + 10_000}, "document numbers from"),
        ({"query": lists.query[:3], "documents": lists.documents}, "one list of two or more for each"),
        ({"query": lists.query, "documents": lists.documents * 0}, "names a document twice"),
        ({"query": lists.query, "documents": lists.documents, "scores": lists.scores * np.nan}, "a finite score"),
        ({"query": np.array([Attack()] * len(lists.query)), "documents": lists.documents}, "cannot be read as lists"),
    ):
        extra = {} if "content" in arrays or "query" not in arrays else {"content": np.array(found.fingerprint)}
        np.savez(path, **arrays, **extra)
        with pytest.raises(DataError, match=what):
            passage_given.read(found, path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="cannot be read as lists"):
        passage_given.read(found, path)
