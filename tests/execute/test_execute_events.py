"""events.jsonl: what is written is read once and whole, whatever tore the last line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest

from kdbench.execute.events import FILE, EventTail, EventWriter, read_events


def test_the_tail_gives_each_record_once(tmp_path):
    tail = EventTail(tmp_path)
    assert tail.read() == []
    with closing(EventWriter(tmp_path)) as emit:
        emit({"event": "epoch", "step": 1})
        emit({"event": "epoch", "step": 2})
        assert [record["step"] for record in tail.read()] == [1, 2]
        assert tail.read() == []
        emit({"event": "epoch", "step": 3})
    assert [record["step"] for record in tail.read()] == [3]
    assert [record["step"] for record in read_events(tmp_path)] == [1, 2, 3]
    assert all(isinstance(record["t"], float) for record in read_events(tmp_path))


def test_a_torn_line_is_waited_for_and_never_glued_to_the_next(tmp_path):
    (tmp_path / FILE).write_bytes(b'{"event": "epoch", "step": 1}\n{"event": "epo')
    tail, late = EventTail(tmp_path), EventTail(tmp_path, from_end=True)
    assert [record["step"] for record in tail.read()] == [1]
    with open(tmp_path / FILE, "ab") as file:
        file.write(b'ch", "step": 2}\n{"event": "ep')
    assert [record["step"] for record in tail.read()] == [2]
    with closing(EventWriter(tmp_path)) as emit:  # the attempt after the one that was killed
        emit({"event": "epoch", "step": 3})
    assert [record["step"] for record in tail.read()] == [3]
    assert [record["step"] for record in late.read()] == [3]
    assert [record["step"] for record in read_events(tmp_path)] == [1, 2, 3]


@pytest.mark.parametrize("rubbish", [b"\xff\xfe\n", b"[1, 2]\n", b"null\n", b"\n"])
def test_rubbish_between_records_is_passed_over(tmp_path, rubbish):
    (tmp_path / FILE).write_bytes(b'{"step": 1}\n' + rubbish + b'{"step": 2}\n')
    assert [record["step"] for record in read_events(tmp_path)] == [1, 2]


def test_records_are_strict_json(tmp_path):
    with closing(EventWriter(tmp_path)) as emit:
        emit({"event": "metric", "loss": float("nan"), "top1": np.float32(0.5), "n": np.int64(3), "m": {"a": [np.inf, tmp_path]}})
    line = (tmp_path / FILE).read_text()
    record = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (record["loss"], record["top1"], record["n"], record["m"]) == (None, 0.5, 3, {"a": [None, str(tmp_path)]})


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_takes_events_and_logs_and_not_the_job(tmp_path):
    (tmp_path / FILE).symlink_to("/dev/full")
    with closing(EventWriter(tmp_path)) as emit:
        emit({"event": "epoch"})
    code = "from kdbench.execute.log import forgive; forgive(); print('lost', flush=True); raise SystemExit(7)"
    with open("/dev/full", "w") as full:
        assert subprocess.run([sys.executable, "-c", code], stdout=full, stderr=full).returncode == 7
