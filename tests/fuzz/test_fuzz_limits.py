"""Short files that ask for more than any machine has: refused in a moment, at their place, with the limit named."""

from __future__ import annotations

import resource
import time

import pytest

from kdbench.jobs.of_suite import jobs_of
from kdbench.registry import Registry
from kdbench.suite.errors import SuiteError
from kdbench.suite.read import read_suite

REGISTRY = Registry(packages=False)
HEAD = "version: 1\nname: large\ntasks: [digits]\n"
MANY = ", ".join(f"0.{number:03}" for number in range(1, 300))
HUNDREDS = ", ".join(map(str, range(1, 300)))
ALIASES = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 30))
CHAIN = "a0: &a0 [1]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
FAMILIES = f"tasks: [{{task: digits, pairs: [{{name: a, student: {{model: '{'cheap:' * 2000}x'}}}}]}}]\n"
SWEEP = f"methods: [{{method: dkd, params: {{alpha: [{MANY}], beta: [{MANY}], T: [{HUNDREDS}]}}}}]\n"

LARGE = {
    "seeds": ("seeds: 1000000000\n", "1,000,000,000 seeds are asked for, and 10,000 are the most"),
    "no seeds": ("seeds: -1000000000\n", "at least one seed is needed"),
    "huge seeds": (f"seeds: 1{'0' * 30}\n", "too large for a whole number"),
    "hexadecimal": (f"seeds: 0x{'F' * 9000}\n", "too large for a whole number"),
    "arm seeds": ("methods: [{method: kd, seeds: 99999999}]\n", "10,000 are the most"),
    "pool": ("tasks: [{task: digits, teachers: {pool: 99999999}}]\n", "at most 10000"),
    "rounds": ("methods: [{method: kd, rounds: {each: [{source: earlier}], count: 100000000}}]\n", "at most 1000"),
    "sweep": (SWEEP, "the suite plans more than 50,000 arms"),
    "sweep of rounds": (f"methods: [{{method: kd, params: {{T: [{HUNDREDS}]}}, rounds: {{count: [999, 9]}}}}]\n", "than 50,000"),
    "seeds of a sweep": (f"seeds: 9999\nmethods: [{{method: kd, params: {{T: [{HUNDREDS}]}}}}]\n", "more than 50,000"),
    "grid": (f"tune: {{methods: dkd, params: {{alpha: [{MANY}], beta: [{MANY}]}}}}\nmethods: [dkd]\n", "1,000 are the most"),
    "tuning seeds": ("tune: {methods: kd, params: {T: [1, 2]}, seeds: 900000000}\nmethods: [kd]\n", "10,000 are the most"),
    "aliases": (ALIASES, "aliases make more than 100000 values"),
    "chain of aliases": (CHAIN, "is nested more than 40 deep"),
    "merges": ("a: &a {" + ", ".join(f"k{i}: 1" for i in range(3000)) + "}\nb: {<<: [*a, *a, *a, *a]}\n", "unknown key 'a'"),
    "brackets": ("x: " + "[" * 600, "nested too deeply"),
    "mappings": ("x: " + "{a: " * 600, "nested too deeply"),
    "words": (f"description: {'word ' * 300_000}\n", "is longer than 1,048,576 bytes"),
    "family of families": (FAMILIES, "unknown model"),
    "unknown names": ("methods: [" + ", ".join(f"dke{i}" for i in range(3000)) + "]\n", "unknown method 'dke0'"),
    "long name": (f"methods: [{'d' * 100_000}]\n", "unknown method"),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_too_much_is_refused_at_once(name, tmp_path):
    body, words = LARGE[name]
    text = (HEAD if "tasks:" not in body else HEAD.replace("tasks: [digits]\n", "")) + body
    path = tmp_path / "large.yaml"
    path.write_text(text)
    began, held = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SuiteError) as caught:
        jobs_of(read_suite(path, REGISTRY), REGISTRY, tmp_path, None, None, dict)
    assert words in str(caught.value), str(caught.value)[:2000]
    assert time.process_time() - began < 20.0  # of this process' own time; a fault takes minutes, or all memory
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 500 * 1024


def test_a_suite_as_large_as_the_limits_is_planned(tmp_path):
    path = tmp_path / "allowed.yaml"
    path.write_text(HEAD + "seeds: 2000\nmethods: [kd]\n")
    jobs = jobs_of(read_suite(path, REGISTRY), REGISTRY, tmp_path, None, None, dict)[1]
    assert len(jobs.cells) == 2 and len(jobs.jobs) > 4000
