"""Units: every family's metrics on resamples as the slow road has them, views and groups added up, and the text in a record."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "metrics"))
import metric_samples as samples

from kdbench.contract.errors import DataError
from kdbench.metrics import card, catalogue
from kdbench.metrics.blocks import from_blocks
from kdbench.results.against import Against
from kdbench.results.outputs import OutputStore
from kdbench.results.record import Record
from kdbench.results.store import ResultStore
from kdbench.results.unit_reader import UnitReader
from kdbench.results.units import Units, aligned, group_of, length, pack, unpack

STREAM = np.random.default_rng(12)
FAMILIES = list(samples.FAMILIES)


def blocks_of(family: str, seed: int = 2) -> dict[str, np.ndarray]:
    student, teachers = samples.outputs(family, seed=seed, teachers=2)
    return card.blocks(family, student, teachers)


def drawn(size: int, times: int = 6) -> tuple[np.ndarray, np.ndarray]:
    index = STREAM.integers(0, size, (times, size))
    return index, np.stack([np.bincount(row, minlength=size) for row in index]).astype(np.float64)


@pytest.mark.parametrize("family", FAMILIES)
def test_resamples_are_those_of_from_blocks(family: str) -> None:
    blocks = blocks_of(family)
    units = Units.read(blocks)
    index, counts = drawn(units.of)
    assert units.metrics >= {entry.name for entry in catalogue.primary(family)} & units.metrics != frozenset()
    for name in units.metrics:
        wanted = [from_blocks(name, blocks, row) for row in index]
        assert units.on_resamples(name, counts) == pytest.approx(wanted, abs=1e-12), name
        assert units.value(name) == pytest.approx(from_blocks(name, blocks, np.arange(units.of)), abs=1e-12), name


def test_undefined_units_and_resamples() -> None:
    values = np.array([0.5, np.nan, 0.7, np.nan])
    units = Units.read({"score|mean": values})
    counts = np.array([[1, 3, 0, 0], [0, 2, 0, 2], [0, 1, 2, 1]], dtype=np.float64)
    found = units.on_resamples("score", counts)
    assert found[0] == 0.5 and np.isnan(found[1]) and found[2] == pytest.approx(0.7)
    tags = np.stack([STREAM.random((5, 2)), np.array([[1, 0]] * 5)], axis=-1)  # the second tag has no positive
    block = {"map|average_precision": tags}
    assert Units.read(block).value("map") == pytest.approx(from_blocks("map", block, np.arange(5)))


def test_ties_enter_average_precision_together() -> None:
    pairs = np.stack([np.round(STREAM.random((30, 4)), 1), STREAM.random((30, 4)) < 0.3], axis=-1).astype(np.float64)
    block = {"map|average_precision": pairs}
    index, counts = drawn(30)
    assert Units.read(block).on_resamples("map", counts) == pytest.approx([from_blocks("map", block, row) for row in index])


@pytest.mark.parametrize("family", FAMILIES)
def test_items_of_one_unit_are_drawn_together(family: str) -> None:
    blocks = blocks_of(family)
    items = len(next(iter(blocks.values())))
    ids = STREAM.integers(100, 107, items)  # some views of each of seven images, in any order
    units = Units.read(blocks, ids)
    known = np.unique(ids)
    assert units.of == len(known)
    _, counts = drawn(units.of)
    for name in units.metrics:
        wanted = []
        for row in counts:
            index = np.concatenate([np.tile(np.flatnonzero(ids == i), int(n)) for i, n in zip(known, row, strict=True)])
            wanted.append(from_blocks(name, blocks, index.astype(int)))
        assert units.on_resamples(name, counts) == pytest.approx(wanted, abs=1e-12), name


@pytest.mark.parametrize("family", FAMILIES)
def test_a_record_carries_them_as_text(family: str) -> None:
    units = Units.read(blocks_of(family), None)
    text = json.dumps(pack(units))
    back = unpack(json.loads(text))
    assert back.of == units.of
    _, counts = drawn(units.of)
    for name in units.metrics:
        assert back.on_resamples(name, counts) == pytest.approx(units.on_resamples(name, counts), abs=2e-6), name
    assert json.dumps(pack(Units.read(blocks_of(family), None))) == text
    assert json.dumps(pack(back)) == text  # nothing is lost by being read and written again


def test_large_sets_are_grouped_and_keep_the_metric() -> None:
    n = 10_000
    right = STREAM.random(n) < 0.75
    confidence = np.clip(STREAM.random(n) * 0.5 + 0.5 * right, 0, 1)
    kl = STREAM.exponential(0.3, n)
    blocks = {"accuracy|mean": right, "ece|ece": np.stack([confidence, right], 1), "log_kl|log_mean": kl}
    units = Units.read(blocks)
    packed = pack(units)
    small = unpack(packed)
    assert sum(map(length, packed["metrics"].values())) <= 40_000 and small.of == n
    assert small.size("accuracy") == n and small.size("ece") == small.size("log_kl") == 100
    for name in units.metrics:
        assert small.value(name) == pytest.approx(units.value(name), abs=1e-6)
    counts = STREAM.multinomial(100, np.full(100, 0.01), 2000).astype(np.float64)
    spread = units.grouped("accuracy", 100).on_resamples("accuracy", counts).std()
    assert spread == pytest.approx(right.std() / n**0.5, rel=0.25)  # as that of single examples


def test_what_has_no_sums_is_left_out_where_there_is_no_room() -> None:
    pairs = np.stack([STREAM.random((4000, 20)), STREAM.random((4000, 20)) < 0.1], axis=-1).astype(np.float64)
    units = Units.read({"map|average_precision": pairs, "log_kl|log_ratio": STREAM.random((4000, 2))})
    small = unpack(pack(units))
    assert small.metrics == {"log_kl"} and small.size("log_kl") == 100
    assert unpack(pack(units, limit=500)).metrics <= {"log_kl"}


def test_truth_stays_rather_than_calibration() -> None:
    probability = STREAM.random((1000, 12))
    pairs = np.stack([probability, STREAM.random((1000, 12)) < probability], axis=-1).astype(np.float64)
    small = unpack(pack(Units.read({"map|average_precision": pairs, "ece|tag_ece": pairs})))
    assert small.metrics == {"map"} and small.size("map") == 1000


def test_groups_are_even_and_blind_to_order() -> None:
    group = group_of(1003, 100)
    assert set(np.bincount(group)) == {10, 11}
    assert np.array_equal(group_of(1003, 100), group)
    assert abs(np.corrcoef(group, np.arange(1003))[0, 1]) < 0.1
    assert list(group_of(8, 4)) == [3, 2, 0, 3, 0, 1, 1, 2]  # must never change: records stand on it


def test_runs_of_one_set_are_brought_to_the_same_units() -> None:
    fine = Units.read({"score|mean": STREAM.random(400)})
    coarse = Units.read({"score|mean": STREAM.random(400)}).grouped("score", 50)
    found = aligned([fine, coarse], "score")
    assert found is not None and [units.size("score") for units in found] == [50, 50]
    assert found[0].value("score") == pytest.approx(fine.value("score"))
    assert aligned([fine, Units.read({"score|mean": STREAM.random(399)})], "score") is None
    assert aligned([fine, Units.read({"other|mean": STREAM.random(400)})], "score") is None
    many = aligned([Units.read({"score|mean": STREAM.random(5000)})] * 2, "score")
    assert many is not None and many[0].size("score") == 1000 and many[0] is many[1]
    assert aligned([coarse, Units.read({"score|mean": STREAM.random(400)}).grouped("score", 30)], "score") is None


@pytest.mark.parametrize(
    "damage",
    [
        {"form": 2},
        {"metrics": {"a": {"reduction": "mean", "size": 3, "values": {"type": "f4", "shape": [3], "data": "!"}}}},
        {"units": None},
    ],
)
def test_damaged_blocks_are_a_data_error(damage: dict[str, Any]) -> None:
    packed = pack(Units.read({"score|mean": STREAM.random(4)})) | damage
    if "units" in damage:
        del packed["units"]
    with pytest.raises(DataError):
        unpack(packed)


def stored(tmp_path: Path, with_blocks: bool, with_outputs: bool) -> tuple[UnitReader, dict[str, float]]:
    """A student, its teacher and a control in a results folder."""
    store = ResultStore(tmp_path / "results")
    outputs = OutputStore(store.home)
    student, teachers = samples.outputs("classification", seed=4)
    ids = np.arange(len(student["labels"])) // 2
    nets = {"a" * 24: (student, ["b" * 24]), "b" * 24: (teachers[0], []), "c" * 24: (teachers[0], [])}
    for key, (arrays, keys) in nets.items():
        given = {**arrays, "labels": student["labels"], "blocks": ids}
        blocks = pack(Units.read(card.blocks("classification", given, [nets[k][0] for k in keys]), ids)) if with_blocks else {}
        shas = {f"test/{name}": outputs.put(np.asarray(array)) for name, array in given.items()}
        kind, labels = "teacher" if key[0] == "b" else "student", {"task": "digits", "method": "kd"}
        store.write(Record(key, kind, "done", {}, labels, {}, keys, shas, blocks=blocks))
    if not with_outputs:
        for path in store.home.outputs.rglob("*.npy"):
            path.unlink()
    direct = Units.read(card.blocks("classification", {**student, "labels": student["labels"]}, teachers), ids)
    return UnitReader(store.scan().records, Against(store.folder, outputs)), {name: direct.value(name) for name in direct.metrics}


@pytest.mark.parametrize(("with_blocks", "with_outputs"), [(True, True), (True, False), (False, True)])
def test_units_come_from_the_record_or_from_the_outputs(tmp_path: Path, with_blocks: bool, with_outputs: bool) -> None:
    reader, wanted = stored(tmp_path, with_blocks, with_outputs)
    found = reader.units("classification", "a" * 24, ["b" * 24])
    assert found is not None and found.metrics == set(wanted)
    assert {name: found.value(name) for name in wanted} == pytest.approx(wanted, abs=1e-6)
    assert found.of * 2 == len(samples.outputs("classification", seed=4)[0]["labels"])


def test_a_control_read_against_a_teacher_that_it_never_had_needs_the_outputs(tmp_path: Path) -> None:
    here, _ = stored(tmp_path / "here", with_blocks=True, with_outputs=True)
    gone, _ = stored(tmp_path / "gone", with_blocks=True, with_outputs=False)
    full, truth = (reader.units("classification", "c" * 24, ["b" * 24]) for reader in (here, gone))
    here.against.save()
    for path in here.home.outputs.rglob("*.npy"):
        path.unlink()
    again = UnitReader(here.records, Against(here.against.folder, here.against.store)).units(
        "classification", "c" * 24, ["b" * 24]
    )
    assert again is not None and full is not None and again.metrics == full.metrics  # kept beside the results
    assert {name: again.value(name) for name in full.metrics} == {name: full.value(name) for name in full.metrics}
    assert full is not None and full.metrics == {"accuracy", "ece", "agreement", "log_kl"}
    assert truth is not None and truth.metrics == {"accuracy", "ece"}
    assert truth.value("accuracy") == full.value("accuracy")


def test_neither_way_open_gives_none_and_stamps_tell_contents_apart(tmp_path: Path) -> None:
    reader, _ = stored(tmp_path / "a", with_blocks=False, with_outputs=False)
    assert reader.units("classification", "a" * 24, ["b" * 24]) is None
    again, _ = stored(tmp_path / "b", with_blocks=False, with_outputs=True)
    key, teachers = "a" * 24, ["b" * 24]
    assert reader.stamp(key, teachers) == again.stamp(key, teachers) != again.stamp(key)
    changed = dict(again.records)
    changed[key] = Record(**{**changed[key].__dict__, "outputs": {**changed[key].outputs, "test/logits": "0" * 64}})
    assert UnitReader(changed, again.against).stamp(key, teachers) != again.stamp(key, teachers)
