"""Who is at a job now and how far it is, and how far one that was stopped had come."""

import subprocess
import sys

import pytest
import torch

from kdbench.execute.events import EventWriter
from kdbench.execute.standing import Standing, standing, standings
from kdbench.results.home import Home
from kdbench.train import checkpoint

KEY = "ab" * 12
HOLD = """
import pathlib, sys, time
from kdbench.execute.claims import claim
with claim(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / ".kdbench").ensure()
    (made.jobs / KEY).mkdir()
    return made


@pytest.fixture
def worker(home):
    """A process that is at the job."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(home.jobs / KEY)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def events(home, *records):
    write = EventWriter(home.jobs / KEY)
    for record in records:
        write(record)
    write.close()


def saved(home, step):
    path = home.checkpoints / KEY / "state.safetensors"
    checkpoint.save(path, {"at": torch.tensor(step), "net": {"w": torch.zeros(3)}}, {"key": KEY})
    return path


def test_a_job_that_has_not_begun_has_no_standing_and_looking_leaves_no_trace(home):
    events(home, {"event": "start", "pid": 1}, {"event": "metric", "step": 5})
    assert standing(home, KEY, 96) is None and standings(home, [(KEY, 96)]) == {}
    assert [path.name for path in (home.jobs / KEY).iterdir()] == ["events.jsonl"]


def test_a_process_that_holds_the_job_is_at_work_and_one_that_died_is_not(home, worker):
    before = {"event": "start", "pid": 1}, {"event": "metric", "step": 90}
    events(home, *before, {"event": "start", "pid": worker.pid}, {"event": "start", "step": 40}, {"event": "metric", "step": 45})
    found = standing(home, KEY, 96)
    assert (found.step, found.steps, found.pid) == (45, 96, worker.pid) and 0 <= found.seconds < 60
    assert found.words.startswith("at work now, 45 of 96 steps, ") and found.words.endswith(f"(process {worker.pid})")
    worker.kill()
    worker.wait()
    assert standing(home, KEY, 96) is None  # killed before its first checkpoint
    saved(home, 40)
    assert standing(home, KEY, 96) == Standing(40, 96)


def test_at_its_last_step_it_is_evaluated(home, worker):
    events(home, {"event": "start", "pid": worker.pid}, {"event": "metric", "step": 96})
    assert standing(home, KEY, 96).brief.startswith("trained, being evaluated")


def test_a_checkpoint_tells_its_step_and_a_damaged_one_begins_anew(home):
    path = saved(home, 24)
    assert standing(home, KEY, 96).words == "begun; goes on from its checkpoint, 24 of 96 steps"
    assert standing(home, KEY, 96).share == 0.25
    path.write_bytes(b"torn")
    assert standing(home, KEY, 96).step == 0
    assert standing(home, KEY, 0).share == 0.0
