"""Suites, presets, recipes and cards of strangers: YAML that would build objects, grow without end, or speak to the terminal; the
plugins that they name."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from cli_bench import Bench
from hypothesis import given
from hypothesis import strategies as st

from kdbench.cli.careful import Careful
from kdbench.cli.session import Session
from kdbench.contract.text import UNSHOWN, shown
from kdbench.registry import PRESETS, RECIPES, Registry
from kdbench.suite.card import Measured, Score
from kdbench.suite.errors import SuiteError
from kdbench.suite.read import read_suite
from kdbench.suite.yaml import loads
from kdbench.teachers.writing import with_measured

REGISTRY = Registry(packages=False)
HEAD = "version: 1\nname: x\nseeds: 1\ntasks: [digits]\n"
SHELL = "!!python/object/apply:os.system [touch MARK]"
YAML = {
    "object": f"methods: {SHELL}",
    "new object": "methods: !!python/object/new:os.system [touch MARK]",
    "name": "methods: !!python/name:os.system",
    "module": "methods: !!python/module:os",
    "tuple": "methods: !!python/tuple [1]",
    "own tag": "methods: !evil {a: 1}",
    "binary": "description: !!binary aGk=",
    "set": "methods: !!set {a, b}",
    "omap": "methods: !!omap [a: 1]",
    "tag of a key": "? !!python/object/apply:os.system [touch MARK]\n: 1",
    "directive": "%TAG !y! tag:yaml.org,2002:python/\n---\nmethods: !y!object/apply:os.system [touch MARK]",
    "laughs": "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]),
    "merges": "\n".join(["m0: &m0 {a: 1}", *(f"m{n}: &m{n} {{k{n}: *m{n - 1}, <<: *m{n - 1}}}" for n in range(1, 30))]),
    "itself": "methods: &a [*a]",
    "deep": "methods: " + "[" * 5_000 + "]" * 5_000,
    "deep keys": "methods: " + "{a: " * 5_000 + "}" * 5_000,
    "huge number": "seeds: " + "9" * 100_000,
    "huge power": "seeds: 1e999999999",
    "escape": 'description: "\\x1b]0;owned\\x07"',
    "c1": 'description: "\\x9b31m"',
    "backwards": 'description: "\\u202e"',
    "half": 'description: "\\ud83d"',
    "escape in a key": '"\\x1b[2J": 1',
    "nul": 'description: "\\0"',
}  # fmt: skip


@pytest.mark.parametrize("name", YAML)
def test_yaml_builds_nothing(name: str, tmp_path: Path, mark: Path) -> None:
    """Each is an error with its place; nothing runs, and nothing takes long."""
    (tmp_path / "s.yaml").write_text(HEAD + YAML[name].replace("MARK", str(mark)))
    with pytest.raises(SuiteError) as told:
        read_suite(tmp_path / "s.yaml", REGISTRY)
    assert all(problem.path.endswith("s.yaml") and problem.line for problem in told.value.problems) and not mark.exists()


def test_cards_that_are_written_back_build_nothing_either(mark: Path) -> None:
    """That reader keeps comments, and so is another one."""
    measured = Measured(scores={"accuracy": Score(value=0.5)}, n=10, date="2026-11-21", code="x", of="y")
    with_measured(f"source: {SHELL.replace('MARK', str(mark))}\n", measured)
    assert not mark.exists()


@pytest.mark.parametrize("folder", [PRESETS, RECIPES])
def test_what_is_named_is_one_of_a_known_folder(folder: Path) -> None:
    for name in ("../../../etc/passwd", "/etc/passwd", "..", "a/b"):
        with pytest.raises(KeyError):
            REGISTRY.get("preset" if folder == PRESETS else "recipe", name)


EVIL_PLUGIN = """
import pathlib
pathlib.Path({mark!r}).write_text("ran")
from kdbench.api import Method
class Evil(Method):
    "A method."
    name = {name!r}
    version = 1
"""


def test_a_plugin_is_told_of_before_it_runs_by_every_verb(tmp_path: Path, mark: Path) -> None:
    bench = Bench(tmp_path)
    bench.write("suite.yaml", HEAD + "methods: [kd]\nplugins: [evil.py]\n")
    (tmp_path / "evil.py").write_text(
        f"import sys; print('CODE', file=sys.stderr)\n{EVIL_PLUGIN.format(mark=str(mark), name='x')}"
    )
    verbs = ["check suite.yaml", "plan suite.yaml --json", "status suite.yaml", "compare suite.yaml", "gate suite.yaml"]
    for verb, done in zip(verbs, bench.many(*verbs), strict=True):
        assert "runs the code of plugin evil.py" in done.err, verb
        if "CODE" in done.err:  # the first of them; a module is imported once in a process
            assert done.err.index("runs the code of plugin") < done.err.index("CODE")
    assert mark.exists()


def test_names_of_plugins_are_names_of_folders(tmp_path: Path, mark: Path) -> None:
    for name in ("<script>alert(1)</script>", "../../x", "=cmd", "a b", "x\n::error::y", "-rf", ".hidden"):
        path = tmp_path / f"p{abs(hash(name))}.py"
        path.write_text(EVIL_PLUGIN.format(mark=str(mark), name=name))
        registry = Registry([path], packages=False)
        assert ("method", name) not in registry.plugins and "a name has letters" in registry.broken[0].error


def test_no_package_is_imported_that_nobody_names(tmp_path: Path, mark: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package runs when a name is asked for that nothing else has, and is told of before."""
    (tmp_path / "evil_pkg.py").write_text(EVIL_PLUGIN.format(mark=str(mark), name="evil"))
    info = tmp_path / "evil_pkg-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil-pkg\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[kdbench.methods]\nevil = evil_pkg\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    heard: list[str] = []
    registry = Registry(tell=heard.append)
    for suite in sorted((Path(__file__).parents[2] / "suites").rglob("*.yaml")):
        if suite.parent.name != "teachers":
            read_suite(suite, registry)
    assert registry.packages and not mark.exists() and not heard
    (tmp_path / "s.yaml").write_text(HEAD + "methods: [evil]\n")
    read_suite(tmp_path / "s.yaml", registry)
    assert mark.exists() and heard == ["evil-pkg (evil_pkg)"]


def test_modules_in_the_working_folder_are_not_imported(tmp_path: Path, mark: Path) -> None:
    """A suite from an archive lies beside whatever else was in it."""
    bench = Bench(tmp_path)
    bench.write("suite.yaml", HEAD + "methods: [kd]\n")
    for name in ("torch", "numpy", "yaml", "json", "kdbench", "sitecustomize", "usercustomize", "ruamel", "evil"):
        (tmp_path / f"{name}.py").write_text(f"open({str(mark)!r}, 'w')")
    (tmp_path / "evil-1.dist-info").mkdir()
    (tmp_path / "evil-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    (tmp_path / "evil-1.dist-info" / "entry_points.txt").write_text("[kdbench.methods]\nevil = evil\n")
    assert bench("plan", "suite.yaml").code == 0
    assert bench("list", "methods").code == 0
    assert not mark.exists()


@given(st.text(st.characters(exclude_characters="\0"), min_size=1), st.text(min_size=1))
def test_lines_to_copy_are_one_command(name: str, only: str) -> None:
    session = Session(Path(name), None, None, None, None, None, "smoke", only)  # type: ignore[arg-type]
    assert shlex.split(session.command("run")) == ["kdbench", "run", str(Path(name)), "--profile", "smoke", "--only", only]


@given(st.text())
def test_what_is_shown_cannot_speak_to_the_terminal(text: str) -> None:
    assert not UNSHOWN.search(shown(text)) and shown(shown(text)) == shown(text)
    assert json.loads(f'"{shown(text)}"') == text if not set(text) & set('"\\\n\t') else True


def test_output_keeps_colours_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    stream = Careful(sys.stdout)
    assert stream.write("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x1b[1A \x9b \u202e ü\n\t") > 0
    said = capsys.readouterr().out
    assert said.startswith("\x1b[31mred\x1b[0m \\u001b]0;title\\u0007 \\u001b[2J \\u001b[1A \\u009b \\u202e ü\n\t")


def test_a_hostile_name_of_a_file_is_shown(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    done = bench("check", "\x1b]0;owned\x07.yaml")  # the bench itself refuses escape codes in output
    assert done.code == 2 and "\\u001b]0;owned\\u0007.yaml: there is no such file" in done.err
    bench.write("s.yaml", HEAD + 'methods: [{method: "\\x1b[2Jkd"}]\n')
    assert bench("check", "s.yaml").code == 2


def test_documents_of_control_characters_are_told_with_their_place() -> None:
    document = loads('a: "\\x1b"\nb: 1\n', "s.yaml")
    assert [(p.line, p.column, p.message) for p in document.problems] == [(1, 4, "text with the character U+001B")]
