"""Stored signals: a teacher is asked once, a table's bytes tell nothing of who filled it, and a wrong table is never read."""

import gc
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import signal_bench
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from signal_bench import SAMPLES, Tell, recall, resnet

from kdbench.results.files import StorageError
from kdbench.tasks.data import cache_budget
from kdbench.train import stream as streams
from kdbench.train.signals import recall as recalls
from kdbench.train.signals import table as tables
from kdbench.train.signals.form import Exact, Half
from kdbench.train.signals.packing import packed
from kdbench.train.signals.table import Table, open_table

EVERYONE = torch.arange(SAMPLES)


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "AT_ONCE", 16)
    monkeypatch.delenv(tables.VARIABLE, raising=False)


def view(number: int, index: torch.Tensor = EVERYONE) -> torch.Tensor:
    return torch.full_like(index, number)


def filled(table: Table) -> np.ndarray:
    return np.asarray(table._filled) > 0


# ---- packing


@given(st.data())
def test_all_that_is_wanted_is_asked_once_at_its_place(data):
    size = data.draw(st.integers(1, 9))
    samples = st.lists(st.integers(0, 40), unique=True, max_size=30)
    now, later = (torch.tensor(sorted(data.draw(samples)), dtype=torch.long) for _ in range(2))
    both, seen = torch.cat((now, later)), []
    batches = list(packed(both, len(now), size))
    for rows, kept in batches:
        assert len(rows) == size and torch.equal(both[rows[kept]] % size, torch.arange(size)[kept])
        seen += rows[kept].tolist()
    assert len(set(seen)) == len(seen) and set(range(len(now))) <= set(seen)
    assert len(batches) == max(torch.bincount(now % size).tolist(), default=0), "what comes later costs no batch"


# ---- the teacher is asked once


def test_answers_are_the_teacher_s_about_what_the_student_sees(tmp_path: Path):
    net = resnet()
    made = recall(tmp_path, net)
    for step in range(12):
        batch = made.stream.batch(step)
        with torch.no_grad():
            expected = net(batch).values
        torch.testing.assert_close(made(batch.index, batch.view), expected)


def test_each_sample_and_view_is_asked_once_and_every_view_that_comes_again_is_free(tmp_path: Path):
    net = Tell()
    made = recall(tmp_path, net, policy="flip")
    for step in range(120):
        batch = made.stream.batch(step)
        made(batch.index, batch.view)
    assert made.table().asked() == {1: 2 * SAMPLES}, "complete"
    assert made.counts == {"asked": 2 * SAMPLES, "read": 120 * 8, "idle": made.counts["idle"]}
    assert net.asked == 2 * SAMPLES + made.counts["idle"] + made.size  # and one batch by whose shape the table was made
    again = recall(tmp_path, other := Tell(), policy="flip", seed=9, order=4)
    for step in range(60):
        batch = again.stream.batch(step)
        same = view_of(made, again.code(batch.index, batch.view), batch.index)
        assert torch.equal(again(batch.index, batch.view), made(batch.index, same))
    assert other.asked == again.counts["asked"] == 0, "another seed draws other views, which are known"


def view_of(made, code: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Views of a stream in which samples have these codes."""
    found = torch.full_like(index, -1)
    for number in range(60):
        found[made.code(index, view(number, index)) == code] = number
    assert (found >= 0).all()
    return found


def test_without_finite_views_a_bank_s_are_numbers_and_else_each_has_a_table(tmp_path: Path):
    bank = recall(tmp_path, policy="rotation", bank=3)
    assert bank.about["codes"] == 3 and bank.about["shown"] != recall(tmp_path, policy="rotation", bank=3, seed=2).about["shown"]
    endless = recall(tmp_path, policy="rotation")
    found = endless(EVERYONE, torch.arange(SAMPLES) % 2)
    names = {endless.table(number).folder for number in (0, 1)}
    assert len(names) == 2 and bank.table().folder not in names
    for number in (0, 1):
        assert torch.equal(endless(EVERYONE, view(number))[number::2], found[number::2])
    for number in range(5):
        endless(EVERYONE[:3], view(number)[:3])
    assert len(endless.tables) == 2, "those of past epochs are let go"
    assert recall(tmp_path, policy="rotation", augment="none").about["codes"] == 1, "the sample as it is has one view"


def test_two_processes_at_once_ask_once(tmp_path: Path):
    script, env = signal_bench.__file__, {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    start = [sys.executable, script, str(tmp_path)]
    both = [subprocess.Popen([*start, str(order), "40"], stdout=subprocess.PIPE, text=True, env=env) for order in (1, 2)]
    (tmp_path / "go").touch()
    asked = [int(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    [folder] = cache_budget.shelves(tmp_path)
    times = np.load(folder / tables.FILLED)
    assert set(np.unique(times)) <= {0, 1} and times.sum() == sum(asked) and times.sum() >= SAMPLES


# ---- bytes


def history():
    """Streams that differ in seed and order, each asked about some samples in some views."""
    samples = st.lists(st.integers(0, SAMPLES - 1), min_size=1, max_size=20, unique=True)
    ask = st.tuples(st.integers(0, 3), samples, st.integers(0, 5))
    return st.lists(ask, min_size=1, max_size=4)


def lived(folder: Path, asks, net, policy: str):
    for seed, samples, number in asks:
        index = torch.tensor(samples)
        recall(folder, net, policy=policy, seed=seed)(index, view(number, index))
    return recall(folder, net, policy=policy).table()


@pytest.mark.parametrize("net", [Tell(), resnet()], ids=["places", "kernels"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=history(), second=history())
def test_a_row_s_bytes_do_not_depend_on_what_was_asked_before(net, tmp_path_factory, first, second):
    a, b = (lived(tmp_path_factory.mktemp("t"), asks, net, "crop_flip") for asks in (first, second))
    both = filled(a) & filled(b)
    assert np.array_equal(a._values[both], b._values[both])


@pytest.mark.parametrize("net", [Tell(), resnet()], ids=["places", "kernels"])
def test_complete_tables_are_equal_files_whoever_filled_them(net, tmp_path: Path):
    forwards = [(0, number) for number in range(14)]
    backwards = [(seed, number) for number in range(13, -1, -1) for seed in (3, 0)]
    files = []
    for name, order in (("a", forwards), ("b", backwards)):
        made = lived(tmp_path / name, [(seed, EVERYONE.flip(0).tolist(), number) for seed, number in order], net, "flip")
        assert filled(made).all()
        files.append([(made.folder / part).read_bytes() for part in (tables.VALUES, tables.FILLED, tables.HEADER)])
    assert files[0] == files[1]


def test_what_fills_up_a_batch_is_wanted_next(tmp_path: Path):
    counts = []
    for ahead in (0, recalls.AHEAD):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recalls, "AHEAD", ahead)
            patch.setattr(recalls, "PARTS", 1)
            made = recall(tmp_path / str(ahead), policy="crop_flip")
            for number in range(40):
                made(EVERYONE, view(number))
        counts.append(made.counts)
    without, ahead = counts
    assert ahead["idle"] < 0.5 * without["idle"] and ahead["asked"] > without["asked"], "more is known"
    assert sum(ahead.values()) < sum(without.values()), "for less work"


# ---- what can go wrong


class PowerCut(BaseException):
    pass


def test_a_fill_that_is_torn_is_done_again_to_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = recall(tmp_path / "whole", policy="flip")
    expected = whole(EVERYONE, view(0))
    torn, marks = recall(tmp_path / "torn", policy="flip"), []

    def power_cut(table, *rows):
        marks.append(rows)
        if len(marks) == 2:
            raise PowerCut
        Table_mark(table, *rows)

    Table_mark = Table.mark
    with monkeypatch.context() as patch:
        patch.setattr(Table, "mark", power_cut)
        with pytest.raises(PowerCut):
            torn(EVERYONE, view(0))
    values = torn.table()._values
    assert filled(torn.table()).sum() < (np.asarray(values) != 0).any(-1).sum(), "values without a mark"
    again = recall(tmp_path / "torn", policy="flip")
    assert torch.equal(again(EVERYONE, view(0)), expected) and set(again.table().asked()) == {1}


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def other_rows(path: Path) -> None:
    np.save(path, np.zeros((SAMPLES, 2, 4), np.float32))


def another(part: str):
    def change(path: Path) -> None:
        header = json.loads(path.read_text())
        header["about"][part] = "another"
        path.write_text(json.dumps(header))

    return change


def endless(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shape": [math.inf]}))


WRONG = {
    "values cut short": (tables.VALUES, cut, "values.npy is cut short or damaged"),
    "values gone": (tables.VALUES, Path.unlink, "values.npy is cut short or damaged"),
    "values of another shape": (tables.VALUES, other_rows, "values.npy holds float32 (70, 2, 4), not float32 (70, 2, 5)"),
    "no array at all": (tables.VALUES, lambda path: path.write_bytes(b"junk"), "values.npy is cut short or damaged"),
    "marks cut short": (tables.FILLED, cut, "filled.npy is cut short or damaged"),
    "header cut short": (tables.HEADER, cut, "header.json cannot be read"),
    "a shape without end": (tables.HEADER, endless, "header.json cannot be read"),
    "never finished": (tables.HEADER, Path.unlink, "it was never finished"),
    **{
        f"another {part}": (tables.HEADER, another(part), f"it is about another {part}")
        for part in ("teacher", "task", "set", "policy", "shown", "form", "code", "machine", "version")
    },
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_table_is_set_aside_and_filled_anew(case: str, tmp_path: Path, capsys: pytest.CaptureFixture):
    name, spoil, why = WRONG[case]
    made = recall(tmp_path, policy="flip")
    expected, folder = made(EVERYONE, view(0)), made.table().folder
    del made
    spoil(folder / name)
    again = recall(tmp_path, policy="flip")
    assert torch.equal(again(EVERYONE, view(0)), expected) and again.counts["asked"] >= SAMPLES
    told = capsys.readouterr().err
    assert why in told and f"set aside as {folder.name}.aside-1, and filled anew" in told
    assert folder.with_name(f"{folder.name}.aside-1").is_dir()
    assert recall(tmp_path, policy="flip").table().folder == folder and not capsys.readouterr().err


def test_whatever_can_change_an_answer_changes_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def of(**how) -> str:
        return tables.key_of(recall(tmp_path, **how).about)

    moved = Tell()
    with torch.no_grad():
        moved.backbone.weight[0, 0] = torch.nextafter(moved.backbone.weight[0, 0], torch.tensor(9.0))
    folded = resnet()
    folded.backbone.to(memory_format=torch.channels_last)
    found = [of(), of(net=moved), of(key="another"), of(policy="vertical_flip"), of(policy="flip"), of(augment="none")]
    found += [of(form=Half()), of(net=resnet()), of(net=folded), of(policy="rotation", bank=4), of(policy="rotation", bank=5)]
    small = signal_bench.Small
    found.append(of(shown=streams.Stream(small(), "pool", 8, 1, streams.ViewSpec("crop_flip", None, 1), signal_bench.CPU)))
    shown = streams.ViewSpec("crop_flip", None, 1)
    found.append(of(shown=streams.Stream(small(small.Config(val=3)), "train", 8, 1, shown, signal_bench.CPU)))
    for name, value in (("version", 2), ("fingerprint", classmethod(lambda kind, config: "other data"))):
        with monkeypatch.context() as patch:
            patch.setattr(small, name, value)
            found.append(of())
    with monkeypatch.context() as patch:
        patch.setattr(streams, "AT_ONCE", 32)
        found.append(of())
    with monkeypatch.context() as patch:
        patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "another")
        found.append(of())
    assert len(set(found)) == len(found)
    assert of(seed=5, order=9, batch=3) == of(), "seeds and batch sizes change nothing"


def test_a_table_is_mapped_however_large_it_may_become(tmp_path: Path):
    about = {"samples": 200_000, "codes": 162}
    table = open_table(tmp_path, about, Exact(), lambda: (100,))
    index, code = np.array([0, 199_999]), np.array([161, 7])
    table.write(index, code, np.ones((2, 100), np.float32))
    table.mark(index, code)
    assert table.has(index, code).all() and not table.has(index, code - 1).any()
    assert torch.equal(table.rows(index, code), torch.ones(2, 100))
    files = [table.folder / name for name in (tables.VALUES, tables.FILLED)]
    assert files[0].stat().st_size > 12e9 and sum(map(cache_budget.allocated, files)) < 1e6


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = recall(tmp_path, policy="flip")
    made.table()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StorageError, match="no space left on this disk"):
        made(EVERYONE, view(0))


# ---- the budget


def used(folder: Path, ago: int) -> None:
    gc.collect()
    mark = folder / cache_budget.MARK
    when = mark.stat().st_mtime - ago
    os.utime(mark, (when, when))


def test_tables_that_nobody_has_open_make_room_the_longest_unused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def table(key: str):
        made = recall(tmp_path, key=key, policy="flip")
        made(EVERYONE, view(0))
        return made

    kept = table("a")
    folders = {"a": kept.table().folder} | {key: table(key).table().folder for key in "bc"}
    for key, ago in (("a", 300), ("b", 100), ("c", 200)):
        used(folders[key], ago)
    size = sum(map(cache_budget.allocated, folders["a"].glob("*.npy")))
    monkeypatch.setenv(tables.VARIABLE, str(int(3.5 * size)))
    folders["d"] = table("d").table().folder
    assert {key for key, folder in folders.items() if folder.exists()} == {"a", "b", "d"}, "c went, a is in use"
    assert torch.equal(kept(EVERYONE, view(0)), table("a")(EVERYONE, view(0)))
    monkeypatch.setenv(tables.VARIABLE, "1")
    gc.collect()
    table("e")
    assert folders["a"].exists() and not folders["b"].exists(), "the limit yields to what is in use"
