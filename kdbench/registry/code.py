"""The code of plugins: imported from a file or from where a target says, and read for the plugins that it defines."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from kdbench.registry.info import PluginInfo

OF_FILES = "kdbench_plugin_"  # what the modules of plugin files are called, before their names
_TASK_FACTS = ("family", "axis", "grid", "sets", "roles", "augments", "bank", "fields", "pair", "aliases", "licence", "tested")


def load_file(path: Path) -> ModuleType:
    """Import a plugin file under a name of its own; the same file is imported once. As of a script, what lies beside it can be
    imported too; but it comes last, so that a file of ours hides no library."""
    path = path.resolve()
    name = f"{OF_FILES}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what a command prints may be read by a program
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def load_target(target: str) -> Any:
    """The code of a plugin: a Task, Method, Wrapper, Source or Stage class, or a ModelPlugin."""
    where, _, attribute = target.rpartition(":")
    module = load_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    return getattr(module, attribute)


def home_of(plugin: PluginInfo) -> Path:
    """The folder that a plugin's code lies in."""
    code = load_target(plugin.target)
    return Path(inspect.getfile(code if inspect.isclass(code) else type(code))).resolve().parent


def inspect_module(module: ModuleType, origin: str) -> list[PluginInfo]:
    """Every plugin that a module defines, as data. Imports torch, since the module does."""
    from kdbench.contract.model import ModelPlugin

    where = str(module.__file__) if module.__name__.startswith(OF_FILES) else module.__name__
    found = []
    for attribute, value in vars(module).items():
        if isinstance(value, ModelPlugin):
            kind, doc, facts = "model", value.doc, {"taps": list(value.taps), "reads": list(value.reads)}
        elif inspect.isclass(value) and value.__module__ == module.__name__ and bool(getattr(value, "name", "")):
            kind, facts = _kind_and_facts(value)
            doc = value.__doc__ or ""
        else:
            continue
        if kind:
            found.append(_info(kind, value, doc, facts, f"{where}:{attribute}", origin))
    return found


def _kind_and_facts(plugin: type[Any]) -> tuple[str, dict[str, Any]]:
    """What kind of plugin a class is, and what a plan must know of one; no kind for any other class."""
    from kdbench.contract.method import Method, Wrapper
    from kdbench.contract.source import Source
    from kdbench.contract.stage import After, Stage
    from kdbench.contract.task import Task

    if issubclass(plugin, Task):
        facts = {key: _plain(getattr(plugin, key)) for key in _TASK_FACTS}
        reader = getattr(plugin, "reader", "")  # of sets in folders alone
        return "task", {**facts, "fingerprint": plugin.fingerprint(plugin.Config()), **({"reader": reader} if reader else {})}
    if issubclass(plugin, Wrapper):
        return "wrapper", {"needs": plugin.own.data(), "exempt": dict(plugin.exempt)}
    if issubclass(plugin, Method):
        return "method", {"needs": plugin.needs.data(), "exempt": dict(plugin.exempt)}
    if issubclass(plugin, Source):
        return "source", {"gives": plugin.gives.data(), "scope": plugin.scope}
    if issubclass(plugin, Stage):
        return "stage", {"reads": list(plugin.reads), "mixes": plugin.mixes}
    if issubclass(plugin, After):
        facts = {"reads": list(plugin.reads), "mixes": plugin.mixes, "after": True}
        return "stage", {**facts, "needs": plugin.needs.data(), "leaves": sorted(plugin.leaves)}
    return "", {}


def _info(kind: str, plugin: Any, doc: str, facts: dict[str, Any], target: str, origin: str) -> PluginInfo:
    schema = plugin.Config.model_json_schema()
    defaults = {name: f.get_default() for name, f in plugin.Config.model_fields.items() if not f.is_required()}
    first = doc.strip().split("\n")[0]
    return PluginInfo(kind, plugin.name, plugin.version, first, _plain(schema), _plain(defaults), facts, target, origin)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda v: sorted(v) if isinstance(v, (set, frozenset)) else dict(v)))
