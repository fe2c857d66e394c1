"""A pull request that changes a default, as docs/ci/README.md tells it: not without a new version; then gated, accepted."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from gate_bench import Bench

from kdbench import lock, registry
from kdbench.methods import kd as intact
from kdbench.registry import shipped

README = Path(__file__).parents[2] / "docs" / "ci" / "README.md"
DEFAULT = "T: float = Field(4.0,"
NAME = 'name = "kd"\n'


def edited(folder: Path, *changes: tuple[str, str]) -> ModuleType:
    """The module kd as a pull request would have it."""
    text = Path(str(intact.__file__)).read_text()
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = folder / "kd.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("kdbench.methods.kd", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def locked(module: ModuleType) -> list[dict]:
    """The lock file with this module instead of the one that there is."""
    others = [
        plugin for plugin in json.loads(registry.LOCK.read_text()) if plugin["target"].rpartition(":")[0] != module.__name__
    ]
    return [*others, *(info.data() for info in registry.inspect_module(module, "built-in"))]


@pytest.fixture
def merged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Puts a lock file in place, as `python -m kdbench.lock` would."""

    def put(plugins: list[dict]) -> None:
        path = tmp_path / "plugins.lock.json"
        path.write_text(json.dumps(plugins))
        monkeypatch.setattr(shipped, "LOCK", path)
        registry.builtin.cache_clear()

    yield put
    monkeypatch.undo()
    registry.builtin.cache_clear()


def test_a_changed_default(bench: Bench, merged, capsys: pytest.CaptureFixture[str]):
    before = json.loads(registry.LOCK.read_text())
    bench.baseline()
    change = (DEFAULT, "T: float = Field(3.0,")
    assert lock.unversioned(before, locked(edited(bench.folder, change))) == ["method kd: T"]

    bumped = locked(edited(bench.folder, change, (NAME, f"{NAME}    version = 2\n")))
    assert lock.unversioned(before, bumped) == []
    merged(bumped)
    bench.fill(salt=2)
    capsys.readouterr()
    assert bench("gate", "made.yaml") == 4
    out = capsys.readouterr().out
    assert "incomparable  digits kd: the baseline is of another experiment: method.version: 1, now 2" in out
    assert "1 incomparable" in out.splitlines()[0]
    assert "`kdbench baseline accept made.yaml --replace --reason …` makes these results the baseline" in out

    assert bench("baseline", "accept", "made.yaml", "--only", "method=kd", "--replace", "--reason", "T is 3 now") == 0
    assert "another experiment; seeds 0-4 → 0-2" in capsys.readouterr().out
    changed = [row for row in bench.csv.read_text().splitlines() if row.endswith("T is 3 now")]
    assert len(changed) == 3 * 4 and all(row.startswith("kd,") for row in changed)
    assert bench("gate", "made.yaml") == 0


def test_the_page_tells_it_in_these_words():
    text = README.read_text()
    for words in ("method kd: T", "method.version: 1, now 2", "--replace --reason"):
        assert words in text
