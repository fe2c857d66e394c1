"""Entry functions for the executors' tests: each one does in a second what a training job may do in a day."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processes import alive


def ok(payload, job_dir, device, emit, stop):
    """Emits its steps and writes a result, as a training job does."""
    for step in range(payload.get("steps", 2)):
        emit({"event": "progress", "step": step + 1, "steps": payload.get("steps", 2), "loss": 1.0 / (step + 1)})
        time.sleep(payload.get("sleep", 0.0))
    print("a line on stdout")
    os.write(2, b"a line of a C library\n")
    files = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    record = {
        "files": files,
        "device": device,
        "visible": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "threads": os.environ["OMP_NUM_THREADS"],
    }
    (job_dir / "result.json").write_text(json.dumps(record | {"payload": payload, "group": os.getpgid(0), "pid": os.getpid()}))
    return {"status": payload.get("status", "done")}


def overlap(payload, job_dir, device, emit, stop):
    """Says when it ran, for a test to see how many ran at once."""
    begin = time.time()
    time.sleep(payload["sleep"])
    (job_dir / "span.json").write_text(json.dumps([begin, time.time()]))
    return {"status": "done"}


def act(payload, job_dir, device, emit, stop):
    """Does what the payload says, good or bad."""
    do = payload["do"]
    if do == "ok":
        return ok(payload, job_dir, device, emit, stop)
    emit({"event": "progress", "step": 1, "steps": 10})
    return globals()[f"_{do}"](payload, job_dir, stop)


@dataclass
class Member:
    """A job of a gang, as the child hands it over."""

    job: dict
    emit: Callable
    end: Callable


def together(members, device, stop):
    """Every member in its turn does what its payload says for a gang; `n` says which number it has."""
    pids = Path(members[0].job["pids"])
    for member in members:
        with open(pids, "a") as file:
            file.write(f"{os.getpid()} {member.job['n']}\n")
        member.emit({"event": "progress", "step": 1, "steps": 2})
        do = member.job["in_gang"]
        if do == "raise":
            member.end(ValueError(f"bad member {member.job['n']}"))
        elif do == "memory":
            member.end(MemoryError("toy"))
        elif do == "die":
            _segfault(None, None, None)
        elif do == "slow":
            time.sleep(0.3)
            member.end("done")
        elif do == "wait":
            while not stop():
                time.sleep(0.02)
            member.end("interrupted")
        else:
            member.end(do)


def ranked(payload, job_dir, device, emit, stop, rank):
    """One of several processes of a job. `who` does what the payload says, the others wait for it as in a collective."""
    number, count, meeting = rank
    (job_dir / f"rank{number}").write_text(f"{os.getpid()} {os.getpgid(0)} {os.environ['OMP_NUM_THREADS']}")
    emit({"event": "progress", "step": number + 1, "steps": count})
    assert not Path(meeting).exists() and Path(meeting).parent.parent == job_dir
    while not all((job_dir / f"rank{other}").exists() for other in range(count)):
        time.sleep(0.01)
    if number == payload.get("who"):
        return globals()[f"_{payload['do']}"](payload, job_dir, stop)
    if payload.get("echo"):
        while alive(int((job_dir / f"rank{payload['who']}").read_text().split()[0])):
            time.sleep(0.01)
        raise ConnectionError("a peer has closed the line")
    while "who" in payload:
        if (job_dir / "checkpoint").exists():
            return {"status": "interrupted"}
        time.sleep(0.01)
    return {"status": "done", "number": number}


def _odd(payload, job_dir, stop):
    class Odd(Exception):
        """One that cannot be sent to another process."""

        failure_class = "data"

    raise Odd("of its own kind")


def _alone(payload, job_dir, stop):
    """A member of a gang that runs by itself."""
    with open(payload["pids"], "a") as file:
        file.write(f"{os.getpid()} {payload['n']}\n")
    return {"status": "done"}


def _raise(payload, job_dir, stop):
    raise ValueError(f"bad value in job {payload.get('n', 0)}")


def _raise_data(payload, job_dir, stop):
    class DataError(Exception):
        failure_class = "data"

    raise DataError("the file of labels is short")


def _memory(payload, job_dir, stop):
    tries = job_dir / "tries"
    tries.write_text(str(1 + int(tries.read_text() if tries.exists() else "0")))
    (job_dir / "threads").write_text(os.environ.get("OMP_NUM_THREADS", ""))
    if tries.read_text() > payload.get("fits_at", "9"):
        return {"status": "done"}
    raise MemoryError("toy")


def _real_memory(payload, job_dir, stop):
    resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))
    return {"status": "done", "much": len(bytearray(2**40))}


def _exit(payload, job_dir, stop):
    sys.exit("no")


def _hard_exit(payload, job_dir, stop):
    os._exit(0)


def _segfault(payload, job_dir, stop):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def _kill(payload, job_dir, stop):
    os.kill(os.getpid(), signal.SIGKILL)


def _diverge(payload, job_dir, stop):
    return {"status": "diverged"}


def _asked(payload, job_dir, stop):
    """Somebody else asks this job alone to stop."""
    os.kill(os.getpid(), signal.SIGTERM)
    while not stop():
        time.sleep(0.01)
    return {"status": "interrupted"}


def _hang(payload, job_dir, stop):
    time.sleep(3600)


def _bad_status(payload, job_dir, stop):
    return {"status": "fine"}


def _deaf(payload, job_dir, stop):
    """Hangs where no Python handler runs, with a helper process of its own."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    _helper(job_dir)
    time.sleep(60)


def _wait(payload, job_dir, stop):
    """Works until asked to stop, then checkpoints."""
    _helper(job_dir)
    for _ in range(1200):
        if stop():
            (job_dir / "checkpoint").write_text("saved")
            return {"status": "interrupted"}
        time.sleep(0.05)
    return {"status": "done"}


def _wait_for_file(payload, job_dir, stop):
    """A job that a test ends by making a file."""
    while not Path(payload["file"]).exists():
        time.sleep(0.02)
    return {"status": "done"}


def _helper(job_dir):
    """What a data loader's worker is to a real job."""
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], stdout=subprocess.DEVNULL)
    (job_dir / "helper.pid").write_text(str(helper.pid))
    (job_dir / "pid").write_text(str(os.getpid()))
