"""The files for CI servers are sound YAML and call verbs and options that there are; the suite's own part is marked runtime."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from gate_bench import APP
from ruamel.yaml import YAML

from kdbench.cli.app import app
from kdbench.suite.errors import SuiteError
from kdbench.suite.gate import Gate
from kdbench.suite.read import parse_suite
from kdbench.suite.yaml import loads

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "docs" / "ci" / "github-gate.yml", ROOT / "docs" / "ci" / "gitlab-gate.yml"]


def options() -> dict[str, set[str]]:
    """The long options of every verb."""
    found: dict[str, set[str]] = {}
    for made in (app, APP):
        group = typer.main.get_command(made)
        for name, command in group.commands.items():  # type: ignore[attr-defined]
            found[name] = {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_commands_and_options_exist(path: Path):
    text = path.read_text()
    YAML(typ="safe").load(text)
    known = options()
    commands = re.findall(r"^[^#\n]*?\b(kdbench (?:run|gate|check) [^#\n|]*)", text, re.MULTILINE)
    assert {command.split()[1] for command in commands} == {"run", "gate"}
    for command in commands:
        _, verb, *words = shlex.split(command)
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags and flags <= known[verb], f"{command}: {flags - known[verb]}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_kdbench_is_installed_from_a_commit_that_the_user_fills_in(path: Path):
    """It is on no index: `pip install kdbench` would fail, or one day find something else of that name."""
    text = path.read_text()
    held = YAML(typ="safe").load(text)
    job = held["jobs"]["gate"] if "jobs" in held else held["kdbench-gate"]
    source = job.get("env", job.get("variables"))["KDBENCH"]
    assert re.fullmatch(r"kdbench @ git\+https://\S+@[0-9a-f]{40}", source)
    assert "FILL IN" in text and re.findall(r"^[^#\n]*pip install (.+)$", text, re.MULTILINE) == ['"$KDBENCH"']


def test_github_needs_no_rights_and_always_keeps_the_report():
    found = YAML(typ="safe").load(FILES[0].read_text())
    assert found["permissions"] == {"contents": "read"}
    steps = found["jobs"]["gate"]["steps"]
    gate = next(step for step in steps if "kdbench gate" in step.get("run", ""))
    assert "continue-on-error" not in gate and steps[-1]["if"] == "always()"


def test_gitlab_shows_the_cells_as_tests():
    found = YAML(typ="safe").load(FILES[1].read_text())["kdbench-gate"]
    assert found["artifacts"]["reports"]["junit"] == "gate.xml" and found["artifacts"]["when"] == "always"
    assert found["script"][-1].startswith("kdbench gate") and "||" not in found["script"][-1]


def test_readmes_name_only_what_there_is():
    for path in (ROOT / "docs" / "ci" / "README.md", ROOT / "baselines" / "README.md"):
        known = {flag for flags in options().values() for flag in flags} | {"--reason", "--replace", "--decide", "--index-url"}
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", path.read_text()))
        assert named <= known, named - known


def test_every_key_of_gate_is_runtime_and_described():
    assert Gate.model_config["extra"] == "forbid" and Gate.model_config["frozen"]
    for name, info in Gate.model_fields.items():
        assert info.json_schema_extra == {"identity": False} and info.description, name


@pytest.mark.parametrize(
    "gate, words",
    [
        ("{alpha: 0.7}", "below 0.5"),
        ("{looks: [6, 3]}", "that rise"),
        ("{looks: [3, 3]}", "that rise"),
        ("{looks: [1]}", "2"),
        ("{margins: {acuracy: 0.1}}", "'acuracy' is no primary metric"),
        ("{noise: {accuracy: 0}}", "above 0"),
        ("{noise: {/accuracy: 1}}", "no primary metric"),
        ("{tolerence: 1}", "did you mean 'tolerance'?"),
    ],
)
def test_mistakes_in_gate_are_told(gate: str, words: str):
    with pytest.raises(SuiteError) as caught:
        parse_suite(loads(f"version: 1\nname: s\ntasks: [digits]\ngate: {gate}\n", "s.yaml"))
    assert words in str(caught.value) and str(caught.value).startswith("s.yaml:4:")


def test_gate_of_a_suite_is_read():
    suite = parse_suite(loads("version: 1\nname: s\ntasks: [digits]\ngate: {looks: [5], noise: {digits/ece: 1}}\n", "s.yaml"))
    assert suite.gate.looks == (5,) and suite.gate.noise == {"digits/ece": 1.0} and suite.gate.tolerance == 0.005
