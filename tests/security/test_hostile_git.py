"""A checkout from a stranger brings its own git configuration; asking git about it starts none of its programs."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from kdbench.compare.revision import records_at
from kdbench.gate.git import Checkout
from kdbench.results import asking_git, provenance

ATTACKS = {
    "core.fsmonitor": "{program} fsmonitor",
    "core.hooksPath": "{folder}/hooks",
    "core.pager": "{program} pager",
    "core.sshCommand": "{program} ssh",
    "core.editor": "{program} editor",
    "log.showSignature": "true",
    "gpg.program": "{program}",
    "diff.external": "{program} diff",
    "filter.evil.clean": "{program} clean",
    "filter.evil.smudge": "{program} smudge",
    "filter.evil.process": "{program} process",
    "filter.evil.required": "true",
    "filter.a=b.clean": "{program} clean",  # `git -c` would take it for another setting
    "filter.with space.clean": "{program} clean",
    "diff.evil.textconv": "{program} textconv",
    "diff.evil.command": "{program} command",
    "alias.status": "!{program} alias",
    "credential.helper": "!{program} credential",
    "protocol.ext.allow": "always",
    "remote.origin.url": "ext::{program} fetch",
    "remote.origin.promisor": "true",
    "extensions.partialClone": "origin",
    "core.repositoryFormatVersion": "1",
}


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main", "-c", "commit.gpgSign=false")
    return subprocess.run(["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def hostile(tmp_path: Path, mark: Path) -> Path:
    """A checkout with results, changed since its commit, whose configuration runs a program wherever git lets it."""
    folder = tmp_path / "stranger"
    (folder / "results" / "digits" / "kd").mkdir(parents=True)
    git(tmp_path, "init", str(folder))
    for name in ("a.txt", "b.txt", "c.txt", "results/digits/kd/abcdef12.json"):
        (folder / name).write_text(f"{{}}{name}\n")
    (folder / ".gitattributes").write_text(
        "a.txt filter=evil diff=evil\nb.txt filter=a=b\nc.txt filter=with\\ space\n* filter=evil\n"
    )
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    signed = git(folder, "cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n", 1
    )
    sha = subprocess.run(["git", "-C", str(folder), "hash-object", "-t", "commit", "-w", "--stdin"], input=signed, text=True,
                         capture_output=True, check=True).stdout.strip()  # fmt: skip
    git(folder, "reset", "--soft", sha)
    program = tmp_path / "program.sh"
    program.write_text(f'#!/bin/sh\necho "$@" >> {mark}\nexit 1\n')
    program.chmod(0o755)
    (folder / "hooks").mkdir()
    for hook in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "post-checkout"):
        (folder / "hooks" / hook).symlink_to(program)
    for name, value in ATTACKS.items():
        git(folder, "config", name, value.format(program=program, folder=folder))
    for name in ("a.txt", "b.txt", "c.txt"):
        os.utime(folder / name, (time.time() - 9999, time.time() - 9999))  # so that git has to look into them
    return folder


def test_the_checkout_is_a_real_attack(hostile: Path, mark: Path) -> None:
    subprocess.run(["git", "-C", str(hostile), "status"], capture_output=True)
    assert "fsmonitor" in mark.read_text() and "process" in mark.read_text()
    mark.unlink()
    subprocess.run(["git", "-C", str(hostile), "log", "--format=%s"], capture_output=True)
    assert "verify" in mark.read_text()


def test_asking_starts_nothing(hostile: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = provenance.git_state(hostile)
    assert state is not None and state["branch"] == "main" and state["remote"] is None
    checkout = Checkout.around(hostile / "results")
    [commit] = checkout.commits("results")
    assert commit.paths == ("results/digits/kd/abcdef12.json",)
    assert list(checkout.contents([(commit.sha, commit.paths[0]), ("HEAD", "none")]))[1] is None
    records, broken = records_at("HEAD", hostile / "results")
    assert not records and "not JSON" in broken[0][1]
    provenance._git_state.cache_clear()
    monkeypatch.chdir(hostile)
    provenance.collect()
    assert not mark.exists()


def test_nothing_is_fetched_that_the_checkout_lacks(hostile: Path, mark: Path) -> None:
    blob = git(hostile, "rev-parse", "HEAD:results/digits/kd/abcdef12.json").strip()
    path = hostile / ".git" / "objects" / blob[:2] / blob[2:]
    path.unlink()
    records, broken = records_at("HEAD", hostile / "results")
    assert not records and broken == [("HEAD:results/digits/kd/abcdef12.json", "it is not in this clone; fetch it first")]
    lacking, held = Checkout.around(hostile).contents([("HEAD", "results/digits/kd/abcdef12.json"), ("HEAD", "a.txt")])
    assert lacking is None and held is not None
    assert not mark.exists()
    subprocess.run(["git", "-C", str(hostile), "cat-file", "-p", blob], capture_output=True)
    assert "fetch" in mark.read_text()  # without our care it would have been


def test_a_folder_that_is_itself_a_repository_has_no_say_either(hostile: Path, mark: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    (hostile / ".git").rename(bare)  # git takes any folder of this form for a repository
    git(bare, "config", "core.bare", "false")
    git(bare, "config", "core.worktree", str(hostile))
    asking_git.ask(bare, "status", "--porcelain")
    assert not mark.exists()


def test_filters_of_the_user_stay(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git-lfs is such a filter: a file that it alone can compare would seem changed without it."""
    folder = tmp_path / "mine"
    git(tmp_path, "init", str(folder))
    (tmp_path / "gitconfig").write_text('[filter "lower"]\n clean = tr A-Z a-z\n')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))
    (tmp_path / "gitconfig").rename(tmp_path / ".gitconfig")
    (folder / ".gitattributes").write_text("*.txt filter=lower\n")
    (folder / "a.txt").write_text("ABC\n")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "first")
    os.utime(folder / "a.txt", (1, 1))
    state = provenance.git_state(folder)
    assert state is not None and state["dirty"] is False
