"""Targets: what runs leave behind. Records, controls, raw outputs, weights, checkpoints, signals, events, failures."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from fuzz_mutations import words_of
from fuzz_target import ROOT, Target, as_json, first, shown
from fuzz_written import file, registry, scratch

from kdbench.contract.errors import KdbenchError
from kdbench.execute import failures
from kdbench.execute.events import FILE as EVENTS
from kdbench.execute.events import EventTail
from kdbench.gate.candidates import run_of
from kdbench.gate.history import measured
from kdbench.jobs.sources import outdated
from kdbench.metrics.catalogue import FAMILIES
from kdbench.results.against import Against, digest
from kdbench.results.frame import to_frame
from kdbench.results.home import Home
from kdbench.results.imported import belongs
from kdbench.results.outline import Outliner
from kdbench.results.outputs import OutputMissing, OutputStore, arrays
from kdbench.results.past import Here, Past
from kdbench.results.record import Record, RecordError
from kdbench.results.store import ResultStore
from kdbench.results.timing import left_out, own_seconds
from kdbench.results.units import Units, unpack

RECORDS = (
    "core/digits/kd",
    "core/topics/margin_mse",
    "catalogue/streets/none",
    "catalogue/sounds/none",
    "core/digits/teacher",
    "fidelity/*/none",
)


def record_files() -> list[Path]:
    return [path for name in RECORDS for path in first(f"results/archive/{name}/*.json", 1)]


def records() -> Iterator[bytes]:
    """Whole, and without the long parts, so that most changes fall on what is read."""
    for path in record_files():
        data = json.loads(path.read_bytes())
        yield path.read_bytes()
        data["blocks"] = {}
        yield Record.read(data).dumps().encode()
    yield from (record.dumps().encode() for record in made_elsewhere())


def made_elsewhere() -> list[Record]:
    from kdbench.results.imported import TEMPLATE, read

    return read(file("runs.csv", TEMPLATE.encode()), registry(), {})


@functools.cache
def record_words() -> list[str]:
    return sorted(
        {w for path in record_files() for w in words_of(json.loads(path.read_bytes())) if len(w) < 80}
        | {"archive", "imported", "inf"}
    )


def read_record(data: bytes) -> None:
    record = Record.loads(data)
    with no_error_after():
        whole(record)


@contextlib.contextmanager
def no_error_after() -> Iterator[None]:
    """What was read as a record is one: no error is a person's any more."""
    try:
        yield
    except KdbenchError as error:
        raise AssertionError(f"after it was read: {error}") from error


def whole(record: Record) -> None:
    text = record.dumps()
    again = Record.loads(text)
    assert again.dumps() == text and again.key == record.key
    told = Outliner().read(text.encode())
    if told is not None:
        assert told[0] == (record.task, record.method, record.key) and told[1].status == record.status
        assert told[1].provenance["sources"] == record.provenance.get("sources", {})
    used(record)


def used(record: Record) -> None:
    """Whatever a record says, those that read it can."""
    from kdbench.compare.cells import of_folder
    from kdbench.results.unit_reader import UnitReader
    from kdbench.track.entries import entry

    Outliner().of(record)
    outdated(record, {"kdbench.train.loop": "x"})
    own_seconds(record), left_out([record])
    list(measured(record))
    for family in FAMILIES:
        run_of(record, family, 0, ())
    Past([record], Here(frozenset({"cpu"}), "AMD EPYC"), [])
    if record.kind == "imported":
        belongs(record, {"name": "a", "plugin": "b"}, "default", {"resnet56"}, "resnet20")
    entry(record, scratch() / "no events")
    to_frame([record])
    store = Against(scratch(), OutputStore(Home(scratch() / "home")))
    for group in of_folder(UnitReader({record.key: record}, store)):
        assert group.lacking is not None and group.name is not None and group.place
        group.reader.units(group.family, record.key)


def read_outline(data: bytes) -> None:
    """An outline says nothing that the whole record does not say."""
    read = Outliner().read(data[-8192:])
    if read is None:
        return
    try:
        record = Record.loads(data)
    except RecordError:
        return  # the plan sees less than the report, which names the file
    assert read[0] == (record.task, record.method, record.key) and read[1].status == record.status


def read_store(data: bytes) -> None:
    """One file is anything: the others stand, and what is not this job's record is never taken for it."""
    results, whole = stored()
    victim = whole[0]
    path = results.path(victim)
    path.write_bytes(data)
    keys = {record.key for record in whole}
    scan = results.scan(archive=True)
    found, broken = results.outlines(keys)
    for record in whole[1:]:
        assert scan.records[record.key] == record and record.key in found
    for held in (scan.records.keys(), found.keys()):
        assert held <= keys
    listed = [str(fault.path) for fault in scan.broken]
    assert (victim.key in scan.records) != (str(path) in listed), "neither read nor listed"
    for fault in (*scan.broken, *broken):
        assert fault.why
        shown(fault.why)
    for record in results.each():
        assert record.key in keys


@functools.cache
def stored() -> tuple[ResultStore, list[Record]]:
    results = ResultStore(scratch() / "results", Home(scratch() / "home"))
    whole = [Record.loads(path.read_bytes()) for path in record_files()]
    for record in whole:
        results.write(record)
    return results, whole


@functools.cache
def pair() -> tuple[Against, Record, Record, dict[str, Any]]:
    """A control and the teacher that it was read against, with the line that says how near it came."""
    folder = ROOT / "results/archive/core/digits"
    every = {path.stem: Record.loads(path.read_bytes()) for path in folder.glob("*/*.json")}
    lines = json.loads((folder / "against.json").read_bytes())
    name = next(name for name in lines if len(name.split()) == 2 and set(name.split()) <= set(every))
    student, teacher = (every[key] for key in name.split())
    assert lines[name]["outputs"] == digest(student, [teacher])
    lines[name]["blocks"] = next(record.blocks for record in every.values() if record.kind == "student" and record.blocks)
    return Against(scratch() / "against", OutputStore(Home(scratch() / "home"))), student, teacher, {name: lines[name]}


def read_against(data: bytes) -> None:
    whole, student, teacher, _ = pair()
    path = whole.folder / "digits" / "against.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    fresh = Against(whole.folder, whole.store)
    values = fresh.fidelity("classification", student, [teacher])
    assert all(isinstance(name, str) and isinstance(value, float) for name, value in values.items())
    units = fresh.units("classification", student, [teacher])
    if units is not None:
        drawn(units)
    fresh.renew({"digits": "classification"}, {student.key: student, teacher.key: teacher})
    fresh.save()


def read_units(data: bytes) -> None:
    try:
        packed = json.loads(data)
    except (ValueError, RecursionError):
        return
    if isinstance(packed, dict):  # as a record has it
        drawn(unpack(packed))


def drawn(units: Units) -> None:
    """Resamples of whatever was read: numbers, as many as asked for."""
    from kdbench.results.units import aligned

    for metric in sorted(units.metrics):
        size = units.size(metric)
        if size > 10_000:
            continue
        with np.errstate(all="ignore"):
            assert units.on_resamples(metric, np.ones((2, size))).shape == (2,)
            aligned([units, units], metric)


def packed_units() -> Iterator[bytes]:
    for path in record_files():
        blocks = json.loads(path.read_bytes())["blocks"]
        for metric, part in list(blocks.get("metrics", {}).items())[:2]:
            yield as_json({**blocks, "metrics": {metric: part}})


def read_events(data: bytes) -> None:
    from kdbench.report.curves import curve_of
    from kdbench.track.entries import entry

    folder = scratch() / "jobs" / "0a"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EVENTS).write_bytes(data)
    tail = EventTail(folder)
    assert all(isinstance(event, dict) for event in tail.read()) and tail.read() == []
    row: Any = SimpleNamespace(name="kd", sources=[SimpleNamespace(key="0a", status="done")])
    curve_of(row, folder.parent)
    entry(stored()[1][0], folder / EVENTS)
    shown_while_running(folder)


def shown_while_running(folder: Path) -> None:
    """What the terminal shows of a job's events."""
    from kdbench.execute.base import Event, JobSpec
    from kdbench.execute.progress import PlainLines

    spec = JobSpec("0a", "t", "kdbench:run", {})
    watch = PlainLines(io.StringIO())
    watch(Event("started", 0.0, spec))
    for event in EventTail(folder).read():
        watch(Event("progress", 0.0, spec, data=event))


def read_failure(data: bytes) -> None:
    folder = scratch() / "jobs" / "0b"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / failures.FILE).write_bytes(data)
    found = failures.read(folder)
    if found is None:
        return
    from kdbench.cli.text import wrapped
    from kdbench.execute.base import Outcome

    assert isinstance(found.message, str) and (found.traceback is None or isinstance(found.traceback, str))
    failures.group_failures([Outcome("0b", "failed", found.failure_class, found.message, found.traceback)])
    wrapped(found.message, 4, "x: ")


def failure_files() -> Iterator[bytes]:
    folder = scratch() / "jobs" / "0c"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        raise MemoryError("no more")
    except MemoryError as error:
        failures.write(folder, failures.from_exception(error))
    yield (folder / failures.FILE).read_bytes()


def read_output(data: bytes) -> None:
    """A raw output is what its name says, or it is said to be damaged; what is read unverified is an array at least."""
    store = OutputStore(Home(scratch() / "home"))
    path = store.path("a" * 64)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    try:
        found = store.get("a" * 64)
        assert found.dtype.kind != "O" and found[:1].size >= 0
    except OutputMissing as error:
        shown(str(error))
    from kdbench.metrics import card

    record = Record.read(
        {**json.loads(record_files()[0].read_bytes()), "outputs": {"test/logits": "a" * 64, "test/labels": "b" * 64}}
    )
    labels = store.path("b" * 64)
    if not labels.exists():
        labels.parent.mkdir(parents=True, exist_ok=True)
        np.save(labels, np.arange(6) % 3)
    try:
        ours = arrays(record, "test", store)
        card.fidelity("classification", ours, [ours])
    except (ValueError, KeyError):
        pass  # as the callers of both take them


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def some_arrays() -> Iterator[bytes]:
    yield npy(np.arange(18, dtype="f4").reshape(6, 3))
    yield npy(np.arange(6))
    yield npy(np.array([["a", "b"]]))
    yield npy(np.asfortranarray(np.ones((6, 3), "f2")))


def read_score(suffix: str, data: bytes) -> None:
    from kdbench.score.files import open_array
    from kdbench.score.scoring import score

    path = file(f"scores{suffix}", data)
    rows = open_array(str(path))
    assert rows[:1].size and rows.dtype.kind in "fiub"
    if rows.dtype.itemsize * np.prod(rows.shape, dtype=object) > 1 << 20:
        return
    other = str(file("labels.csv", b"\n".join(b"%d" % (i % 2) for i in range(rows.shape[0]))))
    with np.errstate(all="ignore"):
        for letter in "CRA":
            try:
                score(letter, [str(path)], str(path), other if letter == "C" else None)
            except Exception as error:
                from kdbench.contract.errors import KdbenchError

                if not isinstance(error, KdbenchError):
                    raise
                shown(str(error))


def tensors(arrays_: dict[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    return save(arrays_)


def zipped() -> Iterator[bytes]:
    for how in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", how) as archive:
            archive.writestr("logits.npy", npy(np.arange(18, dtype="f4").reshape(6, 3)))
        yield out.getvalue()


def some_tensors() -> Iterator[bytes]:
    yield tensors({"logits": np.arange(18, dtype="f4").reshape(6, 3)})
    yield tensors({"a": np.ones((2, 2), "f2"), "b": np.zeros(3, "i8"), "c": np.zeros((0, 3), "u1")})


def some_csv() -> Iterator[bytes]:
    yield b"0,1,2\n0.5,0.25,0.25\n0.1,0.2,0.7\n"
    yield b'a,"b"\n1,-2e3\n3,4\n'
    yield b"1\n2\n3\n"


def read_weights(data: bytes) -> None:
    """Into a network: all of it, or nothing and a reason."""
    import torch

    from kdbench.models.weights import load_into

    net = torch.nn.Linear(3, 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    path = file("net.safetensors", data)
    try:
        load_into(net, path)
    except Exception:
        assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
        raise


def linear() -> Iterator[bytes]:
    yield tensors({"weight": np.ones((2, 3), "f4"), "bias": np.zeros(2, "f4")})


def read_checkpoint(data: bytes) -> None:
    """The saved state, or None: a torn file starts the job anew."""
    import torch

    from kdbench.train import checkpoint

    found = checkpoint.load(file("state.safetensors", data), torch.device("cpu"))
    assert found is None or isinstance(found, dict)


def states() -> Iterator[bytes]:
    yield tensors(
        {"net\x1fweight": np.ones((2, 3), "f4"), "optimisers\x1fmain\x1f0\x1fexp_avg": np.ones(2, "f4"), "at": np.array(3)}
    )


ABOUT = {"teacher": "0a", "samples": 6, "codes": 2, "what": "logits"}


def read_signals(part: str, data: bytes) -> None:
    """A table with a damaged part is set aside and begun anew; it never answers with what is not there."""
    from kdbench.train.signals.form import Exact
    from kdbench.train.signals.table import open_table

    folder = scratch() / "signals"
    shutil.rmtree(folder, ignore_errors=True)
    made = open_table(folder, ABOUT, Exact(), lambda: (3,))
    path = made.folder / part
    del made
    path.write_bytes(data)
    with contextlib.redirect_stderr(io.StringIO()):
        table = open_table(folder, ABOUT, Exact(), lambda: (3,))
    index = np.arange(6)
    table.has(index, index % 2)
    assert table.rows(index, index % 2).shape == (6, 3)


def signal_files(part: str) -> Iterator[bytes]:
    from kdbench.train.signals.form import Exact
    from kdbench.train.signals.table import open_table

    yield (open_table(scratch() / "signals", ABOUT, Exact(), lambda: (3,)).folder / part).read_bytes()


def some_events() -> Iterator[bytes]:
    start = {"t": 1.5, "event": "start", "step": 0, "steps": 20, "pid": 7}
    steps = [
        {"t": 2.0 + i, "event": "metric", "step": i, "steps": 20, "loss/ce": 0.5, "metrics": {"accuracy": 0.5}} for i in range(3)
    ]
    yield b"".join(as_json(event) + b"\n" for event in (start, *steps, {"t": 9, "event": "epoch", "epoch": 1, "kl": None}))


MADE = [
    Target("record", "json", read_record, records, record_words, 4),
    Target("outline", "json", read_outline, records, record_words),
    Target("store", "json", read_store, records, record_words, 8),
    Target("against", "json", read_against, lambda: iter([as_json(pair()[3])]), record_words, 3),
    Target("units", "json", read_units, packed_units, record_words, 2),
    Target("failure", "json", read_failure, failure_files),
    Target("output", "npy", read_output, some_arrays, slow=4),
    Target("score-npy", "npy", functools.partial(read_score, ".npy"), some_arrays, slow=5),
    Target("score-npz", "bytes", functools.partial(read_score, ".npz"), zipped, slow=5),
    Target("score-safetensors", "safetensors", functools.partial(read_score, ".safetensors"), some_tensors, slow=5),
    Target("score-csv", "csv", functools.partial(read_score, ".csv"), some_csv, slow=5),
    Target(
        "events",
        "lines",
        read_events,
        some_events,
        lambda: ["t", "event", "start", "metric", "step", "steps", "loss/ce", "metrics"],
        3,
    ),
    Target(
        "signals-header", "json", functools.partial(read_signals, "header.json"), lambda: signal_files("header.json"), slow=10
    ),
    Target("signals-values", "npy", functools.partial(read_signals, "values.npy"), lambda: signal_files("values.npy"), slow=10),
    Target("signals-filled", "npy", functools.partial(read_signals, "filled.npy"), lambda: signal_files("filled.npy"), slow=10),
    Target("weights", "safetensors", read_weights, linear, slow=2),
    Target("checkpoint", "safetensors", read_checkpoint, states, slow=2),
]
