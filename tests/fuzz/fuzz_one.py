"""One target under libFuzzer, in a process of its own: python tests/fuzz/fuzz_one.py TARGET [options of libFuzzer].

Only kdbench is instrumented: the coverage of YAML and numpy is no news, and costs most of the speed.
"""

from __future__ import annotations

import sys
import time
import warnings
from pathlib import Path
from random import Random

import atheris

sys.path.insert(0, str(Path(__file__).parent))
with atheris.instrument_imports(include=["kdbench"]):
    from fuzz_all import TARGETS
    from fuzz_written import scratch
from fuzz_mutations import Mutator

LONGEST = 10.0  # seconds of this process' own time for one input; clocks on the wall say little on a shared machine
LONG_FILE = 1 << 15


def main(name: str, *options: str) -> None:
    target = TARGETS[name]
    mutate = Mutator(target.kind, target.words())
    seeds = [seed for seed in target.seeds() if len(seed) < LONG_FILE]
    corpus = scratch() / "corpus"  # libFuzzer begins with these, and keeps there what led it to new code
    corpus.mkdir()
    with atheris.instrument_imports(include=["kdbench"]):  # what targets import only when they need it
        for seed in seeds:
            target(seed)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)

    def one(data: bytes) -> None:
        began = time.process_time()
        target(data)
        took = time.process_time() - began
        assert took < LONGEST, f"took {took:.1f} s"

    def change(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if len(data) < 2 or random.random() < 0.03:  # what grew far from any file begins anew
            data = random.choice(seeds)
        if random.random() < 0.1:
            return bytes(atheris.Mutate(data[:most], most))
        return mutate(data, random)[:most]

    warnings.simplefilter("ignore")
    atheris.Setup(["fuzz", *options, f"-max_len={2 * LONG_FILE}", str(corpus)], one, custom_mutator=change)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
