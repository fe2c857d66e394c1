"""Mistakes that authors make while they write a method: each is told with what it is about, and where."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_bench import Bench

from kdbench.registry import Registry
from kdbench.testing.conform import conform
from kdbench.testing.families import FAMILIES

FILE = Path(__file__).with_name("faulty.py")
TOLD = {
    "guessed_tap": ("taps", "no network has a tap 'penultimate'; it was tried with tap=stage2 in classification"),
    "misspelt": ("trains", "faulty.py:61: AttributeError: Params has no param 'feature'; did you mean 'features'?"),
    "plain_number": ("trains", "term 'match' is of type float"),
    "a_list": ("trains", "terms() of a_list returns a list"),
    "root_of_nothing": ("trains", "the gradient of term 'features' is not finite at step 0"),
    "made_in_the_step": ("gradient", "term 'features' has parameters that nobody owns"),
}


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry([FILE], packages=False)


@pytest.mark.parametrize("name", TOLD)
def test_a_mistake_is_told_with_its_place(name, registry):
    rule, words = TOLD[name]
    found = {finding.rule: finding for finding in conform(registry.method(name), registry, FAMILIES[:1]).failed}
    assert words in found[rule].verdict.sentence


def test_the_sound_method_conforms(registry):
    found = conform(registry.method("sound"), registry, FAMILIES[:1])
    assert not found.failed and not found.tried


def test_debug_shows_the_way_to_a_mistake_and_goes_on(registry, monkeypatch, capsys):
    monkeypatch.setenv("KDBENCH_DEBUG", "1")
    found = conform(registry.method("misspelt"), registry, FAMILIES[:1])
    assert [finding.rule for finding in found.failed] == ["trains"]
    assert "Traceback" in capsys.readouterr().err


def test_what_a_plugin_prints_is_no_json(bench: Bench):
    shutil.copy(FILE, bench.folder / "faulty.py")
    bench.write("broken.py", "import nothing_of_that_name\n")
    talks, broken = bench.many("test-method faulty.py:Talks --json", "test-method broken.py")
    assert json.loads(talks.out)["plugins"][0]["passed"] and "a step says something" in talks.err
    assert broken.code == 2 and "broken.py: line 1: ModuleNotFoundError" in broken.err
