"""kdbench: benchmarks of knowledge distillation that report fidelity beside accuracy, over seeds, with controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdbench.results.frame import load_results

__all__ = ["load_results"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: importing kdbench must not import pandas.
    if name == "load_results":
        from kdbench.results.frame import load_results

        return load_results
    raise AttributeError(f"module 'kdbench' has no attribute {name!r}")
