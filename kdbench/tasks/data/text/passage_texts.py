"""What is read of a collection's texts themselves, in one more pass over the file: titles as queries, and texts to look at."""

from __future__ import annotations

import numpy as np

from kdbench.tasks.data.text.passage_set import PassageSet
from kdbench.tasks.data.text.text_tokens import words_of


def titles(found: PassageSet, most: int) -> list[tuple[int, np.ndarray]]:
    """Documents by number with the words of their titles, the first `most` that have one, in the order of their digests."""
    told = {}
    for document in found.layout.documents(found.folder):
        if document.title.strip():
            told[document.id] = document.title
    names = list(told)
    numbers = found.store.number(names)
    by_digest = sorted(range(len(names)), key=lambda row: found.store.marks[numbers[row]].tobytes())[:most]
    words = [(int(numbers[row]), words_of(told[names[row]], found.language)) for row in by_digest]
    numbered = ((number, [found.vocabulary[word] for word in title if word in found.vocabulary]) for number, title in words)
    return [(number, np.array(title, np.int64)) for number, title in numbered]


def shown(found: PassageSet, queries: list[int]) -> str:
    """These queries in words, each with a document of every grade that it has."""
    wanted: dict[int, list[tuple[int, str]]] = {query: [] for query in queries}
    for query in queries:
        for judged in found.splits.values():
            documents, grades = judged.of(query)
            for grade in sorted(set(grades.tolist()), reverse=True):
                number = int(documents[grades == grade][0])
                if number < len(found.store):
                    wanted[query].append((grade, found.store.ids[number].decode()))
    needed = {name for pairs in wanted.values() for _, name in pairs}
    texts = {document.id: document.whole() for document in found.layout.documents(found.folder) if document.id in needed}
    lines = []
    for query, pairs in wanted.items():
        lines.append(f"query {found.names[query]}: {found.texts[query]}")
        lines += [f"  grade {grade:2}  {name}  {' '.join(texts[name].split())[:200]}" for grade, name in pairs]
        lines.append("")
    return "\n".join(lines)
