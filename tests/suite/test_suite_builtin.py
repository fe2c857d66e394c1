"""The registry's built-in plugins serve a suite as they are: every task expands with its own pair, without importing torch."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import json, sys
from kdbench.registry import Registry
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads
registry = Registry(packages=False)
tasks = registry.names("task")
text = json.dumps({"version": 1, "name": "all", "seeds": 1, "tasks": tasks, "methods": ["kd", "source_only"]})
arms = expand(parse_suite(loads(text, "all.yaml"), registry), registry).arms
print(json.dumps([tasks, [arm.data() for arm in arms], "torch" in sys.modules]))
"""


def test_every_built_in_task_expands():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    tasks, arms, torch = json.loads(done.stdout)
    assert not torch and len(tasks) >= 4
    assert {(arm["task"]["name"], arm["cell"]) for arm in arms} == {(task, cell) for task in tasks for cell in ("kd", "none")}
    for arm in arms:
        assert arm["teachers"] and arm["view"]["labelled"] and arm["recipe"]["steps"] > 0
        assert (arm["source"] is None) == (arm["cell"] == "none") == (arm["view"]["transfer"] is None)
