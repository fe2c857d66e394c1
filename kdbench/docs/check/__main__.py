"""`python -m kdbench.docs.check [PAGE...]`: every block of the pages is run; what was left out is named with its reason."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from kdbench.docs.check.blocks import Block, Page, PageError, read
from kdbench.docs.check.session import Failed, Session

# Pages of a person. Those of methods are made of docstrings, whose blocks are formulas.
FOLDERS = ("suites", "results", "reports", "reports/archive", "baselines", "benchmarks")
WRITTEN = ("README.md", "docs/**/*.md", *(f"{folder}/README.md" for folder in FOLDERS), "examples/**/*.md", "tests/**/*.md")
MADE = "docs/methods"


@dataclass
class Told:
    """What became of a page."""

    page: Path
    run: int = 0
    left_out: Sequence[Block] = ()
    seconds: float = 0.0
    failure: str = ""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m kdbench.docs.check", description=__doc__)
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE", help="default: all pages that are written by hand")
    parser.add_argument("--jobs", "-j", type=int, default=2, help="pages at a time (2)")
    given = parser.parse_args(words)
    paths = given.pages or every()
    with tempfile.TemporaryDirectory(prefix="kdbench-docs-") as scratch, ThreadPoolExecutor(given.jobs) as pool:
        start = time.monotonic()
        done = list(pool.map(lambda item: checked(item[1], Path(scratch) / str(item[0])), enumerate(paths)))
        seconds = time.monotonic() - start
    show(done, seconds)
    return 1 if any(told.failure for told in done) else 0


def every() -> list[Path]:
    found = {path for pattern in WRITTEN for path in Path().glob(pattern) if not path.is_relative_to(MADE)}
    return sorted(found, key=lambda path: (len(path.parts) > 1, path))


def checked(path: Path, scratch: Path) -> Told:
    told, start = Told(path), time.monotonic()
    try:
        run(read(path), told, scratch)
    except (Failed, PageError, OSError) as error:
        told.failure = str(error)
    told.seconds = time.monotonic() - start
    print(f"{'FAILED' if told.failure else 'ok':6} {path}", file=sys.stderr, flush=True)
    return told


def run(page: Page, told: Told, scratch: Path) -> None:
    told.left_out = [block for block in page.blocks if block.left_out]
    kept = [block for block in page.blocks if not block.left_out]
    if not any(block.title or block.language != "text" for block in kept):
        return
    scratch.mkdir(parents=True)
    session = Session(scratch)
    session.start(Path(os.getcwd()) if page.checkout else None)
    try:
        for block in kept:
            session.do(block)
            told.run += block.title != "" or block.language != "text" or block.output
    finally:
        session.end()


def show(done: Sequence[Told], seconds: float) -> None:
    busy = [told for told in done if told.run or told.left_out or told.failure]
    width = max((len(str(told.page)) for told in busy), default=4)
    print(f"{'page':{width}}  run  left out  seconds")
    for told in busy:
        end = "  FAILED" if told.failure else ""
        print(f"{told.page!s:{width}}  {told.run:3}  {len(told.left_out):8}  {told.seconds:7.1f}{end}")
    print(f"{'all':{width}}  {sum(t.run for t in busy):3}  {sum(len(t.left_out) for t in busy):8}  {seconds:7.1f}")
    print(f"{len(done) - len(busy)} pages have no code.")
    if any(told.left_out for told in busy):
        print("\nleft out")
        for block in (block for told in busy for block in told.left_out):
            print(f"  {block.place}: {block.left_out}")
    for told in busy:
        if told.failure:
            print(f"\n{told.failure}")


if __name__ == "__main__":
    sys.exit(main())
