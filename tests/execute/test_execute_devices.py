"""Slots are never oversold, and a device that is not there is refused by name."""

from __future__ import annotations

import json
import sys
import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdbench.execute import devices
from kdbench.execute.base import Resources, together
from kdbench.execute.devices import DeviceError, default_workers, free_memory, resolve, visible_gpus
from kdbench.execute.slots import CONTEXT, MARGIN, Slots

UUIDS = ["GPU-aa11", "GPU-bb22", "GPU-cc33"]


@pytest.fixture
def three_gpus(monkeypatch):
    """A driver library that shows three GPUs; the real one is not to be had on a machine without."""
    library = types.ModuleType("pynvml")
    library.nvmlInit = library.nvmlShutdown = lambda: None
    library.nvmlDeviceGetCount = lambda: len(UUIDS)
    library.nvmlDeviceGetHandleByIndex = lambda index: index
    library.nvmlDeviceGetUUID = lambda handle: UUIDS[handle]
    monkeypatch.setitem(sys.modules, "pynvml", library)


def test_devices_resolve_to_gpus(three_gpus):
    assert resolve("cpu", {}) == ()
    assert resolve("auto", {}) == resolve("cuda", {}) == ("0", "1", "2")
    assert resolve("cuda:2", {}) == ("2",)
    assert resolve("cuda:1", {"CUDA_VISIBLE_DEVICES": "2,0"}) == ("0",)
    assert resolve("auto", {"CUDA_VISIBLE_DEVICES": ""}) == ()
    with pytest.raises(DeviceError, match=r"'cuda:3' does not exist; here are cuda:0, cuda:1, cuda:2"):
        resolve("cuda:3", {})


@pytest.mark.parametrize(
    ("listed", "visible"),
    [("0,7,1", ("0",)), ("-1,0", ()), ("GPU-bb", ("GPU-bb",)), ("GPU-zz,0", ()), (" 1 , 2 ", ("1", "2")), ("1,1", ("1",))],
)
def test_the_list_of_visible_devices_is_read_as_cuda_reads_it(three_gpus, listed, visible):
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": listed}) == visible


@pytest.mark.parametrize("device", ["mps", "rocm", "hip:0", "xpu", "tpu", "cuda:x", "cuda:", "CPU", ""])
def test_what_is_not_supported_is_refused(three_gpus, device):
    with pytest.raises(DeviceError, match=repr(device)):
        resolve(device, {})


def test_without_a_gpu_cuda_is_refused_and_auto_is_the_cpu(monkeypatch):
    monkeypatch.setattr(devices, "_nvml_uuids", lambda: [])
    assert resolve("auto", {}) == ()
    with pytest.raises(DeviceError, match=r"no NVIDIA GPU .* use cpu"):
        resolve("cuda", {})


def test_windows_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(DeviceError, match="Windows"):
        resolve("cpu")


def test_gpus_are_shared_in_parts_and_spread_first():
    slots = Slots(32, ["0", "1"])
    tenth = [slots.take(Resources(gpu=0.1)) for _ in range(20)]
    assert all(tenth) and [grant.gpu for grant in tenth].count(0) == 10
    assert {grant.gpu for grant in tenth[:2]} == {0, 1}
    assert tenth[0].env == {"CUDA_VISIBLE_DEVICES": "0"} and tenth[0].device == "cuda"
    assert slots.take(Resources(gpu=0.1)) is None
    slots.give(tenth[0])
    assert slots.take(Resources()) is None  # no share stated: a whole one
    for grant in tenth[1:]:
        slots.give(grant)
    whole = slots.take(Resources())
    alone = slots.take(Resources(gpu=0.1), exclusive=True)
    assert slots.alone(whole) and slots.alone(alone) and not slots.alone(tenth[0])
    assert slots.take(Resources(gpu=0.1)) is None


GIB = 2**30


def test_a_gpu_is_packed_by_what_jobs_were_measured_to_hold():
    slots = Slots(32, ["0"], [10 * GIB])
    small = Resources(gpu=1.0, memory=2 * GIB)  # a share means nothing here
    held = [slots.take(small) for _ in range(3)]
    assert all(held) and [grant.share for grant in held] == [round(2 * GIB * MARGIN) + CONTEXT] * 3
    assert slots.take(small) is None and slots.take(Resources()) is None
    assert not slots.alone(held[0])
    for grant in held:
        slots.give(grant)
    unknown = slots.take(Resources())
    assert slots.alone(unknown) and slots.take(Resources(memory=1)) is None
    slots.give(unknown)
    large = slots.take(Resources(memory=99 * GIB))  # more than there is: alone, and it may fail
    assert slots.alone(large) and slots.take(Resources(memory=1)) is None
    slots.give(large)
    assert slots.alone(slots.take(small, exclusive=True))


def test_packed_jobs_go_where_most_is_free_and_those_of_unknown_size_where_nothing_runs():
    slots = Slots(32, ["0", "1"], [8 * GIB, 4 * GIB])
    first, second = slots.take(Resources(memory=4 * GIB)), slots.take(Resources(memory=GIB))
    assert (first.gpu, second.gpu) == (0, 1)  # 2.5 GiB are left on the first
    assert slots.take(Resources(memory=2 * GIB)) is None
    slots.give(second)
    unknown = slots.take(Resources())
    assert unknown.gpu == 1 and slots.alone(unknown)
    assert slots.take(Resources(memory=GIB)).gpu == 0


def test_jobs_of_one_process_hold_what_they_hold_together():
    known = [Resources(memory=GIB), Resources(gpu=0.5, memory=3 * GIB)]
    assert together(known) == Resources(memory=4 * GIB)
    assert together([*known, Resources()]).memory is None


def test_a_gpu_without_free_memory_takes_one_job_at_a_time():
    slots = Slots(4, ["0"], [0])
    assert slots.take(Resources(memory=5)) and slots.take(Resources(memory=5)) is None


def test_packing_is_bound_by_the_workers_too():
    slots = Slots(2, ["0"], [100 * GIB])
    assert [slots.take(Resources(memory=1)) is None for _ in range(3)] == [False, False, True]


def test_the_memory_of_every_gpu_must_be_known():
    with pytest.raises(DeviceError, match="2 GPUs was to be told, and that of 1"):
        Slots(1, ["0", "1"], [5])


@pytest.mark.parametrize("slots", [Slots(3), Slots(4, ["0", "1"]), Slots(4, ["2"], [7])])
def test_slots_can_be_told_as_plain_data(slots):
    again = Slots.of(json.loads(json.dumps(slots.facts)))
    assert again.facts == slots.facts and again.packed == slots.packed


def test_free_memory_is_asked_of_the_driver_by_any_name_of_a_gpu(three_gpus, monkeypatch):
    library = sys.modules["pynvml"]
    free = {0: 5, 1: 6, 2: 7, "MIG-x": 8}
    library.NVMLError = type("NVMLError", (Exception,), {})
    library.nvmlDeviceGetHandleByUUID = lambda uuid: UUIDS.index(uuid) if uuid in UUIDS else uuid
    library.nvmlDeviceGetMemoryInfo = lambda handle: types.SimpleNamespace(total=9, free=free[handle])
    assert free_memory(("2", "GPU-bb", "MIG-x")) == (7, 6, 8)

    def refuse(handle):
        raise library.NVMLError("not supported")

    monkeypatch.setattr(library, "nvmlDeviceGetMemoryInfo", refuse)
    with pytest.raises(DeviceError, match=r"not supported\), so jobs cannot be packed"):
        free_memory(("0",))


@given(st.lists(st.integers(1, 20), min_size=1, max_size=3), st.data())
def test_packed_memory_is_never_oversold_and_the_unknown_is_always_alone(room, data):
    slots = Slots(99, [str(n) for n in range(len(room))], [size * GIB for size in room])
    held: list = []
    for _ in range(data.draw(st.integers(0, 20))):
        if held and data.draw(st.booleans()):
            slots.give(held.pop(data.draw(st.integers(0, len(held) - 1)))[0])
        memory = data.draw(st.one_of(st.none(), st.integers(0, 25 * GIB)))
        grant = slots.take(Resources(memory=memory))
        if grant is not None:
            held.append((grant, memory))
        for gpu, size in enumerate(room):
            here = [(grant, memory) for grant, memory in held if grant.gpu == gpu]
            assert sum(grant.share for grant, _ in here) <= size * GIB
            assert len(here) <= 1 or all(memory is not None and grant.share > memory for grant, memory in here)
    for grant, _ in held:
        slots.give(grant)
    assert slots.alone(slots.take(Resources()))


@given(st.integers(1, 6), st.integers(0, 3), st.data())
def test_slots_are_never_oversold_and_all_come_back(workers, gpus, data):
    slots = Slots(workers, [str(n) for n in range(gpus)])
    held = []
    for _ in range(data.draw(st.integers(0, 20))):
        if held and data.draw(st.booleans()):
            slots.give(held.pop(data.draw(st.integers(0, len(held) - 1))))
        resources = Resources(data.draw(st.integers(1, 8)), data.draw(st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5, 1.0])))
        grant = slots.take(resources, exclusive=data.draw(st.booleans()))
        if grant is not None:
            held.append(grant)
        assert sum(g.cpus for g in held) <= workers
        assert all(sum(g.share for g in held if g.gpu == n) <= 1000 for n in range(gpus))
    for grant in held:
        slots.give(grant)
    last = slots.take(Resources(workers, 1.0), exclusive=True)
    assert last is not None and slots.alone(last)


def test_workers_default_to_what_this_process_may_use(monkeypatch, tmp_path):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(devices, "Path", lambda path: quota)
    assert default_workers() == 8
    for text, workers in {"max 100000": 8, "350000 100000": 3, "50000 100000": 1, "9900000 100000": 8}.items():
        quota.write_text(text)
        assert default_workers() == workers, text


@pytest.mark.parametrize("wrong", [{"cpus": 0}, {"gpu": 1.5}, {"gpu": -0.1}, {"timeout": 0}, {"memory": -1}])
def test_resources_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Resources(**wrong)
