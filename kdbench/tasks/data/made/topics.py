"""The built-in collection `topics`: generated documents, queries and graded relevance, with synonyms and distractors.

A document states two or three facts (an entity and an attribute) of one topic, each within a short window of words. A query
names one fact by other surface forms. Telling a stated fact from the same two concepts in different facts takes word order:
an interaction net sees it, a bag of words cannot. That gap is what a teacher has over its student here.

Every part draws from a stream of its own, word by word, so that changing the count of one part changes no other part, and a
larger count only appends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kdbench.tasks.data.random_numbers import Stream

SEED = 20_261_121  # drawn after all tuning, which saw another seed's collection
DOCUMENT_WORDS, QUERY_WORDS = 18, 6
FORMS, TOPIC_WORDS, FILLERS = 3, 5, 100
ENTITIES_PER_TOPIC, ATTRIBUTES, GROUP = 10, 40, 5
PREFERRED, PREFERENCE = 6, 0.85
SAME_ENTITY = 0.4
FORM_SHARE = (0.6, 0.3, 0.1)
HOMONYMS = 0.1
TOPIC_WORD_IN_QUERY = 0.35
ASKED_FROM = 2  # a query asks for facts that at least so many documents state
HELD_OUT = {"test": 0.2, "val": 0.1}  # shares of the facts that no training query names
PARTS = ("labelled", "pool", "val", "test")


@dataclass(frozen=True)
class Sizes:
    """How much of everything; `topics` sets the number of entities and so of words."""

    documents: int
    topics: int
    labelled: int
    pool: int
    val: int
    test: int


SIZES = {
    "full": Sizes(documents=2000, topics=12, labelled=300, pool=2400, val=50, test=150),
    "small": Sizes(documents=800, topics=6, labelled=150, pool=600, val=30, test=60),
}


@dataclass(frozen=True, eq=False)
class Queries:
    """Token rows, the fact that each query asks for, and the grade of every document."""

    tokens: np.ndarray  # int32 [Q, QUERY_WORDS], 0 pads
    facts: np.ndarray  # int32 [Q, 2]: entity, attribute
    grades: np.ndarray  # int8 [Q, documents]: 3 the fact, 2 entity and kindred attribute, 1 entity, 0 else


@dataclass(frozen=True, eq=False)
class Collection:
    """Everything generated. `words[0]` is the padding."""

    words: tuple[str, ...]
    documents: np.ndarray  # int32 [D, DOCUMENT_WORDS]
    facts: np.ndarray  # int32 [D, 3, 2], -1 pads
    queries: Mapping[str, Queries]

    def text(self, tokens: Sequence[int] | np.ndarray) -> str:
        return " ".join(self.words[int(t)] for t in tokens if t)

    def digest(self) -> str:
        """A hash of everything generated."""
        state = hashlib.sha256("\n".join(self.words).encode())
        for array in (
            self.documents,
            self.facts,
            *(a for q in self.queries.values() for a in (q.tokens, q.facts, q.grades)),
        ):
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Word ids of every concept. Entities come first among the concepts, attributes after them."""

    words: tuple[str, ...]
    forms: np.ndarray  # [concepts, FORMS]
    topic_words: np.ndarray  # [topics, TOPIC_WORDS]
    fillers: np.ndarray  # [FILLERS]
    filler_share: np.ndarray  # cumulative
    entities: int


def _names(stream: Stream, n: int) -> tuple[str, ...]:
    consonants, vowels = "bdfghklmnprstv", "aeiou"
    seen: dict[str, None] = {"": None}
    while len(seen) <= n:
        syllables = 2 + stream.below(3)
        seen["".join(consonants[stream.below(14)] + vowels[stream.below(5)] for _ in range(syllables))] = None
    return tuple(seen)


def _lexicon(seed: int, topics: int) -> Lexicon:
    stream = Stream(seed, f"words of {topics} topics")
    entities = topics * ENTITIES_PER_TOPIC
    concepts = entities + ATTRIBUTES
    forms = np.arange(1, concepts * FORMS + 1).reshape(concepts, FORMS)
    start = concepts * FORMS + 1
    topic_words = np.arange(start, start + topics * TOPIC_WORDS).reshape(topics, TOPIC_WORDS)
    start += topics * TOPIC_WORDS
    words = _names(stream, start + FILLERS - 1)
    # Homonyms: some concepts lose their rarest form to that of another concept; the word they would have had is never used.
    order = stream.order(concepts)
    n = round(HOMONYMS * concepts)
    forms[order[:n], -1] = forms[order[n : 2 * n], -1]
    share = np.cumsum(1.0 / np.arange(1, FILLERS + 1))
    return Lexicon(words, forms, topic_words, np.arange(start, start + FILLERS), share, entities)


def _fill(stream: Stream, lexicon: Lexicon) -> list[int]:
    """One to three fillers."""
    return [int(lexicon.fillers[stream.by_share(lexicon.filler_share)]) for _ in range(1 + stream.below(3))]


def _fact(stream: Stream, topic: int, preferred: list[np.ndarray], stated: list[tuple[int, int]]) -> tuple[int, int]:
    """One more fact of the topic, often about the entity that the document began with."""
    while True:
        again = bool(stated) and stream.chance() < SAME_ENTITY
        entity = stated[0][0] if again else topic * ENTITIES_PER_TOPIC + stream.below(ENTITIES_PER_TOPIC)
        liked = stream.chance() < PREFERENCE
        attribute = int(preferred[entity][stream.below(PREFERRED)]) if liked else stream.below(ATTRIBUTES)
        if (entity, attribute) not in stated:
            return entity, attribute


def _documents(seed: int, sizes: Sizes, lexicon: Lexicon) -> tuple[np.ndarray, np.ndarray]:
    taste = Stream(seed, "preferences")
    preferred = [taste.order(ATTRIBUTES)[:PREFERRED] for _ in range(lexicon.entities)]
    stream = Stream(seed, "documents")
    form_share = np.cumsum(FORM_SHARE)
    tokens = np.zeros((sizes.documents, DOCUMENT_WORDS), np.int32)
    facts = np.full((sizes.documents, 3, 2), -1, np.int32)
    for row in range(sizes.documents):
        topic = stream.below(sizes.topics)
        stated: list[tuple[int, int]] = []
        forms: dict[int, int] = {}  # one form a concept and document: synonyms never meet, so they cannot be read off
        text: list[int] = []
        for _ in range(2 + stream.below(2)):
            fact = _fact(stream, topic, preferred, stated)
            stated.append(fact)
            window = [int(lexicon.topic_words[topic, stream.below(TOPIC_WORDS)]), *_fill(stream, lexicon)]
            for concept in (fact[0], lexicon.entities + fact[1]):
                form = int(lexicon.forms[concept, stream.by_share(form_share)])
                window.append(forms.setdefault(concept, form))
            text += [window[i] for i in stream.order(len(window))]
        tokens[row, : len(text)] = text
        facts[row, : len(stated)] = stated
    return tokens, facts


def _grades(asked: np.ndarray, facts: np.ndarray) -> np.ndarray:
    """[Q, D]: the best grade over a document's facts."""
    entity = facts[None, :, :, 0] == asked[:, None, None, 0]
    attribute = facts[None, :, :, 1] == asked[:, None, None, 1]
    kindred = facts[None, :, :, 1] // GROUP == asked[:, None, None, 1] // GROUP
    return (entity * (1 + kindred.astype(np.int8) + attribute.astype(np.int8))).max(-1).astype(np.int8)


def _split_facts(seed: int, facts: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Facts that documents state, with their counts, shared out so that val and test ask for nothing that training asks for."""
    stated, counts = np.unique(facts[facts[..., 0] >= 0], axis=0, return_counts=True)
    stated, counts = stated[counts >= ASKED_FROM], counts[counts >= ASKED_FROM]
    order = Stream(seed, "split of facts").order(len(stated))
    test = round(HELD_OUT["test"] * len(order))
    val = test + round(HELD_OUT["val"] * len(order))
    shares = {"test": order[:test], "val": order[test:val], "train": order[val:]}
    return {name: (stated[rows], counts[rows]) for name, rows in shares.items()}


def _queries(
    seed: int, part: str, n: int, facts: np.ndarray, counts: np.ndarray, lexicon: Lexicon, stated: np.ndarray
) -> Queries:
    """Queries of one part. Held-out parts ask for each fact once; training asks for frequent facts more often."""
    once = part in HELD_OUT
    if once and n > len(facts):
        raise ValueError(f"{part} has {len(facts)} facts to ask for, {n} queries were wanted")
    turns = Stream(seed, f"facts of {part}")
    share = np.cumsum(counts)
    rows = turns.weighted_order(counts.astype(float))[:n] if once else [turns.by_share(share) for _ in range(n)]
    stream = Stream(seed, f"queries of {part}")
    tokens = np.zeros((n, QUERY_WORDS), np.int32)
    asked = facts[np.asarray(rows, dtype=int)].astype(np.int32)
    for row, (entity, attribute) in enumerate(asked):
        text = [int(lexicon.forms[c, stream.below(FORMS)]) for c in (entity, lexicon.entities + attribute)]
        if stream.chance() < TOPIC_WORD_IN_QUERY:
            text.append(int(lexicon.topic_words[entity // ENTITIES_PER_TOPIC, stream.below(TOPIC_WORDS)]))
        text += _fill(stream, lexicon)
        tokens[row, : len(text)] = [text[i] for i in stream.order(len(text))]
    return Queries(tokens, asked, _grades(asked, stated))


def generate(sizes: Sizes, seed: int = SEED) -> Collection:
    """The collection of these sizes: the same on every machine."""
    lexicon = _lexicon(seed, sizes.topics)
    documents, stated = _documents(seed, sizes, lexicon)
    split = _split_facts(seed, stated)
    queries = {
        part: _queries(seed, part, getattr(sizes, part), *split.get(part, split["train"]), lexicon, stated) for part in PARTS
    }
    return Collection(lexicon.words, documents, stated, queries)
