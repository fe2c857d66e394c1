"""kdbench: benchmarks of knowledge distillation that report fidelity beside accuracy, over seeds, with controls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdbench.results.frame import load_results
    from kdbench.ship.student import load_student

__all__ = ["load_results", "load_student"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: importing kdbench must import neither pandas nor torch.
    if name == "load_results":
        from kdbench.results.frame import load_results

        return load_results
    if name == "load_student":
        from kdbench.ship.student import load_student

        return load_student
    raise AttributeError(f"module 'kdbench' has no attribute {name!r}")
