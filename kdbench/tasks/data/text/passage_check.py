"""Looks at collections of passages: counts, grades, what is empty or there twice, unknown ids, and what leaks into the test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data.findings import Finding, against, identified
from kdbench.tasks.data.place import Place
from kdbench.tasks.data.text import passage_given, passage_set, passage_split, passage_texts
from kdbench.tasks.data.text.passage_lists import too_few
from kdbench.tasks.data.text.passage_set import PassageSet, named

PLACE = Place(
    "cranfield",
    ("cranfield",),
    "corpus.jsonl, queries.jsonl and qrels/test.tsv (BEIR's layout), grades 1 to 4 with 4 the best, -1 undefined",
    "lay out cran.all.1400, cran.qry and cranqrel so; the collection's own scale has 1 for the best and is turned round",
)
CRANFIELD = "6daca1199b2b1a6d3d22756f345e01693df3640ba5576093656e553b079edf29"


def findings(folder: Path) -> list[Finding]:
    """A collection of which nothing is known beforehand."""
    found = passage_set.read(folder)
    lines = [Finding("layout", found.layout.name), *_documents(found), *_queries(found)]
    for split in found.splits:
        lines += _judgements(found, split)
    lines += [*_division(found), *_lists(found)]
    return [*lines, identified(found.fingerprint)]


def splits(folder: Path) -> Iterator[tuple[str, str]]:
    """query and split of every judged query."""
    found = passage_set.read(folder)
    for split, queries in passage_split.parts(found.judged_queries(), found.texts).items():
        for query in queries:
            yield found.names[query], split


def cranfield_findings(folder: Path) -> list[Finding]:
    """The same, beside what is known of Cranfield in the layout that PLACE asks for."""
    found = passage_set.read(folder)
    judged = found.splits.get("test")
    rows, undefined = (len(judged.grade), int((judged.grade < 0).sum())) if judged else (0, 0)
    known = [
        against("documents", f"{len(found.store):,}", "1,400"),
        against("queries", f"{len(found.names):,}", "225"),
        against("defined rows", f"{rows - undefined:,}", "1,612"),
        against("undefined rows", f"{undefined:,}", "225"),
        identified(found.fingerprint, known=CRANFIELD),
    ]
    return [*known, *(line for line in findings(folder) if line.what not in {each.what for each in known})]


def _documents(found: PassageSet) -> list[Finding]:
    lengths = np.diff(found.store.offsets)
    empty = found.store.ids[lengths == 0]
    lines = [
        _enough(found),
        Finding("words", f"{len(found.store.words):,} different, {lengths.mean():.0f} a document, at most {lengths.max():,}"),
    ]
    if len(empty):
        lines.append(Finding("empty", f"{named(tuple(name.decode() for name in empty))} documents without a word"))
    again = _equal(found)
    if again:
        lines.append(Finding("doubles", f"{again:,} documents have the words of another, in the same order"))
    return lines + _twice(found, "documents")


def _enough(found: PassageSet) -> Finding:
    """Too few to mine lists from is wrong, unless the folder has lists, which may be all that a suite asks for."""
    few = too_few(found)
    return Finding(
        "documents", few or f"{len(found.store):,}", right=False if few and not passage_given.files(found.folder) else None
    )


def _equal(found: PassageSet) -> int:
    """How many documents say what an earlier one says."""
    seen: set[int] = set()
    offsets = np.asarray(found.store.offsets)
    again = 0
    for number in np.flatnonzero(np.diff(offsets)):
        said = hash(found.store.document(int(number)).tobytes())
        again += said in seen
        seen.add(said)
    return again


def _twice(found: PassageSet, what: str) -> list[Finding]:
    ids = found.twice[what]
    return [Finding(f"ids of {what}", f"{named(ids)} occur twice" if ids else "each once", right=not ids)]


def _queries(found: PassageSet) -> list[Finding]:
    return [
        Finding("queries", f"{len(found.names):,}"),
        Finding("unjudged", f"{len(found.unjudged()):,} queries without judgements: they serve as unlabelled ones"),
        *_twice(found, "queries"),
        *_identical(found),
    ]


def _identical(found: PassageSet) -> list[Finding]:
    """Queries that stand among the documents under their own id; ids that coincide by numbering alone are no matter."""
    own = found.store.number(list(found.names))
    same = 0
    for query in np.flatnonzero(own >= 0).tolist():
        words = set(found.words(query).tolist())
        same += bool(words) and words <= set(found.store.document(int(own[query])).tolist())
    told = f"{same:,} queries stand among the documents under their own id: params: {{identical_ids: drop}}"
    return [Finding("identical ids", told)] if same else []


def _judgements(found: PassageSet, split: str) -> list[Finding]:
    judged = found.splits[split]
    grades = Counter(judged.grade.tolist())
    told = ", ".join(f"{count:,} of grade {grade}" for grade, count in sorted(grades.items(), reverse=True))
    queries = np.unique(judged.query)
    lines = [Finding(split, f"{len(judged.query):,} judgements of {len(queries):,} queries: {told}")]
    without = len(queries) - len(np.unique(judged.query[judged.grade > 0]))
    if without:
        lines.append(Finding(f"{split}, nothing", f"{without:,} queries have no relevant document: they have no score"))
    undefined = sum(count for grade, count in grades.items() if grade < 0)
    if undefined:
        lines.append(Finding(f"{split}, undefined", f"{undefined:,} rows of negative grade: dropped from rankings by default"))
    if judged.repeated:
        lines.append(Finding(f"{split}, again", f"{judged.repeated:,} rows judge a pair again: the higher grade holds"))
    if found.absent[split]:
        what = f"{named(found.absent[split])} judged documents are not in the collection: they stay in the ideal ranking"
        lines.append(Finding(f"{split}, absent", what))
    strangers = found.strangers[split]
    what = f"{named(strangers)} are not among the queries" if strangers else "all are known"
    return [*lines, Finding(f"{split}, queries", what, right=not strangers)]


def _division(found: PassageSet) -> list[Finding]:
    """The division that the task makes, and what the test shares with what is learnt from."""
    judged = found.judged_queries()
    parts = passage_split.parts(judged, found.texts)
    own = " and ".join(found.splits)
    counted = ", ".join(f"{len(queries):,} {name}" for name, queries in parts.items())
    lines = [Finding("division", f"{counted}, from {own}", right=None if all(parts.values()) else False)]
    wanted = {name: [_relevant(found, query) for query in queries] for name, queries in parts.items()}
    learnt = set().union(*wanted["train"])
    shared = sum(bool(learnt & each) for each in wanted["test"])
    share = f"{shared / max(1, len(parts['test'])):.0%}"
    lines.append(Finding("leaks", f"{shared:,} test queries ({share}) want a training positive (params.clean)"))
    marks = {split: {passage_split.mark(found.texts[query]) for query in queries} for split, queries in judged.items()}
    both = {split: len(marks["test"] & own) for split, own in marks.items() if "test" in marks and split != "test"}
    for split, count in both.items():
        what = f"{count:,} queries of test are, word for word, also in {split}: there they are left out"
        lines.append(Finding("same text", what, right=not count))
    return lines


def _relevant(found: PassageSet, query: int) -> set[int]:
    documents, grades = found.judgements(query)
    return set(documents[grades > 0].tolist())


def _lists(found: PassageSet) -> list[Finding]:
    lines = []
    for path in passage_given.files(found.folder):
        try:
            lists = passage_given.read(found, path)
        except DataError as error:
            lines.append(Finding(f"lists {path.stem}", str(error), right=False))
            continue
        size = f"{len(lists.query):,} lists of {lists.documents.shape[1]}{'' if lists.scores is None else ', with scores'}"
        lines.append(Finding(f"lists {path.stem}", f"{size}: params: {{lists: {passage_given.address(path.stem, lists)}}}"))
    return lines


def sheet(folder: Path, path: Path) -> None:
    """Some test queries in words."""
    found = passage_set.read(folder)
    tests = passage_split.parts(found.judged_queries(), found.texts)["test"]
    path.write_text(passage_texts.shown(found, tests[:3]), encoding="utf-8")
