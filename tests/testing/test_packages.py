"""An installed plugin package is there like a built-in plugin; a broken one is listed, and nothing else suffers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from cli_bench import Done, environment

from kdbench.registry import Registry
from kdbench.testing.chosen import find

EXAMPLE = Path(__file__).parents[2] / "examples" / "kdbench-gated"
BROKEN = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"
[project]
name = "kdbench-broken"
version = "0.1.0"
[project.entry-points."kdbench.methods"]
broken = "kdbench_broken"
[tool.setuptools]
py-modules = ["kdbench_broken"]
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own, which also sees what the running interpreter sees, with both packages installed."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False, system_site_packages=True)
    found = folder / "venv" / "bin" / "python"
    # The running interpreter may itself be an environment, which system_site_packages does not mean.
    ask = [str(found), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    own = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
    (own / "outer.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    shutil.copytree(EXAMPLE, folder / "gated")
    (folder / "broken").mkdir()
    (folder / "broken" / "pyproject.toml").write_text(BROKEN)
    (folder / "broken" / "kdbench_broken.py").write_text('raise RuntimeError("this package is not finished")\n')
    words = ["install", "-q", "--no-deps", "--no-build-isolation", "--no-index", str(folder / "gated"), str(folder / "broken")]
    made = subprocess.run([str(found), "-m", "pip", *words], capture_output=True, text=True, env=environment())
    assert made.returncode == 0, made.stderr
    return found


def kdbench(python: Path, folder: Path, *words: str) -> Done:
    given = {"cwd": folder, "capture_output": True, "text": True, "env": environment()}
    made = subprocess.run([str(python), "-m", "kdbench.cli.app", *words], **given)
    assert "Traceback" not in made.stderr, made.stderr
    return Done(made.returncode, made.stdout, made.stderr)


@pytest.mark.slow
def test_an_installed_package_is_discovered_and_conforms(python, tmp_path):
    assert python.resolve() != Path(sys.executable) and not (EXAMPLE / "build").exists()
    listed = kdbench(python, tmp_path, "list", "methods", "--json")
    found = json.loads(listed.out)
    assert found["methods"]["gated"].startswith("Cosine relations") and "kd" in found["methods"]
    told = kdbench(python, tmp_path, "describe", "method", "gated")
    assert told.code == 0 and "(kdbench-gated (kdbench_gated.gated))" in told.out and "gate_lr = 0.01" in told.out
    tested = kdbench(python, tmp_path, "test-method", "gated")
    assert tested.code == 0, tested.text
    assert "gated: conforms" in tested.out and "relates one vector a sample" in tested.out


@pytest.mark.slow
def test_a_broken_package_is_listed_with_its_error(python, tmp_path):
    listed = kdbench(python, tmp_path, "list", "methods")
    assert listed.code == 0
    assert "kdbench-broken (kdbench_broken): RuntimeError: this package is not finished" in listed.out
    assert "kdbench-broken" in kdbench(python, tmp_path, "doctor").out


def test_the_running_environment_has_no_such_package(tmp_path):
    assert "gated" not in json.loads(kdbench(Path(sys.executable), tmp_path, "list", "methods", "--json").out)["methods"]


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A package that is installed in this process, which nothing has imported yet."""
    info = tmp_path / "lazy-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lazy\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[kdbench.methods]\nlazy = lazy_plugin\n")
    body = "name = 'lazy'\n    needs = Needs()\n\n    def terms(self, step):\n        return {}\n"
    (tmp_path / "lazy_plugin.py").write_text(f"from kdbench.api import Method, Needs\n\n\nclass Lazy(Method):\n    {body}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lazy_plugin", raising=False)
    return Registry()


def test_a_package_is_imported_once_a_name_of_it_is_asked_for(on_path: Registry):
    assert find("kd", on_path).name == "kd" and "lazy_plugin" not in sys.modules
    assert find("lazy", on_path).name == "lazy" and "lazy_plugin" in sys.modules
    assert on_path.find("method", "lazier") is None
