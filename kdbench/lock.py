"""Writes the lock file of built-in plugins: `python -m kdbench.lock` after changing a schema, a default, needs or taps.

A test compares the file with the code. A changed default without a new version fails there, since results of two behaviours would
share one identity.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from typing import Any

from kdbench.registry import LOCK, inspect_module

PACKAGES = ("kdbench.tasks", "kdbench.methods", "kdbench.models", "kdbench.train.sources", "kdbench.train.views")


def current() -> list[dict[str, Any]]:
    """Every built-in plugin as the code has it now."""
    infos = []
    for package in PACKAGES:
        root = importlib.import_module(package)
        for module in pkgutil.iter_modules(root.__path__):
            if not module.ispkg:
                infos += inspect_module(importlib.import_module(f"{package}.{module.name}"), "built-in")
    return [info.data() for info in sorted(infos, key=lambda i: (i.kind, i.name))]


def unversioned(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """Plugins whose parameters or defaults changed under the same version."""
    before = {(p["kind"], p["name"]): p for p in old}
    changed = []
    for plugin in new:
        known = before.get((plugin["kind"], plugin["name"]))
        if known and known["version"] == plugin["version"]:
            lost = {k: v for k, v in known["defaults"].items() if plugin["defaults"].get(k, ...) != v}
            if lost:
                changed.append(f"{plugin['kind']} {plugin['name']}: {', '.join(sorted(lost))}")
    return changed


def main() -> int:
    old = json.loads(LOCK.read_text()) if LOCK.exists() else []
    new = current()
    changed = unversioned(old, new)
    if changed and "--force" not in sys.argv:
        print("defaults changed without a new version (raise `version`, or --force before a release):", *changed, sep="\n  ")
        return 1
    LOCK.write_text(json.dumps(new, indent=1, ensure_ascii=False) + "\n")
    print(f"{LOCK.name}: {len(new)} plugins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
