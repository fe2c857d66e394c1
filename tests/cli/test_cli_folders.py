"""Folders that cannot be written, homes elsewhere: one clear message, nothing lost, and no work before it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from cli_bench import Bench


@pytest.mark.parametrize("blocked", ["results", "reports", ".kdbench"])
def test_a_file_where_a_folder_is_needed(tiny: Bench, blocked):
    (tiny.folder / blocked).write_text("in the way")
    done = tiny("run", "tiny.yaml", code=2)
    assert done.err.count("\n") == 1
    assert "is a file where a folder is needed" in done.err and blocked in done.err
    assert (tiny.folder / blocked).read_text() == "in the way"


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
@pytest.mark.parametrize("folder", ["results", ".kdbench"])
def test_a_folder_without_permission(tiny: Bench, folder):
    (tiny.folder / folder).mkdir()
    (tiny.folder / folder).chmod(0o500)
    done = tiny("run", "tiny.yaml", code=2)
    assert "permission denied" in done.err and folder in done.err
    assert ("--results" if folder == "results" else "KDBENCH_HOME") in done.err


def test_a_file_system_that_refuses(tiny: Bench):
    """/proc takes no folders, not even from root."""
    done = tiny("run", "tiny.yaml", code=2, KDBENCH_HOME="/proc/kdbench")
    assert "/proc/kdbench" in done.err


def test_looking_leaves_no_trace(tiny: Bench):
    tiny.many("check tiny.yaml", "plan tiny.yaml", "status tiny.yaml", "list")
    assert sorted(p.name for p in tiny.folder.iterdir()) == ["tiny.yaml"]


def test_standing_in_another_folder_than_the_results_is_told(finished: Bench):
    here = finished.folder / "elsewhere"
    here.mkdir()
    other = Bench(here)
    told, silent = other("plan", "../tiny.yaml", code=0), finished("plan", "tiny.yaml", code=0)
    assert told.err == "kdbench: no results here, but there are some beside the suite: cd .. first\n" and not silent.err
    assert not other("plan", "../tiny.yaml", "--results", "../results", code=0).err


def test_a_suite_without_a_result_gets_no_page(finished: Bench):
    here = finished.folder / "elsewhere"
    here.mkdir()
    told = Bench(here)("report", "../tiny.yaml", code=3)
    assert "results has no result of tiny, so no page is written; `kdbench run ../tiny.yaml` makes some" in told.err
    assert not list(here.iterdir()) and not told.out


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")
def test_a_full_disk_under_what_is_printed_is_no_bug(tiny: Bench):
    words = [sys.executable, "-m", "kdbench.cli.app", "list", "methods"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(words, cwd=tiny.folder, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "kdbench: the output cannot be written: No space left on device\n")


def test_a_home_elsewhere(finished: Bench, tmp_path_factory):
    home = tmp_path_factory.mktemp("home") / "deep"
    shutil.move(finished.folder / ".kdbench", home)
    done = finished("run", "tiny.yaml", "--no-track", code=0, KDBENCH_HOME=str(home))
    assert "7 cached" in done.out
    assert not (finished.folder / ".kdbench").exists()


def test_weights_that_are_gone_are_made_again_only_where_they_are_needed(finished: Bench):
    shutil.rmtree(finished.folder / ".kdbench/weights")
    assert set(finished.states("tiny.yaml").values()) == {"cached"}
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("0.8", "0.5"))
    plan = finished.plan("tiny.yaml", "--only", "seed=0,cell=kd[weight=0.5]|none")
    states = {job["cell"]: (job["state"], job["reason"]) for job in plan.values()}
    assert states["none"] == ("cached", "done")
    assert states["teacher"] == ("run", "has a result, but a student needs its weights or outputs and they are gone")
    assert states["kd[weight=0.5]"] == ("run", "no result yet")
