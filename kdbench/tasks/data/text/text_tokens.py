"""Texts as words, without a library: lower case, runs of letters and digits, and for English no stop words and no plural s.

The stop words are the 33 of Lucene's EnglishAnalyzer; the plural rule is D. Harman's S-stemmer (How effective is suffixing?
Journal of the American Society for Information Science 42(1), 1991). The choice moves figures more than BM25's constants do, so
it is a parameter of the task and part of a result's identity.
"""

from __future__ import annotations

import re
from typing import Literal

Language = Literal["english", "plain"]
WORD = re.compile(r"[^\W_]+")
LONGEST = 40  # letters of a word that count: what is longer is no word, and a table of words stays small
STOP = frozenset(
    WORD.findall(
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they this to was "
        "will with"
    )
)


def singular(word: str) -> str:
    """Harman's three rules, the first that applies; short words are left alone."""
    if len(word) <= 3 or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word if word.endswith(("eies", "aies")) else word[:-3] + "y"
    if word.endswith("es"):
        return word if word.endswith(("aes", "ees", "oes")) else word[:-1]
    return word if word.endswith(("us", "ss")) else word[:-1]


def words_of(text: str, language: Language) -> list[str]:
    found = [word[:LONGEST] for word in WORD.findall(text.lower())]
    return found if language == "plain" else [singular(word) for word in found if word not in STOP]
