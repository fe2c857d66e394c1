"""A job keeps the memory that it frees: the next step finds it there."""

import subprocess
import sys

import pytest

STEPS = """
import resource, sys
from kdbench.execute.own_process import keep_freed
if sys.argv[1] == "keep":
    keep_freed()
def step():
    for maps in [bytearray(9 << 20) for _ in range(12)]:
        maps[::4096] = bytes(len(maps[::4096]))
step(), step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step(), step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc")
def test_pages_are_cleared_once_and_not_at_every_step():
    faults = {how: int(subprocess.check_output([sys.executable, "-c", STEPS, how])) for how in ("keep", "give")}
    assert faults["keep"] < faults["give"] / 10, faults


def test_every_job_does_so():
    from kdbench.execute import child, own_process

    assert child.keep_freed is own_process.keep_freed and "keep_freed" in child.execute.__code__.co_names
