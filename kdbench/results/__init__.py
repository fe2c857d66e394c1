"""What finished jobs left behind: records, raw outputs, and the table of them."""

from __future__ import annotations

from kdbench.results.frame import load_results

__all__ = ["load_results"]
