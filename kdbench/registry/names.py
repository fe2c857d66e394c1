"""Plugins by kind and name: built-in, from files, from installed packages.

Built-in plugins are read from the packaged lock file without importing torch. Plugin files are imported at the start, since a
person named them; installed packages (entry points kdbench.methods, .tasks, .models, .sources, .stages, .presets) when a name is
asked for that nothing else has, or all names are. What is imported is told before; what fails is kept as data and named.
"""

from __future__ import annotations

import importlib.metadata
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kdbench.contract.text import NAME
from kdbench.registry.blame import placed
from kdbench.registry.code import inspect_module, load_file
from kdbench.registry.info import PluginInfo
from kdbench.registry.shipped import PRESETS, RECIPES, all_written, builtin, written

MOST_NESTED = 4  # networks within each other, as in cheap:timm:resnet18
SHARED = ("method", "preset")  # kinds whose plugins a suite calls in one place, so that their names differ
PRESET_GROUP = "kdbench.presets"  # packages whose folders hold presets; the other groups are of modules
GROUPS = ("kdbench.tasks", "kdbench.methods", "kdbench.models", "kdbench.sources", "kdbench.stages", PRESET_GROUP)


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
        for info in (*builtin(), *all_written("preset", PRESETS), *all_written("recipe", RECIPES)):
            self._know(info)
        for path in self.files:
            self._add_file(Path(path))

    def names(self, kind: str) -> list[str]:
        self.load_packages()
        return sorted(name for k, name in self.plugins if k == kind)

    def get(self, kind: str, name: str) -> PluginInfo:
        if name.count(":") > MOST_NESTED:
            raise KeyError(name)
        family, colon, member = name.partition(":")
        if kind == "model" and colon and self._sought(kind, family):
            base = self.plugins[kind, family]
            return _member_of(base, name, None if base.facts["taps"] else self.get(kind, member))
        self._sought(kind, name)
        return self.plugins[kind, name]

    def find(self, kind: str, name: str) -> PluginInfo | None:
        """A plugin by its own name, or None."""
        return self.plugins[kind, name] if self._sought(kind, name) else None

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
        if why := self._refused(info):
            self.broken.append(Broken(info.origin, f"{info.kind} {info.name!r}{why}"))
        else:
            self._know(info)

    def _refused(self, info: PluginInfo) -> str:
        """Why a plugin cannot have its name; empty where it can."""
        if not isinstance(info.name, str) or not NAME.fullmatch(info.name):
            return ": a name has letters, digits, '_', '-', '.', and one '/' after a package"
        known = self.plugins.get((info.kind, info.name))
        if known is not None and known.target != info.target:
            return f" is already the name of a plugin ({known.origin})"
        if info.kind in SHARED:
            for kind in SHARED:
                if kind != info.kind and (kind, info.name) in self.plugins:
                    return f" is already the name of a {kind}"
            if info.name in self.aliases():
                return f" is another name of {self.aliases()[info.name]!r}"
        return ""

    def _add_file(self, path: Path) -> None:
        try:
            if path.suffix == ".yaml":
                found = [written("preset", path, str(path))]  # no code
            else:
                self.tell(str(path))
                found = inspect_module(load_file(path), str(path))
            for info in found:
                self._add(info)
            if not found:
                self.broken.append(Broken(str(path), "defines no plugin; a class of kdbench.api is one when it has a `name`"))
        except Exception as error:  # whatever a user's file raises is its own business, and must not stop the rest
            told = placed(error, path.resolve().parent)
            if told.startswith(f"{path}:"):  # it is named beside
                told = "line " + told.removeprefix(f"{path}:")
            self.broken.append(Broken(str(path), told, traceback.format_exc()))

    def _add_packages(self) -> None:
        for group in GROUPS:
            for entry in importlib.metadata.entry_points(group=group):
                origin = f"{entry.dist.name if entry.dist else '?'} ({entry.value})"
                self.tell(origin)
                try:
                    found = entry.load()
                    if group == PRESET_GROUP:
                        infos = [info for folder in found.__path__ for info in all_written("preset", Path(folder), origin)]
                    else:
                        infos = inspect_module(sys.modules[entry.module], origin)
                    for info in infos:
                        self._add(info)
                except Exception as error:
                    self.broken.append(Broken(origin, f"{type(error).__name__}: {error}", traceback.format_exc()))


def _member_of(family: PluginInfo, name: str, twin: PluginInfo | None) -> PluginInfo:
    """A network of a family, which has its architecture in its name: `timm:resnet18`; or, after a twin, `cheap:wrn_40_2`.

    A family without taps makes twins, which show what the network behind the colon shows. Versions only ever rise, so their sum
    is new whenever one of them is.
    """
    if twin is None:
        return replace(family, name=name)
    return replace(family, name=name, version=family.version + twin.version - 1, facts=twin.facts)
