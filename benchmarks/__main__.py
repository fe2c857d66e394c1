"""python -m benchmarks [overhead|suite|pack|scale|start|recording ...]: all of them without a name."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMES = ("overhead", "suite", "pack", "scale", "start", "recording")
HERE = Path(__file__).parent
RESULTS, PICTURE, README = HERE / "results.json", HERE / "step.svg", HERE / "README.md"


def main(argv: list[str] | None = None) -> int:
    asked = parser().parse_args(argv)
    from kdbench.execute.own_process import limit_threads

    limit_threads(1)  # before numerical libraries are imported
    os.environ.pop("KDBENCH_HOME", None)  # all that is written lies in a folder of its own
    from benchmarks import machine, show
    from benchmarks.measure import FULL, QUICK, Found

    facts, effort = machine.facts(), QUICK if asked.quick else FULL
    print(machine.told(facts), flush=True)
    found: dict[str, Found] = {}
    for name in asked.names or NAMES:
        print(f"\n{name}: {summary(name)}", flush=True)
        with tempfile.TemporaryDirectory(prefix="kdbench-benchmark-") as folder:
            found[name] = importlib.import_module(f"benchmarks.{name}").measure(Path(folder), effort)
        if found[name].lines:
            print(show.text(found[name].lines), flush=True)
        if (shares := found[name].shares) is not None:
            print(f"\n{show.bars(shares)}", flush=True)
            if asked.picture or asked.write:
                show.picture(shares, asked.picture or PICTURE)
    if asked.json or asked.write:
        write(as_data(found, facts), asked.json, asked.write)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description="What kdbench costs beside a bare training loop.")
    made.add_argument("names", nargs="*", metavar="NAME", choices=NAMES, help=f"{', '.join(NAMES)}; all of them without a name")
    made.add_argument("--quick", action="store_true", help="fewer rounds and a smaller suite: a look, not a verdict")
    made.add_argument("--json", type=Path, metavar="FILE", help="every figure of every round")
    made.add_argument("--picture", type=Path, metavar="FILE", help="where a step's time goes, as SVG or PNG")
    made.add_argument("--write", action="store_true", help="renew benchmarks/results.json, step.svg and the README's figures")
    return made


def summary(name: str) -> str:
    return (importlib.import_module(f"benchmarks.{name}").__doc__ or "").strip()


def as_data(found: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "day": datetime.now(UTC).date().isoformat(),
        "machine": facts,
        "benchmarks": {name: {**asdict(one), "verdicts": [line.verdict for line in one.lines]} for name, one in found.items()},
    }


def write(data: dict[str, Any], file: Path | None, renew: bool) -> None:
    """To the file that was named; with `renew`, over what is kept in the repository, of the benchmarks that were run alone."""
    from benchmarks import show
    from benchmarks.measure import Line

    if file:
        file.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    if renew:
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))["benchmarks"] if RESULTS.exists() else {}
        whole = {**kept, **data["benchmarks"]}
        data = {**data, "benchmarks": {name: whole[name] for name in NAMES if name in whole}}
        RESULTS.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        lines = {name: [Line(**line) for line in one["lines"]] for name, one in data["benchmarks"].items()}
        block = show.markdown(lines, data["machine"], data["day"])
        README.write_text(show.with_block(README.read_text(encoding="utf-8"), block), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
