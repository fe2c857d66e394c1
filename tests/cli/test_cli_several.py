"""Jobs on several devices each: the same keys and results, checkpoints that go on on another number of them, clear refusals."""

from __future__ import annotations

import signal

from cli_bench import Bench, finish

SUITE = """\
version: 1
name: several
tasks:
  - task: digits
    recipe: {steps: 200}
    teachers: {recipe: {steps: 12}}
methods: [kd]
exclude: [{method: none, reason: one student is enough here}]
"""
TWO = SUITE + "resources: {gpus: 2, device: cpu}\n"


def test_stopped_on_two_processes_a_job_goes_on_on_one_and_has_the_same_key(bench: Bench):
    bench.write("one.yaml", SUITE)
    bench.write("two.yaml", TWO)
    assert bench.plan("one.yaml").keys() == bench.plan("two.yaml").keys()
    [student] = [key for key, job in bench.plan("two.yaml").items() if job["cell"] == "kd"]
    process = bench.start("run", "two.yaml", "--no-track", "--workers", "2")
    bench.when_training(student, process)
    process.send_signal(signal.SIGINT)
    assert finish(process).code == 75
    [teacher] = bench.records().values()
    assert teacher.timing["ranks"] == 2
    bench("run", "one.yaml", "--no-track", code=0)
    record = bench.records()[student]
    assert record.timing["resumed"] is True and "ranks" not in record.timing
    assert [event["event"] for event in bench.events(student)].count("end") == 2


REFUSED = [
    ("{gpus: 2, device: cpu}", "--executor inline", "--executor inline runs a job in one"),
    ("{gpus: 2, gpu: 0.5}", "", "gpus: 2 takes whole GPUs, gpu: 0.5 a share of one"),
    ("{gpus: 0}", "", "expected a whole number at least 1"),
    ("{gpus: 2, device: cpu}\nrecipe: {compile: yes}", "", "a compiled network cannot be shared out; digits"),
]


def test_what_cannot_be_is_refused_before_anything_runs(bench: Bench):
    for number, (resources, _, _) in enumerate(REFUSED):
        bench.write(f"{number}.yaml", SUITE + f"resources: {resources}\n")
    words = [f"run {number}.yaml --no-track {more}" for number, (_, more, _) in enumerate(REFUSED)]
    for (resources, _, message), done in zip(REFUSED, bench.many(*words), strict=True):
        assert done.code == 2 and message in done.text, (resources, done.text)
    assert not bench.records()
