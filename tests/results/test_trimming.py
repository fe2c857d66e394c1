"""What may go from .kdbench: never what a record needs unless asked, never what is in use, the longest unused first."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbench.results.home import Home
from kdbench.results.outputs import OutputStore
from kdbench.results.trimming import YOUNG, Thing, chosen, inventory, remove
from kdbench.tasks.data import cache_budget

NOW = 1e9


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".kdbench").ensure()


def aged(path: Path, hours: float) -> Path:
    when = time.time() - 3600 * hours
    for one in [path, *path.rglob("*")] if path.is_dir() else [path]:
        os.utime(one, (when, when))
    return path


def put(path: Path, size: int, hours: float = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return aged(path, hours)


def table(home: Home, name: str, hours: float = 5) -> Path:
    folder = home.signals / (name * 24)
    put(folder / "values.npy", 9000)
    (folder / "header.json").write_text("{}")
    (folder / "00.lock").touch()
    aged(put(folder / cache_budget.MARK, 0), hours)
    return folder


def filled(home: Home, make_record) -> dict[str, Path]:
    """One thing of each sort, by name."""
    store = OutputStore(home)
    named, orphan = (store.put(np.full(500, float(n))) for n in range(2))
    record = make_record(outputs={"test/logits": named}, weights="0" * 64)
    return {
        "record": record,
        "named": aged(store.path(named), 50),
        "orphan": aged(store.path(orphan), 5),
        "teacher": put(home.weights / f"{record.key}.safetensors", 4000, 50),
        "left": put(home.weights / f"{'ab' * 32}.safetensors", 4000),
        "begun": aged(put(home.checkpoints / ("5" * 24) / "state.safetensors", 4000).parent, 7),
        "table": table(home, "a", 9),
        "sweep": put(home.signals / "sweeps" / f"{'c' * 24}.safetensors", 100, 6),
    }


def test_what_records_need_is_known_and_everything_is_seen(home: Home, make_record):
    there = filled(home, make_record)
    found = {thing.path: thing for thing in inventory(home, [there.pop("record")])}
    assert {path for path, thing in found.items() if thing.needed} == {there["named"], there["teacher"]}
    assert found.keys() == set(there.values())
    assert {thing.kind for thing in found.values()} == {"signals", "outputs", "weights", "checkpoints"}
    assert found[there["table"]].size >= 9000 and found[there["begun"]].size >= 4000


def test_the_longest_unused_goes_first_and_what_is_needed_last_if_at_all(home: Home, make_record):
    there = filled(home, make_record)
    things = inventory(home, [there.pop("record")])
    names = {path: name for name, path in there.items()}

    def order(**how) -> list[str]:
        return [names[thing.path] for thing in chosen(things, 0, **how)]

    free = ["table", "begun", "sweep"]
    assert order()[:3] == free and set(order()[3:]) == {"orphan", "left"}
    assert order(also_needed=True)[:5] == order() and set(order(also_needed=True)[5:]) == {"named", "teacher"}
    total = sum(thing.size for thing in things)
    assert [names[thing.path] for thing in chosen(things, total - 1)] == ["table"] and not chosen(things, total)


def test_what_is_young_or_in_use_stays(home: Home):
    young = put(home.weights / f"{'cd' * 32}.safetensors", 4000, 0.5)
    used, free = table(home, "b"), table(home, "c")
    held = cache_budget.hold(used)
    going = chosen(inventory(home, []), 0)
    assert {thing.path for thing in going} == {used, free}
    assert {thing.path: remove(thing, home) for thing in going} == {used: False, free: True}
    cache_budget.release(held)
    assert young.exists() and used.is_dir() and (used / "values.npy").exists() and not free.exists()


def test_a_removed_thing_is_gone_as_a_whole(home: Home, make_record):
    there = filled(home, make_record)
    for thing in chosen(inventory(home, [there.pop("record")]), 0, also_needed=True):
        assert remove(thing, home)
    assert not any(path.exists() for path in there.values())
    assert not list(inventory(home, []))


THING = st.builds(
    Thing,
    st.sampled_from(["signals", "outputs", "weights", "checkpoints"]),
    st.integers(0, 10**6).map(lambda n: Path(str(n))),
    st.integers(0, 100),
    st.floats(NOW - 9 * YOUNG, NOW),
    st.booleans(),
)


@given(st.lists(THING, max_size=12, unique_by=lambda thing: thing.path), st.integers(0, 600), st.booleans())
def test_no_more_goes_than_has_to(things, budget, also_needed):
    going = chosen(things, budget, also_needed, NOW)
    left = sum(thing.size for thing in things) - sum(thing.size for thing in going)
    may = [thing for thing in things if thing.kind == "signals" or thing.used < NOW - YOUNG]
    may = [thing for thing in may if also_needed or not thing.needed]
    assert set(going) <= set(may) and (left <= budget or set(going) == set(may))
    if going:
        assert left + going[-1].size > budget, "the last one had to go"
