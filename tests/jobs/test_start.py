"""Starts and stages in a plan: identity where they matter and nowhere else; what cannot be is refused with a reason."""

import json

from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
SELF = {"name": "self", "teacher": {"model": "digit_net", "pool": 2}, "student": {"model": "digit_net"}}


def planned(methods, pair=SELF, task="digits", **more):
    suite = {"version": 1, "name": "s", "tasks": [{"task": task, **({"pairs": [pair]} if pair else {})}], "methods": methods}
    text = json.dumps({**suite, "sources": {"two": {"source": "ensemble", "teachers": 2}}, **more})
    return graph(expand(parse_suite(loads(text, "s.yaml"), REGISTRY), REGISTRY).arms, REGISTRY)


def student(jobs, cell):
    return next(job for job in jobs.jobs.values() if job.labels["cell"] == cell)


def test_a_start_is_identity_and_a_fresh_one_is_the_job_that_it_was():
    plain = student(planned(["kd"]), "kd")
    spelled = student(planned([{"method": "kd", "init": "fresh"}]), "kd")
    nothing = student(planned([{"method": "kd", "init": {"mix": 0}}]), "kd")
    assert plain.identity["init"] == "fresh" and plain.key == spelled.key == nothing.key
    jobs = planned([{"method": "kd", "init": ["fresh", {"mix": 0.25}, {"mix": 1}]}])
    keys = {cell.cell: key for cell, [key] in jobs.cells.items()}
    assert set(keys) == {"none", "kd", "kd{init.mix=0.25}", "kd{init.mix=1}"} and len(set(keys.values())) == 4
    assert keys["kd"] == plain.key
    assert jobs.jobs[keys["kd{init.mix=0.25}"]].spec["init"] == {"mix": 0.25}


def test_starts_that_cannot_be():
    def reasons(*args, **more):
        return [reason for refusal in planned(*args, **more).refusals for reason in refusal.reasons]

    mixed = {"method": "kd", "init": {"mix": 0.5}}
    assert reasons([mixed]) == []
    assert reasons([{**mixed, "source": "two"}]) == ["init mixes in the weights of one teacher, source two has 2 to choose from"]
    assert reasons([mixed], pair=None) == [
        "init mixes weights of equal networks, the teacher is digit_net {'depth': 2, 'widths': [16, 32, 64]} "
        "and the student digit_net"
    ]
    assert reasons([{"method": "none", "init": {"mix": 0.5}}]) == [
        "init mixes in the teacher's weights, but none learns without a teacher"
    ]


VIEWS = {"views": {"mixed": {"stages": "mixup"}, "plain": {"transfer": "half_b"}}}


def test_stages_are_identity_of_the_distillation_stream_alone():
    jobs = planned([{"method": "kd", "view": ["default", "mixed", "plain"]}], **VIEWS)
    assert {cell.cell for cell in jobs.cells} == {"none", "kd", "kd·mixed", "kd·plain"}, "one control serves them all"
    mixed, plain, none = (student(jobs, cell) for cell in ("kd·mixed", "kd", "none"))
    assert mixed.identity["view"] == {**plain.identity["view"], "stages": [{"name": "mixup", "version": 1, "params": {}}]}
    assert mixed.targets["stage:mixup"] == "kdbench.train.views.mixup:Mixup"
    assert "stages" not in plain.identity["view"] and "stages" not in none.identity["view"]
    assert mixed.spec["view"]["stages"] and plain.spec["view"]["stages"] == []
    assert plain.key == student(planned(["kd"]), "kd").key
    taught = planned([{"method": "kd", "view": "mixed"}], pair={**SELF, "teacher": {**SELF["teacher"], "view": "mixed"}}, **VIEWS)
    assert all("stages" not in job.identity["view"] for job in taught.jobs.values() if job.kind == "teacher")


def test_a_stage_needs_the_field_that_it_changes():
    [refusal] = planned(
        [{"method": "kd", "view": "mixed"}], pair=None, task="topics", views={"mixed": {"stages": ["mixup"]}}
    ).refusals
    assert refusal.reasons[0].startswith("stage mixup changes image, task topics has ")


def test_keys_of_earlier_results():
    """Results on disk are found by these keys: they may change only with the version of what they name."""
    jobs = planned(["kd"], pair=None, seeds=[3])
    assert {job.labels["cell"]: job.key for job in jobs.jobs.values()} == {
        "teacher": "4a81e0e63ee8429abacdb7a2",
        "none": "e89342a7a506f33b0ef34f76",
        "kd": "17673d9c7489254fd7e5b242",
    }
