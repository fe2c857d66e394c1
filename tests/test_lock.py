"""The lock file says what the code says, and a default cannot change under one version."""

import copy
import json
import subprocess
import sys

from kdbench import lock
from kdbench.registry import LOCK


def test_the_lock_file_is_current():
    assert json.loads(LOCK.read_text()) == lock.current(), "run: python -m kdbench.lock"


def test_a_changed_default_needs_a_new_version():
    old = json.loads(LOCK.read_text())
    new = copy.deepcopy(old)
    kd = next(p for p in new if (p["kind"], p["name"]) == ("method", "kd"))
    kd["defaults"]["T"] = 3.0
    assert lock.unversioned(old, new) == ["method kd: T"]
    kd["version"] += 1
    assert lock.unversioned(old, new) == []
    kd["version"] -= 1
    kd["defaults"] = {**kd["defaults"], "T": 4.0, "new": 1}
    assert lock.unversioned(old, new) == [], "a new parameter with a default changes no result"


def test_planning_needs_no_torch():
    code = (
        "import sys; from kdbench.registry import Registry; r = Registry(packages=False); assert r.names('method');"
        "import kdbench.jobs.graph, kdbench.jobs.plan, kdbench.suite.expand, kdbench.execute.local, kdbench.results.store;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
