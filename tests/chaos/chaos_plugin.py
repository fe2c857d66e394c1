"""A method that goes wrong in the middle of its training in the way that CHAOS_FAULT names, and else trains alone."""

import ctypes
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import torch

from kdbench.api import Method, Needs, Term

AT = 6  # of 12 steps
YEAR = 365 * 86400.0


def segfault():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.string_at(0)


def exception():
    raise ValueError("a bug in a method")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def hang():
    time.sleep(3600)


def host_memory():
    """Really: the allocator is refused what it asks for."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + 2**26, before[1]))
    try:
        torch.ones(2**30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def device_memory():
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB (as torch would say)")


def clock():
    """Back by ten years, and forward by one a second later: what this process asks the time for."""
    real, began = time.time, time.monotonic()
    time.time = lambda: real() + (YEAR if time.monotonic() - began > 1 else -10 * YEAR)


def full():
    """The folder of the job's events and log takes no byte more."""
    folder = Path(os.environ["CHAOS_FOLDER"])
    with open(folder / "filler", "wb", buffering=0) as file:
        try:
            while file.write(b"x" * 1024):
                pass
        except OSError:
            pass


def read_only():
    subprocess.run(["mount", "-o", "remount,bind,ro", os.environ["CHAOS_FOLDER"]], check=True)


def small_files():
    """No file of this process, and in an inline run of the run itself, may be larger than this from now on."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**14, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


FAULTS = (segfault, exception, kill, hang, host_memory, device_memory, clock, full, read_only, small_files)


class Victim(Method):
    """The student alone, until something happens."""

    name = "victim"
    needs = Needs()

    def terms(self, step):
        fault = os.environ.get("CHAOS_FAULT")
        if fault == "slow":
            time.sleep(0.2)
        elif fault and step.index == AT:
            if fault == "nan":
                return {"task": Term(lambda: step.supervised() * float("nan"))}
            next(each for each in FAULTS if each.__name__ == fault)()
        return {"task": Term(step.supervised, weight=0.9)}
