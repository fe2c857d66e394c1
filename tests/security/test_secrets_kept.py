"""Secrets of whoever runs: in the environment, in git's remote, in a tracker's address. None is in what is made or said."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest
from cli_bench import Bench
from hypothesis import assume, given
from hypothesis import strategies as st

from kdbench.results.provenance import public_url
from kdbench.results.store import ResultStore
from kdbench.track.address import Unusable, check
from kdbench.track.redact import reason, redact

CANARY = "c4n4ry"
SUITE = """\
version: 1
name: tiny
seeds: 1
tasks:
  - {task: digits, recipe: {steps: 6}, teachers: {recipe: {steps: 6}}}
methods: [kd]
"""
NAMES = (
    *("AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "HF_TOKEN", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "WANDB_API_KEY"),
    *("USER", "LOGNAME", "EMAIL", "GIT_AUTHOR_NAME", "SSH_CONNECTION", "KDBENCH_SECRET", "PGPASSWORD", "HOSTNAME", "SUDO_USER"),
)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def holders(folder: Path, secret: bytes) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return [str(path.relative_to(folder)) for path in files if secret in path.read_bytes() or secret.decode() in path.name]


@pytest.mark.slow
def test_no_secret_is_in_anything_that_a_run_makes_or_says(tmp_path: Path) -> None:
    """A real run with a tracker that cannot be reached, then a real store: results, home, reports, mlflow.db, logs, output."""
    bench = Bench(tmp_path, {name: f"{CANARY}-{number}" for number, name in enumerate(NAMES)})
    bench.write("tiny.yaml", SUITE)
    git = ["git", "-C", str(tmp_path), "-c", f"user.name={CANARY}", "-c", f"user.email={CANARY}@example.org"]
    remote = f"https://{CANARY}:{CANARY}@example.org/a/b.git?token={CANARY}#{CANARY}"
    for words in (["init", "-q"], ["add", "tiny.yaml"], ["commit", "-qm", CANARY], ["remote", "add", "origin", remote]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    uri = f"http://{CANARY}:{CANARY}@127.0.0.1:{closed_port()}/?token={CANARY}"
    done = bench("run", "tiny.yaml", "--tracking-uri", uri, "--json", code=0)
    assert CANARY not in done.text and "does not answer" in done.err
    synced = bench("track", "sync", "tiny.yaml", code=0)
    assert CANARY not in synced.text
    assert (tmp_path / ".kdbench" / "mlflow.db").stat().st_size > 0 and (tmp_path / "reports" / "tiny" / "index.html").exists()
    assert holders(tmp_path, CANARY.encode()) == []
    records = ResultStore(tmp_path / "results").scan().records
    assert len(records) == 3 and {r.provenance["git"]["remote"] for r in records.values()} == {"https://example.org/a/b.git"}
    # What is committed and shown to others tells neither the machine nor the place; .kdbench is this machine's own.
    host = platform.node()
    for part in (tmp_path / "results", tmp_path / "reports"):
        assert holders(part, str(tmp_path).encode()) == []
        assert len(host) < 4 or holders(part, host.encode()) == []


def test_the_search_would_find_one(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(f"x{CANARY}y")
    assert holders(tmp_path, CANARY.encode()) == ["a"]


SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6).map(lambda text: f"S3c{text}")


@given(
    user=SECRET.map(lambda user: user.replace(":", "")),
    password=SECRET,
    scheme=st.sampled_from(["http", "https", "postgresql+psycopg2", "mysql", "mssql+pyodbc"]),
)
def test_no_part_of_a_password_is_in_a_complaint(user: str, password: str, scheme: str) -> None:
    """Whether it is written as URIs want it or not; what complains may quote the address as a whole or its password."""
    for told in (password, quote(password, safe="")):
        uri = f"{scheme}://{user}:{told}@127.0.0.1:{closed_port()}/runs"
        with pytest.raises(Unusable) as error:
            check(uri)
        for said in (str(error.value), redact(uri), reason(ValueError(f"cannot parse {uri}"), uri),
                     reason(ValueError(f"password authentication failed with {told!r} ({password})"), uri)):  # fmt: skip
            assert password not in said and told not in said, said
        assume("/" not in password and "?" not in password)


@pytest.mark.parametrize(
    "uri",
    [
        "http://me:s3cr#et@host/", "http://me:s3cr?et@host/", "http://me:12/s3cret@host/", "http://me:[s3cret@host/",
        "postgresql://me:s3cr/et@host/db", "http://me:s3cret＠℀@host/",
    ],
)  # fmt: skip
def test_a_password_that_cuts_its_address_in_half_is_not_said(uri: str) -> None:
    with pytest.raises(Unusable) as error:
        check(uri)
    assert "s3cr" not in str(error.value) and "written as codes" in str(error.value)
    assert "s3cr" not in redact(uri)


@pytest.mark.parametrize(
    "name", ["access_token", "sig", "X-Amz-Signature", "AWSAccessKeyId", "api-key", "apikey", "password", "auth", "client_secret"]
)
def test_secrets_of_queries_are_not_shown(name: str) -> None:
    assert redact(f"https://host/path?a=1&{name}=t0psecret&b=2") == f"https://host/path?a=1&{name}=***&b=2"


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://u:p@h/a/b.git", "https://h/a/b.git"),
        ("https://ghp_token@github.com/a/b", "https://github.com/a/b"),
        ("https://u:p@ss@h/a?private_token=x#y", "https://h/a"),
        ("ssh://git:p@h:22/a/b", "ssh://h:22/a/b"),
        ("git@github.com:a/b.git", "ssh://github.com/a/b.git"),
        ("/home/alice/work", None),
        ("file:///home/alice/work", None),
        ("../other", None),
        ("ext::sh -c /home/alice/x", None),
        ("C:\\Users\\alice", None),
        ("", None),
    ],
)
def test_a_remote_tells_no_credential_and_no_place(url: str, public: str | None) -> None:
    assert public_url(url) == public


def test_provenance_has_no_other_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one is looked at here: is it the same for anyone with the same machine, code and data?"""
    from kdbench.results import provenance

    monkeypatch.chdir(tmp_path)
    found = provenance.collect("2026-11-21", [])
    assert set(found) <= {"git", "machine", "versions", "code", "sources", "started", "finished"}
    assert set(found["machine"]) <= {"platform", "kernel", "cpu", "cores", "gpus", "driver"}
    assert set(found["versions"]) <= {"python", "kdbench", "torch", "numpy", "timm"}
    text = json.dumps(found)
    secrets = [
        value for name, value in os.environ.items() if re.search("USER|HOME$|NAME|TOKEN|KEY|PASS|PWD", name) and len(value) > 4
    ]
    assert not [value for value in secrets if value in text]
