"""What is imported: --help nothing heavy, the verbs that only look no torch."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cli_bench import Bench, environment

HEAVY = ("torch", "timm", "mlflow", "pandas", "matplotlib", "scipy", "sklearn", "ray")
SCRIPT = """\
import sys
from kdbench.cli.app import main
sys.argv = ["kdbench", *{words!r}]
try:
    main()
except SystemExit as stop:
    print(stop.code or 0, *sorted({{name.partition(".")[0] for name in sys.modules}}), file=sys.stderr)
"""
EXPLAIN = """\
import contextlib, io, sys
from kdbench.cli.app import app, main
verbs = [command.name for command in app.registered_commands]
assert {{"init", "check", "plan", "run", "status", "report", "list", "describe", "export", "schema", "doctor"}} <= set(verbs)
for words in [*([verb] for verb in verbs), ["track", "sync"]]:
    sys.argv, out = ["kdbench", *words, "--help"], io.StringIO()
    with contextlib.redirect_stdout(out):
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, words
    assert "Usage: kdbench " + " ".join(words) in out.getvalue(), words
    assert "Example: kdbench" in out.getvalue(), words
    assert max(map(len, out.getvalue().splitlines())) <= 80, words
print(*sorted({heavy!r} & set(sys.modules)))
"""


def imported(folder, *words: str) -> set[str]:
    script = SCRIPT.format(words=list(words))
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment(), capture_output=True, text=True, timeout=100, check=True
    )
    code, *names = made.stderr.splitlines()[-1].split()
    assert code in ("0", "3"), made.stderr
    assert made.stdout
    return set(names)


def test_help_is_light(tmp_path):
    assert not imported(tmp_path, "--help") & {*HEAVY, "numpy", "rich", "jinja2"}


def test_every_verb_explains_itself_and_nothing_heavy_is_imported(tmp_path):
    """All in one process, since typer's answers do not depend on each other."""
    script = EXPLAIN.format(heavy=set(HEAVY))
    made = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=100
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.split() == []


@pytest.mark.parametrize("words", ["check tiny.yaml", "plan tiny.yaml", "status tiny.yaml", "list", "describe method dkd"])
def test_looking_imports_no_torch(finished: Bench, words):
    assert not imported(finished.folder, *words.split()) & set(HEAVY)


def test_a_cached_run_imports_no_torch(finished: Bench):
    assert "torch" not in imported(finished.folder, "run", "tiny.yaml")
