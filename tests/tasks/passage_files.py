"""Small collections in exactly the published layouts, out of made-up words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

DOCUMENTS = 240


@dataclass
class Made:
    """A collection in memory: what a test may change before it is written."""

    documents: dict[str, tuple[str, str]]  # id -> title, text
    queries: dict[str, str]
    qrels: dict[str, list[tuple[str, str, int]]] = field(default_factory=dict)


def word(number: int) -> str:
    return "".join("bdfgklmnprtv"[(number // 12**place) % 12] + "aeiou"[(number + place) % 5] for place in range(3))


def made(seed: int = 0, train: int = 24, dev: int = 0, test: int = 12, free: int = 8) -> Made:
    """Documents of one of 24 topics; a query names its topic, and documents of the topic are relevant to it."""
    rng = np.random.default_rng(seed)
    names = [f"{'MED-' if n % 2 else '0'}{n}" for n in range(DOCUMENTS)]
    documents = {}
    for n, name in enumerate(names):
        topic = n % 24
        words = [word(1 + topic * 4 + rng.integers(4)) for _ in range(4)] + [
            word(200 + int(rng.zipf(1.6)) % 60) for _ in range(8)
        ]
        rng.shuffle(words)
        title = " ".join(words[:3]) if n % 3 else ""
        documents[name] = (title, " ".join(words))
    queries, qrels = {}, {"train": [], "dev": [], "test": []}
    splits = ["train"] * train + ["dev"] * dev + ["test"] * test + ["free"] * free
    for n, split in enumerate(splits):
        topic = n % 24
        queries[f"q{n}"] = f"{word(1 + topic * 4)} {word(2 + topic * 4)} {word(200 + n % 60)} {n}"
        if split != "free":
            for place in range(3):
                qrels[split].append((f"q{n}", names[topic + 24 * ((n + place) % 10)], 1 + place % 2))
    return Made(documents, queries, {split: rows for split, rows in qrels.items() if rows})


def beir(folder: Path, collection: Made, shuffled: int | None = None, end: str = "\n", bom: bool = False) -> Path:
    """The layout of BEIR, its lines in the order given or shuffled."""
    rng = np.random.default_rng(shuffled)

    def written(path: Path, lines: list[str], head: list[str]) -> None:
        order = range(len(lines)) if shuffled is None else rng.permutation(len(lines)).tolist()
        path.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(line + end for line in [*head, *(lines[row] for row in order)])
        path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + text.encode())

    rows = [json.dumps({"_id": name, "title": title, "text": text}) for name, (title, text) in collection.documents.items()]
    written(folder / "corpus.jsonl", rows, [])
    written(
        folder / "queries.jsonl", [json.dumps({"_id": k, "text": v, "metadata": {}}) for k, v in collection.queries.items()], []
    )
    for split, judged in collection.qrels.items():
        written(folder / "qrels" / f"{split}.tsv", [f"{q}\t{d}\t{g}" for q, d, g in judged], ["query-id\tcorpus-id\tscore"])
    return folder


def msmarco(folder: Path, collection: Made) -> Path:
    """The layout of MS MARCO: no header anywhere, TREC judgements, dev as dev.small."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [
        f"{name}\t{title} {text}\n" if title else f"{name}\t{text}\n" for name, (title, text) in collection.documents.items()
    ]
    (folder / "collection.tsv").write_text("".join(lines))
    split_of = {q: split for split, rows in collection.qrels.items() for q, _, _ in rows}
    for split, name in (("train", "train"), ("dev", "dev.small")):
        own = [q for q in collection.queries if split_of.get(q, "train") == split]
        (folder / f"queries.{name}.tsv").write_text("".join(f"{q}\t{collection.queries[q]}\n" for q in own))
        rows = collection.qrels.get(split, [])
        (folder / f"qrels.{name}.tsv").write_text("".join(f"{q}\t0\t{d}\t{g}\n" for q, d, g in rows))
    return folder
