"""Which files decide what a plugin does, besides its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kdbench.results.local_imports import local_imports
from kdbench.results.source_digests import source_digest, without_comments


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def names(file: Path) -> set[str]:
    return set(local_imports(file))


def test_what_lies_beside_a_file_and_what_that_imports(tmp_path: Path):
    write(
        tmp_path,
        mine="import math, torch, kdbench.api\nfrom ourlib.losses import target\nimport helper",
        helper="def f():\n    from ourlib import late\n",
        unused="",
        ourlib__losses="from . import shapes\nfrom .deep.core import x",
        ourlib__shapes="",
        ourlib__late="import mine",
        ourlib__deep__core="from ..shapes import y",
    )
    for package in ("ourlib", "ourlib/deep"):
        (tmp_path / package / "__init__.py").touch()
    assert names(tmp_path / "mine.py") == {
        "helper.py",
        "ourlib/__init__.py",
        "ourlib/losses.py",
        "ourlib/shapes.py",
        "ourlib/late.py",
        "ourlib/deep/__init__.py",
        "ourlib/deep/core.py",
    }


def test_folders_of_ones_own_on_the_path_count_and_libraries_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    library = tmp_path / "env" / "lib" / "site-packages"
    write(library, big__core="", other="")
    write(tmp_path / "src", ours="import big.core")
    write(tmp_path / "plugins", mine="import ours, big.core, json")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "src"), str(library), *sys.path])
    assert names(tmp_path / "plugins" / "mine.py") == {"ours.py"}


def test_an_installed_package_is_its_own_modules(tmp_path: Path):
    library = tmp_path / "env" / "lib" / "site-packages"
    method = "from plug.losses import x\nfrom . import more\nimport other"
    write(library, plug__method=method, plug__losses="", plug__more="", other="")
    (library / "plug" / "__init__.py").touch()
    assert names(library / "plug" / "method.py") == {"plug/__init__.py", "plug/losses.py", "plug/more.py"}


def test_kdbench_is_known_by_its_own_digests():
    import kdbench.methods.dkd as method

    assert not local_imports(Path(method.__file__))


def test_a_clone_of_kdbench_in_the_working_folder_is_not_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of the installed package the version counts; a clone that one happens to stand in has nothing to do with a plugin."""
    write(tmp_path / "clone", kdbench__api="import kdbench.other", kdbench__other="")
    (tmp_path / "clone" / "kdbench" / "__init__.py").touch()
    plugin = "import kdbench\nfrom kdbench.api import Method\nimport helper"
    write(tmp_path / "plugins", mine=plugin, helper="import kdbench.other")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "clone"), *sys.path])
    assert names(tmp_path / "plugins" / "mine.py") == {"helper.py"}


def test_a_file_that_is_no_python_imports_nothing(tmp_path: Path):
    write(tmp_path, bad="def (", mine="import bad")
    assert names(tmp_path / "mine.py") == {"bad.py"}


def test_a_digest_changes_with_an_import_and_not_with_a_note(tmp_path: Path):
    write(tmp_path, mine="import losses\n", losses="x = 1\n")
    before = source_digest([tmp_path / "mine.py"])
    write(tmp_path, losses="\n# one\nx = 1  # two\n\n")
    assert source_digest([tmp_path / "mine.py"]) == before and set(before) == {"mine.py", "losses.py"}
    write(tmp_path, losses="x = 2\n")
    assert source_digest([tmp_path / "mine.py"])["mine.py"] == before["mine.py"]
    assert source_digest([tmp_path / "mine.py"])["losses.py"] != before["losses.py"]


def test_two_files_of_one_name_both_count(tmp_path: Path):
    write(tmp_path, one__mine="x = 1", two__mine="x = 2")
    assert set(source_digest([tmp_path / "one" / "mine.py", tmp_path / "two" / "mine.py"])) == {"mine.py", "two/mine.py"}


def test_comments_are_told_from_text():
    code = b'x = "# kept"  # gone\n\n\ny = """\n\n# kept\n"""\n'
    assert without_comments(code) == b'x = "# kept"\ny = """\n\n# kept\n"""\n'
    for broken in (b"x = (", b"'''", b'x = "'):
        assert without_comments(broken) == broken
