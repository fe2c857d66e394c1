"""All targets, each in a process of its own, some at a time: python tests/fuzz/fuzz_campaign.py [--scale 1.0] [TARGET ...].

Prints a table from libFuzzer's own statistics, and for each fault the input and the traceback. `--scale 10` tries ten times as
many.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from fuzz_all import TARGETS

INPUTS = 20_000  # of a target that is as cheap as they come
WALL = 60  # seconds for one input, as the clock on the wall has it: a machine may be busy
MEMORY = 2048  # MiB
PATIENCE = 3600.0


@dataclass(frozen=True)
class Tried:
    """What libFuzzer said of one target."""

    name: str
    inputs: int
    seconds: float
    coverage: int
    features: int
    kept: int
    memory: int
    fault: str = ""

    @property
    def row(self) -> str:
        rate = self.inputs / self.seconds if self.seconds else 0.0
        fault = "**1**" if self.fault else "0"
        numbers = [self.inputs, round(rate), self.coverage, self.features, self.kept, self.memory]
        return f"| {self.name} | {' | '.join(f'{number:,}' for number in numbers)} | {fault} |"


def tried(name: str, runs: int, found: Path) -> Tried:
    """One target: so many inputs, or up to its first fault."""
    limits = [f"-runs={runs}", f"-timeout={WALL}", f"-rss_limit_mb={MEMORY}", "-print_final_stats=1", "-verbosity=1"]
    command = [sys.executable, str(Path(__file__).with_name("fuzz_one.py")), name, *limits, f"-artifact_prefix={found}/{name}-"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    began = time.monotonic()
    made = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE, env=environ, check=False)
    seconds = time.monotonic() - began
    said = made.stdout + made.stderr

    def last(pattern: str) -> int:
        return int(([0] + re.findall(pattern, said))[-1])

    inputs = last(r"stat::number_of_executed_units:\s*(\d+)") or last(r"^#(\d+)") or last(r"\n#(\d+)")
    fault = "" if made.returncode == 0 else said[-6000:]
    memory = last(r"stat::peak_rss_mb:\s*(\d+)")
    return Tried(name, inputs, seconds, last(r"cov: (\d+)"), last(r"ft: (\d+)"), last(r"corp: (\d+)"), memory, fault)


def campaign(names: Sequence[str], scale: float, found: Path) -> list[Tried]:
    """Dear targets first, so that the end is not one of them alone. Each is told as soon as it is done."""

    def one(name: str) -> Tried:
        done = tried(name, max(100, round(scale * INPUTS / TARGETS[name].slow)), found)
        print(done.row, file=sys.stderr, flush=True)
        return done

    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        return list(pool.map(one, sorted(names, key=lambda name: -TARGETS[name].slow)))


def table(every: Sequence[Tried]) -> str:
    head = ["| target | inputs | inputs/s | coverage | features | corpus | MiB | faults |", "|---|---|---|---|---|---|---|---|"]
    total = f"| all | {sum(one.inputs for one in every):,} | | | | | | {sum(bool(one.fault) for one in every)} |"
    return "\n".join([*head, *(one.row for one in every), total])


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    words.add_argument("targets", nargs="*", choices=[*TARGETS, []], metavar="TARGET", help=", ".join(TARGETS))
    words.add_argument("--scale", type=float, default=1.0, help="how many times as many inputs")
    words.add_argument("--found", type=Path, help="where inputs at fault are kept")
    asked = words.parse_args()
    found = asked.found or Path(tempfile.mkdtemp(prefix="kdbench-faults-"))
    found.mkdir(parents=True, exist_ok=True)
    every = campaign(asked.targets or list(TARGETS), asked.scale, found)
    print(table(every))
    for one in every:
        if one.fault:
            print(f"\n{one.name}: the input lies in {found}\n{one.fault}")
    return int(any(one.fault for one in every))


if __name__ == "__main__":
    sys.exit(main())
