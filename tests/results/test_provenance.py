"""Provenance: true, and free of what is nobody's business."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import platform
import socket
import subprocess
from pathlib import Path

import numpy
import pytest

import kdbench.results.record as record_module
from kdbench.results import provenance
from kdbench.results.source_digests import source_digest


def git(folder: Path, *arguments: str) -> str:
    me = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", folder, *me, *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(autouse=True)
def fresh() -> None:
    provenance._git_state.cache_clear()


def test_the_checkout_of_kdbench_is_told_where_it_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("suites", "kd"):
        git(tmp_path, "init", "-q", "-b", name, name)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "kd" / "kdbench" / "provenance.py"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "kd" / ".git"))  # as in a hook; it must not answer for other folders
    found = provenance.collect(folder=tmp_path / "suites")
    assert found["git"]["branch"] == "suites" and found["code"]["branch"] == "kd"
    assert "code" not in provenance.collect(folder=tmp_path / "kd")


def test_git_state_is_what_git_says(tmp_path: Path) -> None:
    assert provenance.git_state(tmp_path) is None
    git(tmp_path, "init", "-q", "-b", "trunk")
    git(tmp_path, "remote", "add", "origin", "https://someone:gh_secret@example.org/lab/kd.git")
    assert provenance.git_state(tmp_path)["commit"] is None  # no commit yet
    (tmp_path / "a.py").write_text("1\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "untracked").write_text("")
    (tmp_path / "below").mkdir()
    provenance._git_state.cache_clear()
    expected = {"branch": "trunk", "dirty": False, "remote": "https://example.org/lab/kd.git"}
    state = provenance.git_state(tmp_path / "below")
    assert state == {"commit": git(tmp_path, "rev-parse", "HEAD"), **expected}
    (tmp_path / "a.py").write_text("2\n")
    assert provenance.git_state(tmp_path) == state  # what ran is what was there at the start
    provenance._git_state.cache_clear()
    git(tmp_path, "checkout", "-q", "--detach")
    assert provenance.git_state(tmp_path) == state | {"dirty": True, "branch": None}


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://user:tok@en@github.com/a/b.git?access=1#x", "https://github.com/a/b.git"),
        ("https://github.com/a/b", "https://github.com/a/b"),
        ("ssh://git@host:22/a", "ssh://host:22/a"),
        ("git@github.com:a/b.git", "ssh://github.com/a/b.git"),
        ("user:password@host:a/b", "ssh://host/a/b"),
        ("/home/someone/kd", None),
        ("../kd", None),
        ("file:///home/someone/kd", None),
        ("", None),
    ],
)
def test_remotes_lose_their_credentials(url: str, public: str | None) -> None:
    assert provenance.public_url(url) == public


def test_collect_tells_the_software_and_the_machine_and_no_more(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOME_TOKEN", "s3cret-value")
    started = provenance.now()
    found = provenance.collect(started, source_digest([record_module]), tmp_path)
    assert found["versions"]["numpy"] == numpy.__version__ and found["versions"]["python"] == platform.python_version()
    assert 1 <= found["machine"]["cores"] <= (os.cpu_count() or 1) and found["machine"]["cpu"]
    assert isinstance(found["machine"]["gpus"], list)
    assert found["started"] == started <= found["finished"] and found["finished"].endswith("Z")
    assert found["git"] is None
    assert "code" not in provenance.collect(folder=Path(record_module.__file__).parent)  # told once
    text = json.dumps(found)
    for private in ("s3cret-value", str(Path.home()) + "/", os.getcwd(), str(tmp_path)):
        assert private not in text
    for private in (socket.gethostname(), getpass.getuser()):
        assert f'"{private}"' not in text


def test_source_digests(tmp_path: Path) -> None:
    expected = hashlib.sha256(Path(record_module.__file__).read_bytes()).hexdigest()
    same = source_digest([record_module, record_module.Record, record_module.comparable, "kdbench.results.record"])
    assert same == {"kdbench.results.record": expected}
    instance = source_digest([record_module.RecordError("x"), len, "kdbench.no_such_module", "no_such_package.x"])
    assert instance == {"kdbench.results.record": expected}
    path = tmp_path / "my_method.py"
    path.write_bytes(b"a = 1\r\nb = 2\r\n")
    windows = source_digest([path])
    path.write_bytes(b"a = 1\nb = 2\n")
    assert source_digest([path]) == windows == {"my_method.py": hashlib.sha256(b"a = 1\nb = 2\n").hexdigest()}
    path.write_bytes(b"a = 1\nb = 3\n")
    assert source_digest([path]) != windows


def test_a_dotted_name_is_found_without_importing_it() -> None:
    import sys

    before = "torch" in sys.modules
    digests = source_digest(["kdbench.contract.decisions", "kdbench.track"])
    assert set(digests) == {"kdbench.contract.decisions", "kdbench.track"}
    if "kdbench.contract.decisions" not in sys.modules:
        assert ("torch" in sys.modules) == before
