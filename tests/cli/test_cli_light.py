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
from kdbench.cli.app import VERBS, main
from kdbench.cli.help import Verbs
words_of = lambda name, verb: [[name, one.name] for one in verb.registered_commands] if isinstance(verb, Verbs) else [[name]]
told = [words for section in VERBS.values() for name, verb in section.items() for words in words_of(name, verb)]
assert len(told) >= 34 and ["run"] in told and ["data", "check"] in told
for words in told:
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


@pytest.mark.parametrize(
    "words, offered",
    [
        ("kdbench ru", {"run"}),
        ("kdbench run qui", {"quickstart"}),
        ("kdbench run mi", {"mine.yaml"}),
        ("kdbench describe me", {"method"}),
        ("kdbench describe method dk", {"dkd"}),
        ("kdbench list su", {"suites"}),
        ("kdbench data check cifar100", {"cifar100", "cifar100c"}),
        ("kdbench test-method dk", {"dkd"}),
        ("kdbench test-task digi", {"digits"}),
        ("kdbench run x --stale re", {"rerun"}),
    ],
)
def test_the_tab_key_completes_names(tmp_path, words, offered):
    (tmp_path / "mine.yaml").write_text("version: 1\n")
    asked = {"_KDBENCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    made = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'kdbench'; from kdbench.cli.app import main; main()"],
        cwd=tmp_path,
        env=environment() | asked,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert set(made.stdout.split()) == offered, made.stderr
