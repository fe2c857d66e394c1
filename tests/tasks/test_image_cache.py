"""The cache of decoded data keeps to its limit: what was used longest ago goes, never what somebody uses."""

import gc
import os

import numpy as np
import pytest
import torch

from kdbench.contract.errors import DataError
from kdbench.tasks.data import array_cache, cache_budget

pytestmark = pytest.mark.usefixtures("own_cache")

SIZE = 10_000  # bytes of an array here; a file has a header of 128 more


def array(name: str, value: int = 1) -> np.ndarray:
    def fill(rows: np.ndarray) -> None:
        rows[:] = value

    return array_cache.kept(array_cache.folder() / (name * 24) / "pixels-8.npy", (SIZE,), fill)


def shelves() -> set[str]:
    return {path.name[0] for path in array_cache.folder().iterdir() if path.is_dir()}


def let_go(name: str, ago: int) -> None:
    """Shelves whose arrays nobody has any more, used so many seconds ago."""
    gc.collect()
    mark = array_cache.folder() / (name * 24) / cache_budget.MARK
    when = mark.stat().st_mtime - ago
    os.utime(mark, (when, when))


def test_the_longest_unused_makes_room(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(cache_budget.VARIABLE, "24K")
    array("a"), array("b")
    let_go("a", 50)
    let_go("b", 100)
    array("c")
    assert shelves() == {"a", "c"}
    array("a")  # wanted again, and so younger than c
    let_go("c", 10)
    array("d")
    assert shelves() == {"a", "d"}


def test_what_is_in_use_stays_whoever_uses_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(cache_budget.VARIABLE, "24K")
    kept = torch.from_numpy(array("a", 7)[10:20])  # a view of a view
    array("b")
    let_go("a", 100)
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:  # holds what its parent held when it began
        os.close(writes)
        os.read(reads, 1)
        os._exit(0)
    try:
        array("c")
        assert shelves() == {"a", "c"} and (kept == 7).all()
        del kept
        let_go("c", 50)
        array("d")
        assert shelves() == {"a", "d"}, "the child still has it"
    finally:
        os.close(writes)
        os.waitpid(child, 0)
        os.close(reads)
    let_go("d", 0)
    array("e")
    assert shelves() == {"d", "e"}


def test_a_limit_that_cannot_be_kept_is_told_and_nothing_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(cache_budget.VARIABLE, "15K")
    kept = array("a")
    with pytest.raises(DataError, match=r"10,000 bytes are needed and 10,128 are in use, KDBENCH_CACHE_BYTES allows 15,360"):
        array("b")
    assert len(kept) and not list((array_cache.folder() / ("b" * 24)).glob("*.npy"))


def test_without_a_limit_nothing_goes_and_strangers_never_do(monkeypatch: pytest.MonkeyPatch):
    for name in "abc":
        array(name)
    assert shelves() == {"a", "b", "c"}
    monkeypatch.setenv(cache_budget.VARIABLE, "15K")
    stranger = array_cache.folder() / "mine"
    stranger.mkdir()
    (stranger / "thesis.npy").write_bytes(b"x" * 99_000)
    beside = array_cache.folder() / ("a" * 24) / "notes.txt"
    beside.write_text("mine")
    gc.collect()
    array("d")
    assert (stranger / "thesis.npy").exists() and beside.exists() and {"b", "c"}.isdisjoint(shelves())


@pytest.mark.parametrize(("text", "size"), [("", None), ("1000", 1000), ("1.5k", 1536), ("2 GiB", 2 << 30), ("1TB", 1 << 40)])
def test_sizes_are_read(text: str, size: int | None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(cache_budget.VARIABLE, text)
    assert cache_budget.limit() == size


def test_a_wrong_size_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(cache_budget.VARIABLE, "much")
    with pytest.raises(DataError, match="KDBENCH_CACHE_BYTES: 'much' is no size; expected bytes"):
        array("a")
