"""The .kdbench folder: it hides from git, and says why it cannot be."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from kdbench.results.files import HomeError, StorageError, write_atomically
from kdbench.results.home import Home


def test_home_lies_beside_the_results_or_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Home.beside(tmp_path / "results").path == tmp_path / ".kdbench"
    monkeypatch.chdir(tmp_path)
    assert Home.beside("results").path == tmp_path / ".kdbench"
    monkeypatch.setenv("KDBENCH_HOME", str(tmp_path / "scratch"))
    assert Home.beside("results").path == tmp_path / "scratch"
    assert list(tmp_path.iterdir()) == []  # naming it made nothing


def test_home_is_invisible_to_git(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    home = Home(tmp_path / ".kdbench").ensure().ensure()
    home.events("ab").parent.mkdir()
    home.events("ab").write_text("{}\n")
    status = subprocess.run(["git", "-C", tmp_path, "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert status.stdout == ""
    made = {path.name for path in home.path.iterdir()}
    assert made == {".gitignore", "outputs", "weights", "jobs", "signals", "checkpoints", "broken"}


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for path in (tmp_path / "taken", tmp_path / "taken" / ".kdbench"):
        with pytest.raises(HomeError, match=r"taken is a file where a folder is needed"):
            Home(path).ensure()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(HomeError, match="permission denied; choose another folder"):
        Home(tmp_path / ".kdbench").ensure()


def test_a_full_disk_is_told_with_a_way_out_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    path.write_text("old")

    def fill(file) -> None:
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"no space left on this disk \(\d+ MiB free\); make room"):
        write_atomically(path, fill)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_really_full_device_is_told(tmp_path: Path) -> None:
    def fill(_) -> None:
        with open("/dev/full", "wb", buffering=0) as full:
            full.write(b"x")

    with pytest.raises(StorageError, match="no space left"):
        write_atomically(tmp_path / "x", fill)


def test_errors_that_nobody_foresaw_are_not_dressed_up(tmp_path: Path) -> None:
    def fail(_) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        write_atomically(tmp_path / "x", fail)
