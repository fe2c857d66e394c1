"""Files of passages: one collection from every layout and order, ids as they are, and damage named by file and line."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import passage_files as files
import pytest

from kdbench.contract.errors import DataError
from kdbench.tasks.data.text import passage_check, passage_set, passage_split

pytestmark = pytest.mark.usefixtures("own_cache")

ROOT = os.environ.get("KDBENCH_DATA", "")


def said(found: passage_set.PassageSet, name: str) -> list[str]:
    number = int(found.store.number([name])[0])
    return [found.store.words[word].decode() for word in found.store.document(number)]


def test_a_collection_is_the_same_from_every_order_and_layout(tmp_path: Path):
    made = files.made(dev=12, test=0)
    made.documents = {name: ("", text) for name, (_, text) in made.documents.items()}  # MS MARCO has no titles
    one = passage_set.read(files.beir(tmp_path / "one", made))
    other = passage_set.read(files.beir(tmp_path / "other", made, shuffled=3, end="\r\n", bom=True))
    third = passage_set.read(files.msmarco(tmp_path / "third", made))
    assert third.layout.name == "MS MARCO" and one.layout.name == "BEIR"
    for found in (other, third):
        assert found.fingerprint == one.fingerprint and found.names == one.names and found.texts == one.texts
        for name in ("ids", "tokens", "offsets", "frequency", "marks", "words"):
            assert np.array_equal(getattr(found.store, name), getattr(one.store, name)), name
        for split, judged in one.splits.items():
            assert np.array_equal(found.splits[split].document, judged.document)
            assert np.array_equal(found.splits[split].grade, judged.grade)


@pytest.mark.parametrize("what", ["text", "grade", "query", "id"])
def test_the_fingerprint_sees_every_part(tmp_path: Path, what: str):
    made = files.made()
    before = passage_set.read(files.beir(tmp_path / "before", made)).fingerprint
    if what == "text":
        made.documents["00"] = ("", "changed")
    elif what == "grade":
        q, d, g = made.qrels["test"][0]
        made.qrels["test"][0] = (q, d, g + 1)
    elif what == "query":
        made.queries["q3"] += " more"
    else:
        made.documents = {("x" if name == "02" else name): text for name, text in made.documents.items()}
    assert passage_set.read(files.beir(tmp_path / "after", made)).fingerprint != before


def test_words_and_ids_are_what_the_files_say(tmp_path: Path):
    made = files.made()
    made.documents |= {
        "1-9": ("The studies", "The studies of gas: Flows, in BODIES"),  # a title that the text repeats
        "007": ("Wings", "classes of wing"),
        "7": ("", "..."),
        "é": ("", "Ünïcode wörds"),
    }
    found = passage_set.read(files.beir(tmp_path / "set", made))
    assert said(found, "1-9") == ["study", "gas", "flow", "body"]
    assert said(found, "007") == ["wing", "classe", "wing"] and said(found, "7") == [] and said(found, "é") == ["ünïcode", "wörd"]
    assert found.store.number(["nobody", "00", "007 "]).tolist()[0] == -1 and found.store.number(["007 "])[0] == -1
    assert [name.decode() for name in found.store.ids] == sorted((name for name in made.documents), key=str.encode)
    counts = np.bincount(np.concatenate([np.unique(found.store.document(d)) for d in range(len(found.store))]))
    assert np.array_equal(counts, found.store.frequency) and (np.diff(counts) <= 0).all()
    plain = passage_set.read(tmp_path / "set", "plain")
    assert said(plain, "1-9") == ["the", "studies", "of", "gas", "flows", "in", "bodies"]
    assert plain.fingerprint == found.fingerprint


def test_gzipped_files_and_headers_in_other_forms(tmp_path: Path):
    made = files.made()
    folder = files.beir(tmp_path / "set", made)
    before = passage_set.read(folder)
    rows = made.qrels["test"]
    forms = {
        "trec": "".join(f"{q} 0 {d}\t{g}\n" for q, d, g in rows).replace(" ", "\t"),
        "none": "".join(f"{q}\t{d}\t{g}\n" for q, d, g in rows),
        "fourth": "score\tquery-id\tcorpus-id\traw_grade\n" + "".join(f"{g}\t{q}\t{d}\t9\n" for q, d, g in rows),
    }
    for name, text in forms.items():
        other = files.beir(tmp_path / name, made)
        (other / "qrels" / "test.tsv").write_text(text)
        corpus = other / "corpus.jsonl"
        (other / "corpus.jsonl.gz").write_bytes(gzip.compress(corpus.read_bytes()))
        corpus.unlink()
        assert passage_set.read(other).fingerprint == before.fingerprint


def line(path: Path, number: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "number", "text", "told"),
    [
        ("corpus.jsonl", 3, '{"_id": "a", "text": "cut', "line 3: no JSON"),
        ("corpus.jsonl", 3, '{"_id": 7, "text": "x"}', "line 3: '_id' 7 is no id"),
        ("corpus.jsonl", 3, '{"_id": "7"}', "line 3: expected texts under 'text'"),
        ("corpus.jsonl", 3, '["7"]', "line 3: list where a JSON object is expected"),
        ("corpus.jsonl", 3, '{"_id": "", "text": "x"}', "line 3: '_id' '' is no id"),
        ("queries.jsonl", 2, '{"_id": "q", "text": null}', "line 2: expected a text under 'text'"),
        ("qrels/test.tsv", 1, "query\tdocument\tgrade", "line 1: expected the header query-id corpus-id score"),
        ("qrels/test.tsv", 4, "q1\t00", r"line 4: 2 column\(s\), expected 3"),
        ("qrels/test.tsv", 4, "q1\t00\tgood", "line 4: score 'good' is no whole number"),
        ("qrels/test.tsv", 4, "q1\t00\t1.5", "line 4: score '1.5' is no whole number"),
    ],
)
def test_a_damaged_line_is_named(tmp_path: Path, name: str, number: int, text: str, told: str):
    folder = files.beir(tmp_path / "set", files.made())
    line(folder / name, number, text)
    with pytest.raises(DataError, match=told) as error:
        passage_set.read(folder)
    assert str(error.value).startswith(str(folder / name))


def test_files_that_are_cut_off_or_in_another_encoding(tmp_path: Path):
    folder = files.beir(tmp_path / "set", files.made())
    whole = (folder / "corpus.jsonl").read_bytes()
    (folder / "corpus.jsonl").write_bytes(whole[:400] + b"\xff\xfe" + whole[400:])
    with pytest.raises(DataError, match=r"corpus.jsonl, line \d+: not UTF-8"):
        passage_set.read(folder)
    (folder / "corpus.jsonl").unlink()
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(whole)[:-30])
    with pytest.raises(DataError, match=r"corpus.jsonl.gz, after line .*: damaged or cut off"):
        passage_set.read(folder)
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match=r"corpus.jsonl.gz: no document in it"):
        passage_set.read(folder)
    marco = files.msmarco(tmp_path / "marco", files.made())
    (marco / "collection.tsv").write_text("0\ttext\n1 text\n")
    with pytest.raises(DataError, match=r"collection.tsv, line 2: 1 column\(s\), expected 2: passage id, text"):
        passage_set.read(marco)
    assert not list((tmp_path / "cache").rglob(".making-*")), "nothing half made is left"


def test_ids_that_occur_twice_or_that_nobody_knows(tmp_path: Path):
    made = files.made()
    folder = files.beir(tmp_path / "set", made)
    with open(folder / "corpus.jsonl", "a") as file:
        file.write(json.dumps({"_id": "00", "text": "again"}) + "\n")
    with open(folder / "qrels" / "test.tsv", "a") as file:
        file.write("stranger\t00\t1\nq30\tnowhere\t2\n" + "\t".join(map(str, made.qrels["test"][0])) + "\n")
    found = {line.what: line for line in passage_check.findings(folder)}
    assert found["ids of documents"].right is False and "1 (00) occur twice" in found["ids of documents"].found
    assert found["test, queries"].right is False and "1 (stranger)" in found["test, queries"].found
    assert "1 (nowhere) judged documents are not in the collection" in found["test, absent"].found
    assert "1 rows judge a pair again" in found["test, again"].found
    with pytest.raises(DataError, match=r"ids of documents that occur twice: 1 \(00\)"):
        passage_set.load(str(folder), "", "", "english")
    clean = files.beir(tmp_path / "clean", made)
    with open(clean / "qrels" / "test.tsv", "a") as file:
        file.write("stranger\t00\t1\n")
    with pytest.raises(DataError, match=r"test.tsv: judges queries that the queries' file lacks: 1 \(stranger\)"):
        passage_set.load(str(clean), "", "", "english")


def test_of_a_pair_judged_twice_the_higher_grade_holds(tmp_path: Path):
    made = files.made()
    query, document, _ = made.qrels["test"][0]
    made.qrels["test"] += [(query, document, 3), (query, document, 0)]
    judged = passage_set.read(files.beir(tmp_path / "set", made)).splits["test"]
    assert judged.repeated == 2 and 3 in judged.of(int(judged.query[judged.grade == 3][0]))[1]


def test_the_collection_that_is_meant_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = files.beir(tmp_path / "data" / "mine", files.made())
    monkeypatch.setenv("KDBENCH_DATA", str(tmp_path / "data"))
    found = passage_set.read(folder).fingerprint
    with pytest.raises(DataError, match=rf"say which passages are meant: params: {{content: {found}}}"):
        passage_set.load("", "mine", "", "english")
    with pytest.raises(DataError, match="these are not the passages of param `content`"):
        passage_set.load("", "mine", "0" * 64, "english")
    assert passage_set.load("", "mine", found, "english").folder == folder
    with pytest.raises(DataError, match=r"it is not in .*data or in yours under it .*corpus.jsonl"):
        passage_set.load("", "yours", found, "english")


def test_splits_follow_the_set_and_else_the_content_of_the_queries():
    texts = [f"query {n}" for n in range(200)]
    all_ = passage_split.parts({"test": range(200)}, texts)
    assert [len(all_[name]) for name in ("train", "val", "test")] == [80, 40, 80]
    assert sorted(query for queries in all_.values() for query in queries) == list(range(200))
    renamed = list(reversed(range(200)))
    again = passage_split.parts({"test": range(200)}, [texts[n] for n in renamed])
    for name, queries in all_.items():
        assert {texts[q] for q in queries} == {texts[renamed[q]] for q in again[name]}, "by the text, whatever the number"
    three = passage_split.parts({"train": range(100), "dev": range(100, 120), "test": range(120, 200)}, texts)
    assert [sorted(three[name]) for name in ("train", "val", "test")] == [[*range(100)], [*range(100, 120)], [*range(120, 200)]]
    marco = passage_split.parts({"train": range(100), "dev": range(100, 200)}, texts)
    assert sorted(marco["test"]) == [*range(100, 200)] and len(marco["val"]) == 10 and len(marco["train"]) == 90
    quora = passage_split.parts({"dev": range(100), "test": range(100, 200)}, texts)
    assert len(quora["train"]) == len(quora["val"]) == 50


def test_a_text_stands_in_one_part_only():
    texts = [f"query {n // 4}" for n in range(100)] + ["Query  0"]
    parts = passage_split.parts({"test": range(100)}, texts)
    marks = {name: {texts[q] for q in queries} for name, queries in parts.items()}
    assert not marks["train"] & marks["test"] and not marks["train"] & marks["val"] and not marks["val"] & marks["test"]
    leaky = passage_split.parts({"train": range(50), "dev": range(50, 60), "test": [60, 100]}, texts)
    assert all(texts[q] not in ("query 0", "query 15") for q in leaky["train"] + leaky["val"])


def test_a_check_names_leaks_and_grades(tmp_path: Path):
    made = files.made()
    made.qrels["test"].append(("q30", "00", -1))
    made.queries["q24"] = made.queries["q2"]
    positive = {q: d for q, d, _ in made.qrels["train"]}
    made.qrels["test"] += [(f"q{30 + n}", positive[f"q{4 + n}"], 1) for n in range(5)]
    found = {line.what: line for line in passage_check.findings(files.beir(tmp_path / "set", made))}
    assert found["test, undefined"].found.startswith("1 rows of negative grade")
    assert found["same text"].right is False and found["same text"].found.startswith("1 queries of test")
    learnt = {d for q, d, _ in made.qrels["train"] if q != "q2"}
    wanted = {q: {d for p, d, g in made.qrels["test"] if p == q and g > 0} for q, _, _ in made.qrels["test"]}
    dropped = passage_split.parts({"train": range(24), "test": range(24, 36)}, list(made.queries.values()))["val"]
    learnt = {d for q, d, _ in made.qrels["train"] if q != "q2" and int(q[1:]) not in dropped}
    count = sum(bool(learnt & documents) for documents in wanted.values())
    assert found["leaks"].found.startswith(f"{count:,} test queries") and count > 0
    assert "8 queries without judgements" in found["unjudged"].found


@pytest.mark.slow
def test_cranfield_is_what_is_known_of_it():
    """Needs KDBENCH_DATA."""
    try:
        folder = passage_set.find(ROOT, "cranfield")
    except DataError:
        pytest.skip("cranfield is not under KDBENCH_DATA")
    lines = passage_check.cranfield_findings(folder)
    assert all(line.right is not False for line in lines) and len([line for line in lines if line.known]) == 5
