"""Text for terminals: what is cut, what is wrapped, and what never is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbench.cli import exits, text, warm


@given(st.text(max_size=60), st.integers(4, 50), st.integers(0, 12))
def test_cut_keeps_both_ends_and_never_exceeds(words, room, tail):
    short = text.cut(words, room, tail)
    assert len(short) <= room
    if len(words) <= room:
        assert short == words
    else:
        assert "…" in short
        kept = short.partition("…")[2]
        assert words.endswith(kept)


def test_a_seed_survives():
    assert text.cut("digits logit_std(kd[T=1,task=0]) seed 12", 20, 9) == "digits log…) seed 12"


def test_a_terminal_wraps_and_a_pipe_does_not(monkeypatch: pytest.MonkeyPatch):
    words = "one two three four five six seven eight nine ten eleven twelve"
    monkeypatch.delenv("COLUMNS", raising=False)
    assert text.wrapped(words, 4, "a") == f"a   {words}"
    monkeypatch.setenv("COLUMNS", "40")
    assert text.wrapped(words, 4, "a") == "a   one two three four five six seven\n    eight nine ten eleven twelve"
    assert text.definitions({"T": "temperature", "weight": "share"}, indent=2) == "  T       temperature\n  weight  share"
    assert text.definitions({"T": "temperature", "w" * 30: "share"}) == f"T  temperature\n{'w' * 30}\n   share"


def test_own_errors_speak_for_themselves():
    assert text.without_class("kdbench.results.files.StorageError: no space") == "no space"
    assert text.without_class("ValueError: kdbench.x: no") == "ValueError: kdbench.x: no"


def test_counts_and_plain_words():
    assert [text.count(n, "job") for n in (0, 1, 12000)] == ["0 jobs", "1 job", "12,000 jobs"]
    assert text.plain({"a": [1, 2], "b": {"c": True, "d": None}}) == "a: 1, 2, b (c: yes, d: none)"


def test_the_worst_exit_code_has_the_settled_order():
    assert exits.worst([exits.Exit.claim_failed, exits.Exit.incomplete]) is exits.Exit.incomplete
    assert exits.worst([exits.Exit.claim_failed, exits.Exit.usage, exits.Exit.ok]) is exits.Exit.usage
    assert exits.worst([exits.Exit.ok]) is exits.Exit.ok
    assert exits.worst([]) is exits.Exit.ok


def test_only_our_own_modules_are_imported_before_jobs_fork():
    own = {"task": "kdbench.tasks.classification:Digits", "method": "/home/me/mine.py:Mine", "source": "others.package:Source"}
    found = warm.modules([own, own])
    assert found[: len(warm.ALWAYS)] == warm.ALWAYS
    assert set(found[len(warm.ALWAYS) :]) == {"kdbench.tasks.classification", "sklearn.datasets"}
    assert warm.modules([]) == warm.ALWAYS


def test_no_word_is_broken(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    fingerprint = 64 * "a"
    assert text.wrapped(f"what {fingerprint}", 4, "a").splitlines() == ["a   what", f"    {fingerprint}"]
