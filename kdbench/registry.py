"""The one door to plugins: names → what a plan must know, and, only when a job runs, the code itself.

Built-in plugins are read from the packaged lock file without importing torch. Plugin files are imported at the start, since a
person named them; installed packages (entry points kdbench.methods, .tasks, .models, .sources, .stages) when a name is asked for
that nothing else has, or all names are. What is imported is told before; what fails is kept as data and named.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from kdbench.contract.text import NAME

LOCK = Path(__file__).with_name("plugins.lock.json")
PRESETS = Path(__file__).with_name("presets")
RECIPES = Path(__file__).with_name("recipes")
KINDS = ("task", "method", "preset", "wrapper", "model", "source", "stage", "recipe")
FAMILIES = 4  # of networks within each other, as in cheap:timm:resnet18
SHARED = ("method", "preset")  # kinds whose plugins a suite calls in one place, so that their names differ
GROUPS = {
    "kdbench.tasks": "task",
    "kdbench.methods": "method",
    "kdbench.models": "model",
    "kdbench.sources": "source",
    "kdbench.stages": "stage",
    "kdbench.presets": "preset",
}


@dataclass(frozen=True)
class PluginInfo:
    """A plugin as data. `facts` depend on the kind: needs, taps, sets, …; `target` says where the code is."""

    kind: str
    name: str
    version: int
    doc: str
    schema: dict[str, Any]
    defaults: dict[str, Any]
    facts: dict[str, Any]
    target: str
    origin: str = "built-in"

    def data(self) -> dict[str, Any]:
        keys = ("kind", "name", "version", "doc", "schema", "defaults", "facts", "target")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True)
class Broken:
    """A plugin that could not be imported: it is listed, and everything else works."""

    origin: str
    error: str
    trace: str = ""


@dataclass
class Registry:
    """Plugins by kind and name; file and package plugins may not take a built-in's name."""

    files: Sequence[Path] = ()
    packages: bool = True  # whether installed ones may be imported; False once they are
    tell: Callable[[str], None] = lambda origin: None  # hears of every file and package before its code runs
    plugins: dict[tuple[str, str], PluginInfo] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    _aliases: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for info in (*builtin(), *presets(PRESETS), *recipes(RECIPES)):
            self._know(info)
        for path in self.files:
            self._add_file(Path(path))

    def names(self, kind: str) -> list[str]:
        self.load_packages()
        return sorted(name for k, name in self.plugins if k == kind)

    def get(self, kind: str, name: str) -> PluginInfo:
        if name.count(":") > FAMILIES:
            raise KeyError(name)
        family, colon, member = name.partition(":")
        if kind == "model" and colon and self._sought(kind, family):
            base = self.plugins[kind, family]
            return member_of(base, name, None if base.facts["taps"] else self.get(kind, member))
        self._sought(kind, name)
        return self.plugins[kind, name]

    def at_hand(self, kind: str, name: str) -> PluginInfo | None:
        """A plugin that is known without importing packages."""
        return self.plugins.get((kind, self.aliases().get(name, name) if kind == "method" else name))

    def _sought(self, kind: str, name: str) -> bool:
        """Whether there is such a plugin; packages are imported to find out only where nothing else has the name."""
        if not any((like, name) in self.plugins for like in (SHARED if kind in SHARED else (kind,))):
            self.load_packages()
        return (kind, name) in self.plugins

    def load_packages(self) -> None:
        if self.packages:
            self.packages = False
            self._add_packages()

    def task(self, name: str) -> PluginInfo:
        return self.get("task", name)

    def method(self, name: str) -> PluginInfo:
        if name not in self.aliases():
            self._sought("method", name)
        return self.get("method", self.aliases().get(name, name))

    def wrapper(self, name: str) -> PluginInfo:
        return self.get("wrapper", name)

    def model(self, name: str) -> PluginInfo:
        return self.get("model", name)

    def model_targets(self, name: str) -> dict[str, str]:
        """Where the code of a network lies, and that of the one which a twin is made from."""
        family, colon, member = name.partition(":")
        more = self.model_targets(member) if colon and not self.plugins["model", family].facts["taps"] else {}
        return {f"model:{name}": self.model(name).target, **more}

    def source(self, name: str) -> PluginInfo:
        return self.get("source", name)

    def stage(self, name: str) -> PluginInfo:
        return self.get("stage", name)

    def preset(self, name: str) -> PluginInfo:
        return self.get("preset", name)

    def recipe(self, name: str) -> PluginInfo:
        return self.get("recipe", name)

    def aliases(self) -> dict[str, str]:
        """The families' own names of methods, e.g. source_only -> none."""
        return self._aliases

    def _know(self, info: PluginInfo) -> None:
        self.plugins[info.kind, info.name] = info
        if info.kind == "task":
            self._aliases |= info.facts["aliases"]

    def _add(self, info: PluginInfo) -> None:
        if not isinstance(info.name, str) or not NAME.fullmatch(info.name):
            why = f"{info.kind} {info.name!r}: a name has letters, digits, '_', '-', '.', and one '/' after a package"
            self.broken.append(Broken(info.origin, why))
            return
        known = self.plugins.get((info.kind, info.name))
        shared = SHARED if info.kind in SHARED else ()
        if known is not None and known.target != info.target:
            self.broken.append(Broken(info.origin, f"{info.kind} {info.name!r} is already the name of a plugin ({known.origin})"))
        elif other := next((kind for kind in shared if kind != info.kind and (kind, info.name) in self.plugins), None):
            self.broken.append(Broken(info.origin, f"{info.kind} {info.name!r} is already the name of a {other}"))
        elif info.kind in SHARED and info.name in self.aliases():
            self.broken.append(Broken(info.origin, f"{info.kind} {info.name!r} is another name of {self.aliases()[info.name]!r}"))
        else:
            self._know(info)

    def _add_file(self, path: Path) -> None:
        try:
            if path.suffix == ".yaml":
                found = [preset(path, str(path))]  # no code
            else:
                self.tell(str(path))
                found = inspect_module(load_file(path), str(path))
            for info in found:
                self._add(info)
            if not found:
                self.broken.append(Broken(str(path), "defines no plugin; a class of kdbench.api is one when it has a `name`"))
        except Exception as error:  # whatever a user's file raises is its own business, and must not stop the rest
            self.broken.append(Broken(str(path), f"{type(error).__name__}: {error}", traceback.format_exc()))

    def _add_packages(self) -> None:
        for group in GROUPS:
            for entry in importlib.metadata.entry_points(group=group):
                origin = f"{entry.dist.name if entry.dist else '?'} ({entry.value})"
                self.tell(origin)
                try:
                    found = entry.load()
                    if group == "kdbench.presets":  # a package whose folder holds them
                        infos = [info for folder in found.__path__ for info in presets(Path(folder), origin)]
                    else:
                        infos = inspect_module(sys.modules[entry.module], origin)
                    for info in infos:
                        self._add(info)
                except Exception as error:
                    self.broken.append(Broken(origin, f"{type(error).__name__}: {error}", traceback.format_exc()))


@functools.cache
def builtin() -> tuple[PluginInfo, ...]:
    return tuple(PluginInfo(**entry) for entry in json.loads(LOCK.read_text()))


def presets(folder: Path, origin: str = "built-in") -> list[PluginInfo]:
    return [preset(path, origin) for path in sorted(folder.glob("*.yaml"))]


def preset(path: Path, origin: str) -> PluginInfo:
    return written("preset", path, origin)


def recipes(folder: Path, origin: str = "built-in") -> list[PluginInfo]:
    return [written("recipe", path, origin) for path in sorted(folder.glob("*.yaml"))]


def written(kind: str, path: Path, origin: str) -> PluginInfo:
    """A preset or recipe file, unread: what it says is checked where it is used, with its places. Its first comment tells what
    it is."""
    text = path.read_text(encoding="utf-8")
    comments = [line.lstrip("# ") for line in text.split("\n", 1)[:1] if line.startswith("#")]
    facts = {"text": text, "path": str(path)}
    return PluginInfo(kind, path.stem, 1, comments[0] if comments else "", {}, {}, facts, str(path), origin)


def member_of(family: PluginInfo, name: str, twin: PluginInfo | None) -> PluginInfo:
    """A network of a family, which has its architecture in its name: `timm:resnet18`; or, after a twin, `cheap:wrn_40_2`.

    A family without taps makes twins, which show what the network behind the colon shows. Versions only ever rise, so their sum
    is new whenever one of them is.
    """
    if twin is None:
        return replace(family, name=name)
    return replace(family, name=name, version=family.version + twin.version - 1, facts=twin.facts)


def load_file(path: Path) -> ModuleType:
    """Import a plugin file under a name of its own; the same file is imported once."""
    path = path.resolve()
    name = f"kdbench_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
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


def inspect_module(module: ModuleType, origin: str) -> list[PluginInfo]:
    """Every plugin that a module defines, as data. Imports torch, since the module does."""
    from kdbench.contract.method import Method, Wrapper
    from kdbench.contract.model import ModelPlugin
    from kdbench.contract.source import Source
    from kdbench.contract.stage import After, Stage
    from kdbench.contract.task import Task

    where = module.__name__ if module.__name__.startswith("kdbench.") or not module.__file__ else str(module.__file__)
    if module.__spec__ is not None and not module.__name__.startswith("kdbench_plugin_"):
        where = module.__name__
    found = []
    for attribute, value in vars(module).items():
        if isinstance(value, ModelPlugin):
            facts: dict[str, Any] = {"taps": list(value.taps), "reads": list(value.reads)}
            found.append(_info("model", value, value.doc, facts, f"{where}:{attribute}", origin))
        elif not inspect.isclass(value) or value.__module__ != module.__name__ or not getattr(value, "name", ""):
            continue
        elif issubclass(value, Task):
            keys = ("family", "axis", "grid", "sets", "roles", "augments", "bank", "fields", "pair", "aliases", "licence")
            facts = {key: _plain(getattr(value, key)) for key in keys}
            facts["fingerprint"] = value.fingerprint(value.Config())
            found.append(_info("task", value, value.__doc__, facts, f"{where}:{attribute}", origin))
        elif issubclass(value, Method):
            needs, single = (value.own, "wrapper") if issubclass(value, Wrapper) else (value.needs, "method")
            facts = {"needs": needs.data(), "exempt": dict(value.exempt)}
            found.append(_info(single, value, value.__doc__, facts, f"{where}:{attribute}", origin))
        elif issubclass(value, Source):
            facts = {"gives": value.gives.data(), "scope": value.scope}
            found.append(_info("source", value, value.__doc__, facts, f"{where}:{attribute}", origin))
        elif issubclass(value, Stage):
            facts = {"reads": list(value.reads), "mixes": value.mixes}
            found.append(_info("stage", value, value.__doc__, facts, f"{where}:{attribute}", origin))
        elif issubclass(value, After):
            facts = {"reads": list(value.reads), "mixes": value.mixes, "after": True}
            facts |= {"needs": value.needs.data(), "leaves": sorted(value.leaves)}
            found.append(_info("stage", value, value.__doc__, facts, f"{where}:{attribute}", origin))
    return found


def _info(kind: str, plugin: Any, doc: str | None, facts: dict[str, Any], target: str, origin: str) -> PluginInfo:
    schema = plugin.Config.model_json_schema()
    defaults = {name: f.get_default() for name, f in plugin.Config.model_fields.items() if not f.is_required()}
    first = (doc or "").strip().split("\n")[0]
    return PluginInfo(kind, plugin.name, plugin.version, first, _plain(schema), _plain(defaults), facts, target, origin)


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda v: sorted(v) if isinstance(v, (set, frozenset)) else dict(v)))
