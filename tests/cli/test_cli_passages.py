"""`kdbench data` on passages: a folder of one's own is checked, given scores and lists, and runs by its fingerprint."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from cli_bench import Bench

sys.path.append(str(Path(__file__).parents[1] / "tasks"))
import passage_files as files

SUITE = """\
version: 1
name: own
tasks:
  - task: passages
    params: {{root: {root}, content: {content}, titles: 6, document_words: 20, query_words: 6{more}}}
    pairs:
      - name: tiny
        teacher: {{model: dense_text, recipe: {{steps: 2, batch: 8}}}}
        student: {{model: dense_text, recipe: {{steps: 2, batch: 8}}}}
    methods: [{methods}]
sources:
  scores: {{source: given, teachers: 0}}
"""


@pytest.fixture
def folder(bench: Bench) -> Path:
    return files.beir(bench.folder / "set", files.made(dev=6))


def test_a_folder_is_checked_and_runs_by_its_fingerprint(bench: Bench, folder: Path):
    made = files.made(dev=6)
    names = list(made.documents)
    relevant = {q: d for q, d, _ in made.qrels["train"]}
    rows = [(d if n else relevant.get(q, d), q, n) for q in made.queries for n, d in enumerate(names[:6])]
    bench.write("ce.trec", "".join(f"{q} Q0 {d} {n} {9 - n / 2} ce\n" for d, q, n in rows))
    cache = str(bench.folder / "cache")
    checked, told, shown = bench.many(
        f"data check passages --root {folder} --json",
        f"data convert run ce.trec --to {folder} --depth 6 --positives",
        f"data sample passages look.txt --root {folder}",
        KDBENCH_CACHE=cache,
    )
    assert checked.code == told.code == shown.code == 0, checked.err + told.err + shown.err
    assert (bench.folder / "look.txt").read_text().startswith("query q")
    findings = {line["what"]: line["found"] for line in json.loads(checked.out)["findings"]}
    assert findings["documents"] == "240" and findings["division"].startswith("24 train, 6 val, 12 test")
    content = findings["fingerprint"].split(":")[0]
    address = told.out.split("params: {lists: ")[1].strip().rstrip("}")
    assert "with scores (source: given)" in told.out and address.startswith("ce@")
    methods = "kd, {method: margin_mse, source: scores}"
    bench.write("own.yaml", SUITE.format(root=folder, content=content, more=f", lists: {address}", methods=methods))
    bench("run", "own.yaml", code=0, KDBENCH_CACHE=cache)
    moved = folder.rename(bench.folder / "elsewhere")
    bench.write("own.yaml", SUITE.format(root=moved, content=content, more=f", lists: {address}", methods=methods))
    assert set(bench.states("own.yaml").values()) == {"cached"}, "where it lies is no part of identity"


def test_what_cannot_be_converted_or_found_is_said(bench: Bench, folder: Path):
    bench.write("bad.tsv", "q1\t00\n")
    other, kind, lines, name, missing = bench.many(
        "data check passages --root nowhere",
        f"data convert triple bad.tsv --to {folder}",
        f"data convert triples bad.tsv --to {folder}",
        f"data convert triples bad.tsv --to {folder} --name a@b",
        f"data convert run nothing.trec --to {folder}",
        KDBENCH_CACHE="cache",
    )
    assert other.code == 2 and "corpus.jsonl, queries.jsonl and qrels/" in other.err
    assert kind.code == 2 and "did you mean 'triples'?" in kind.err
    assert lines.code == 2 and "bad.tsv, line 1: 2 column(s), expected 3" in lines.err
    assert name.code == 2 and "expected a plain name" in name.err
    assert missing.code == 2 and "nothing.trec: No such file" in missing.err
    assert not (folder / "lists").exists()
