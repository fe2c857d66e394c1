"""All targets, by name."""

from __future__ import annotations

from fuzz_made import MADE
from fuzz_written import WRITTEN

TARGETS = {target.name: target for target in (*WRITTEN, *MADE)}
