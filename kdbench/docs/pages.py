"""Every page that is made of the code, by its path under docs/."""

from __future__ import annotations

from kdbench.docs import api, cli, methods, metrics, rules, suite, tasks
from kdbench.registry import Registry

FOLDERS = ("methods", "reference")


def pages(registry: Registry | None = None) -> dict[str, str]:
    registry = registry or Registry(packages=False)
    reference = {
        "suite": suite.page(),
        "cli": cli.page(),
        "metrics": metrics.page(),
        "tasks": tasks.page(registry),
        "api": api.page(),
        "rules": rules.page(),
    }
    return {
        **{f"methods/{name}": text for name, text in methods.pages(registry).items()},
        **{f"reference/{name}.md": text for name, text in reference.items()},
    }
