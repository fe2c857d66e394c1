"""Seconds that are not a job's own are told from those that are, and the count of a device's company is kept."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from kdbench.results import company
from kdbench.results.timing import left_out, marks, own_seconds


@pytest.mark.parametrize(
    ("timing", "found"),
    [
        ({}, []),
        ({"packed": 1, "gang": 1, "resumed": False}, []),
        ({"packed": 3}, ["packed"]),
        ({"gang": 10, "resumed": True}, ["gang", "resumed"]),
        ({"packed": None, "gang": "4", "resumed": 0}, []),
    ],
)
def test_marks_are_found(make_record, timing, found):
    assert marks(timing) == found
    record = make_record(timing={"train_seconds": 2.0, **timing})
    assert math.isnan(own_seconds(record)) if found else own_seconds(record) == 2.0


def test_seconds_that_nobody_knows_are_nan(make_record):
    for timing in ({}, {"train_seconds": None}, {"train_seconds": "2"}, {"train_seconds": -1.0}):
        assert math.isnan(own_seconds(make_record(timing=timing)))


def test_what_is_left_out_is_said_once(make_record):
    plain = make_record()
    marked = [replace(plain, timing=timing) for timing in ({"packed": 2}, {"packed": 3, "resumed": True}, {"gang": 2})]
    assert left_out([plain]) == left_out([]) == ""
    assert left_out([plain, *marked]) == (
        "Of 4 results 2 shared a device with other jobs, 1 trained in a gang, 1 went on from a checkpoint: "
        "their seconds are not the cost of one job, and are left out."
    )


def test_each_job_learns_of_the_most_that_were_on_its_device(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    for folder in (a, b, c):
        folder.mkdir()
    company.note([a], [])
    assert company.most(a) == 1 and not list(a.iterdir())
    company.note([b], [[a]])
    company.note([c], [[a], [b]])
    assert [company.most(folder) for folder in (a, b, c)] == [3, 3, 3]
    company.note([b], [[a]])  # again, when c is gone: its own count begins anew, a has still met two
    assert [company.most(folder) for folder in (a, b)] == [3, 2]
    company.note([a], [])
    assert company.most(a) == 1
    company.note([a, b], [])  # a gang alone
    company.note([c], [[a, b]])
    assert [company.most(folder) for folder in (a, b, c)] == [2, 2, 2]
