"""Rounds: chains that go on from shorter ones, jobs that are shared, starts and sources that must have been there before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kdbench.jobs.graph import graph
from kdbench.jobs.job import Job, JobSet
from kdbench.jobs.payload import payload
from kdbench.jobs.plan import plan
from kdbench.jobs.rounds import round_label, seed_of
from kdbench.registry import Registry
from kdbench.suite import SuiteError, expand, parse_suite
from kdbench.suite.entry import Round, Rounds, rounds
from kdbench.suite.yaml import loads

REGISTRY = Registry(packages=False)
GENERATIONS = {"method": "kd", "params": {"T": 1}, "source": "earlier", "rounds": {"first": {"method": "none"}}}
GO_ON = {"method": "kd", "init": "earlier", "rounds": {"first": {"method": "none", "init": "fresh"}}}


def planned(methods: list[Any], seeds: Any = 1, pool: int = 1, root: Path = Path("."), **more: Any) -> JobSet:
    tasks = [{"task": more.pop("task", "digits"), "teachers": {"pool": pool}, **more.pop("more", {})}]
    document = loads(
        json.dumps({"version": 1, "name": "s", "seeds": seeds, "tasks": tasks, "methods": methods, **more}), "s.yaml"
    )
    return graph(expand(parse_suite(document, REGISTRY), REGISTRY).arms, REGISTRY, root)


def counted(number: Any, arm: dict[str, Any] = GENERATIONS) -> dict[str, Any]:
    return {**arm, "rounds": {**arm["rounds"], "count": number}}


def chain(jobs: JobSet, cell: int = -1) -> list[Job]:
    """The rounds of a cell's first seed, the last one at the end; each is known by whom it learns from or starts as."""
    found = [jobs.jobs[list(jobs.cells.values())[cell][0]]]
    while before := [key for key in found[0].after if jobs.jobs[key].kind == "student"]:
        found.insert(0, jobs.jobs[before[0]])
    return found


def test_a_longer_chain_goes_on_from_a_shorter_one():
    spec = Rounds.model_validate({"first": {"method": "none"}, "each": [{}, {"source": "earlier"}], "count": 3})
    for count in range(1, 5):
        assert rounds(spec, count) == rounds(spec, count + 1)[: 1 + 2 * count]
    assert rounds(Rounds(), 2) == [Round(), Round()]
    short, long = planned([counted(1)]), planned([counted(3)])
    assert [job.key for job in chain(short)] == [job.key for job in chain(long)][:2]
    assert set(short.jobs) < set(long.jobs)


def test_the_first_round_is_the_control_itself():
    jobs = planned([counted(2)], seeds=2)
    control, *_ = jobs.cells.values()
    first, second, third = chain(jobs)
    assert first.key == control[0] and first.teachers == ()
    assert second.teachers == (first.key,) and third.teachers == (second.key,)
    place = ("digits", "default")
    assert jobs.reference[(*place, third.key)] == (second.key,)
    assert jobs.reference[(*place, first.key)] == tuple(jobs.teachers[place][:1])


def test_every_round_has_weights_of_its_own_and_the_arms_seed_in_its_name():
    jobs = planned([counted(2)], seeds=[4])
    seeds = [job.identity["seed"] for job in chain(jobs)]
    assert seeds[0] == 4 and len(set(seeds)) == 3
    assert {job.labels["seed"] for job in chain(jobs)} == {4}
    assert seed_of(4, 1) == seed_of(4, 1) != seed_of(5, 1) and seed_of(7, 0) == 7


def test_arms_share_the_rounds_that_they_have_in_common():
    one = planned([counted([1, 2, 4])])
    assert len([job for job in one.jobs.values() if job.kind == "student"]) == 5
    assert [cell.cell.split("{")[0] for cell in one.cells] == ["none", *["kd[T=1]·earlier"] * 3] and len(one.cells) == 4
    other = planned([{**counted(2), "params": {"T": 2}}])
    assert chain(one, 1)[0].key == chain(other)[0].key and chain(one, 1)[1].key != chain(other)[1].key


def test_rounds_that_are_no_result_are_named_after_the_arm():
    assert round_label("gt_self", 2) == "gt_self{round=2}" and round_label("a{lr=1}", 3) == "a{lr=1,round=3}"
    jobs = planned(["gt_self"])
    assert [job.labels["cell"] for job in chain(jobs)] == [*[f"gt_self{{round={n}}}" for n in range(1, 5)], "gt_self"]
    assert "gt_self" in [cell.cell for cell in jobs.cells] and not any("round=" in cell.cell for cell in jobs.cells)
    assert [job.identity["method"]["name"] for job in chain(jobs)] == ["brier", *["brier_kd"] * 4]


def test_identities_without_rounds_are_as_they_were():
    [job] = [job for job in planned(["kd"]).jobs.values() if job.labels["cell"] == "kd"]
    assert set(job.identity) == {
        "identity_version", "role", "task", "student", "teachers", "method", "source", "view", "recipe", "init", "seed",
    }  # fmt: skip
    assert job.identity["init"] == "fresh" and set(job.identity["source"]) == {"name", "version", "params"}
    assert set(job.labels) == {"task", "pair", "method", "cell", "source", "view", "seed"}


def test_a_start_from_an_earlier_student():
    jobs = planned([GO_ON])
    first, second = chain(jobs)
    [teacher] = jobs.teachers["digits", "default"]
    assert second.identity["init"] == {"job": first.key} and second.start == first.key
    assert second.teachers == (teacher,) and second.after == (teacher, first.key)
    data = payload(second, jobs, Path("/h"), Path("/r"), 60)
    assert data["init_weights"] == f"/h/weights/{first.key}.safetensors" and data["init_job"] == first.key
    [also] = [
        job for job in planned([GO_ON, {**GO_ON, "params": {"T": 1}}]).jobs.values() if job.labels["cell"].startswith("kd[T=1]")
    ]
    assert also.start == first.key


def test_a_student_as_it_began_may_answer_and_is_no_reference():
    asked = {"both": {"source": "ensemble", "teachers": 1, "also": "initial", "params": {"reduce": "logit"}}}
    jobs = planned([{**GO_ON, "source": "both", "rounds": {"first": {"method": "none", "init": "fresh"}}}], sources=asked)
    first, second = chain(jobs)
    [teacher] = jobs.teachers["digits", "default"]
    assert second.teachers == (teacher, first.key) and jobs.reference["digits", "default", second.key] == (teacher,)
    told = payload(second, jobs, Path("h"), Path("r"), 60)["teachers"]
    assert [(t["key"], t["reference"]) for t in told] == [(teacher, True), (first.key, False)]


def test_a_start_from_a_file_is_known_by_its_content(tmp_path: Path):
    (tmp_path / "a.safetensors").write_bytes(b"weights")
    (tmp_path / "b.safetensors").write_bytes(b"weights")
    arms = [{"method": "kd", "init": {"file": f"{name}.safetensors", "part": "stem"}} for name in "ab"]
    one, other = (planned([arm], root=tmp_path) for arm in arms)
    assert chain(one)[0].key == chain(other)[0].key
    assert chain(one)[0].weights == str(tmp_path / "a.safetensors")
    assert chain(one)[0].identity["init"]["part"] == ["stem"] and len(chain(one)[0].identity["init"]["weights"]) == 64


def test_the_pairs_networks_in_turn():
    jobs = planned(["trans_encoder"], task="topics")
    names = [job.identity["student"]["model"] for job in chain(jobs)]
    assert names == ["dense_text", "interaction", "dense_text", "interaction", "dense_text"]
    none, cross, bi, _, bi2 = chain(jobs)
    assert (bi.teachers, bi.start, bi2.start) == ((cross.key,), none.key, bi.key)


def test_a_lost_weight_is_made_again_and_a_diverged_round_blocks():
    class Done:
        def __init__(self, status="done"):
            self.status, self.provenance = status, {}

    jobs = planned([GO_ON])
    first, second = chain(jobs)
    [teacher] = jobs.teachers["digits", "default"]

    def states(records):
        made = plan(jobs, records, lambda job: {}, lambda key: False, {})
        return {p.job.key: (p.state, p.reason) for p in made.jobs}

    lost = states({first.key: Done(), teacher: Done()})
    assert lost[first.key][0] == "run" and "weights" in lost[first.key][1]
    assert states({first.key: Done("diverged"), teacher: Done()})[second.key][0] == "blocked"


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        ({"method": "kd", "source": "earlier"}, "asks the student of the round before, and there is none"),
        ({"method": "kd", "init": "earlier"}, "init starts 1 round before, and there are 0"),
        ({"method": "kd", "source": "initial", "rounds": {"first": {"method": "none"}}}, "begins as no earlier one"),
        ({"method": "kd", "rounds": {"each": {"method": "kdd"}}}, "unknown method 'kdd'"),
        ({"method": "kd", "rounds": {"each": {"params": {"TT": 1}}}}, "unknown param 'TT'"),
        ({"method": "kd", "rounds": {"each": {"source": "mine"}}}, "unknown source 'mine'"),
        ({"method": "kd", "rounds": {"each": {"view": "mine"}}}, "unknown view 'mine'"),
        ({"method": "kd", "rounds": {"count": 0}}, "'methods.rounds.count' is 0"),
        ({"method": "kd", "rounds": {"each": []}}, "at least 1 entry"),
        ({"method": "kd", "init": {"mix": 0.5, "earlier": 1}}, "start at one place, not at mix and earlier"),
        ({"method": "kd", "init": {"part": "stem"}}, "part says which weights"),
        ({"method": "kd", "rounds": {"first": {"method": "none", "source": "live"}}}, "learns without a teacher"),
    ],
)
def test_mistakes(arm: dict[str, Any], words: str):
    with pytest.raises(SuiteError) as caught:
        planned([arm])
    assert words in str(caught.value) and len(caught.value.problems) == 1


def test_other_networks_cannot_be_started_from():
    arm = {"method": "kd", "init": "earlier", "rounds": {"first": {"method": "none", "init": "fresh", "student": "teacher"}}}
    [refused] = planned([arm]).refusals
    assert refused.reasons[0].startswith("round 2: init takes all weights of digit_net")
    arm["init"] = {"earlier": 1, "part": ["stem"]}
    assert not planned([arm]).refusals
