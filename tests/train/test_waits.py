"""What serves a step (sources, views, the loop itself) makes no device wait; methods are looked at by the conformance rule."""

import numpy as np
import pytest
import torch

from kdbench.testing.waits import counted
from kdbench.train.stream import Tick

SOURCES = [
    ("live", {}, 1, "digits"),
    ("live", {"learns": True}, 1, "digits"),
    ("live", {"labels": "threshold"}, 1, "streets"),
    ("live", {"labels": "share"}, 1, "streets"),
    ("live", {}, 1, "topics"),
    ("ensemble", {"labels": "argmax", "fusion": "majority"}, 3, "digits"),
    ("ensemble", {"labels": "argmax", "fusion": "channel"}, 2, "streets"),
    ("ensemble", {"normalise": "z"}, 2, "topics"),
    ("ensemble", {}, 2, "sounds"),
    ("ema", {}, 0, "digits"),
    ("peers", {}, 0, "digits"),
]


@pytest.mark.parametrize(("source", "params", "teachers", "task"), SOURCES)
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_no_step_waits(bench, source, params, teachers, task, optimiser):
    recipe = {"optimiser": optimiser, "clip": 1.0, "warmup": 0.1}
    made = bench(task, "kd", source=source, source_params=params, teachers=teachers, steps=20, recipe=recipe).train(2)
    made.learner.probes = {3}  # the measuring of gradients waits for nothing either
    with counted() as found:
        made.train(3)
    assert not found
    with counted() as found:
        made.learner.report()
    assert found, "a report does"


def test_classmix_does_not_wait(bench):
    view = {"stages": [{"name": "classmix", "params": {}}]}
    labels = {"labels": "argmax"}
    made = bench(
        "streets", "pseudo_labels", source="live", source_params=labels, steps=6, view=view, recipe={"joint": True}
    ).train(2)
    with counted() as found:
        made.train(2)
    assert not found


def test_mixup_waits_as_its_page_says(bench):
    """docs/steps.md lists what does."""
    view = {"stages": [{"name": "mixup", "params": {}}]}
    made = bench("digits", "kd", {"task": 0.0}, steps=6, view=view).train(2)
    with counted() as found:
        made.train(1)
    assert found and all("views.mixup" in each for each in found)


def test_every_way_to_wait_is_counted():
    values, number, rows = torch.arange(3.0), torch.tensor(2), torch.arange(3)
    ways = [
        values[1].item, lambda: float(number), lambda: bool(number), lambda: values[number], lambda: values[: number],
        values.tolist, values.numpy, values.cpu, lambda: np.asarray(values), lambda: f"{number}",
        lambda: torch.equal(values, values),
        values.nonzero, lambda: values[values > 1], lambda: torch.where(values > 1), values.unique, rows.bincount,
        lambda: values.repeat_interleave(rows), lambda: torch.tensor([1.0]), lambda: values.new_tensor([1.0]),
        lambda: torch.nn.functional.one_hot(rows), lambda: values.masked_select(values > 1),
    ]  # fmt: skip
    for number_of, way in enumerate(ways):
        with counted() as found:
            way()
        assert found and "test_waits" in found[0], number_of
    with counted() as found:
        (
            values.to(torch.device("cpu")),
            values * 2,
            values.sum(),
            torch.nn.functional.one_hot(rows, 3),
            values.index_select(0, rows),
        )
        values[rows], torch.where(values > 1, values, 0.0), values.masked_fill(values > 1, 0.0), torch.arange(3), torch.zeros(2)
    assert not found
    assert values.tolist() == [0, 1, 2] and isinstance(values.numpy(), np.ndarray), "afterwards all is as it was"


def test_gradients_lie_as_their_parameters(bench):
    """A fused optimiser reads both from end to end; torch's own backward keeps to this, one of a method's own has to."""
    for task, wrap in (("digits", ()), ("digits", ("dot",)), ("streets", ()), ("sounds", ("dot",))):
        made = bench(task, "fitnets" if task == "digits" else "kd", wrap=wrap, steps=4).train(3)
        for owner in made.learner.owners.values():
            for p in owner.params:
                assert p.grad is None or (p.grad - torch.empty_like(p)).stride() == p.stride() == p.grad.stride()


def test_two_steps_of_a_stream_do_not_wait(bench):
    made = bench("digits", "none", steps=9)
    Tick(0, made.streams).batch("labelled")
    with counted() as found:
        Tick(1, made.streams).batch("labelled")
    assert not found
