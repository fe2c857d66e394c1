"""The one door to plugins: names → what a plan must know, and, only when a job runs, the code itself."""

from kdbench.registry.code import home_of, inspect_module, load_target
from kdbench.registry.info import KINDS, PluginInfo
from kdbench.registry.names import Broken, Registry
from kdbench.registry.shipped import LOCK, PRESETS, RECIPES, builtin

__all__ = [
    "KINDS",
    "LOCK",
    "PRESETS",
    "RECIPES",
    "Broken",
    "PluginInfo",
    "Registry",
    "builtin",
    "home_of",
    "inspect_module",
    "load_target",
]
