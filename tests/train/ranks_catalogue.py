"""Every method of the catalogue on one process and on two: how far apart their weights and test metrics are in the end.

With --threads, as a measure of what rounding does in these few steps, the same on one process with two threads instead of one.

    python tests/train/ranks_catalogue.py classification [--optimiser adamw] [--threads] [--only kd rkd]
"""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))

from gang_bench import Place
from ranks_bench import apart, shared, weights

from kdbench.jobs.graph import graph
from kdbench.registry import Registry
from kdbench.suite import expand, parse_suite
from kdbench.suite.yaml import loads

SUITES = Path(__file__).parents[2] / "suites" / "catalogue"
SMOKE = "{seeds: 1, recipe: {steps: 6}}"
RECIPES = {"adamw": "", "sgd": ", optimiser: sgd, lr: 0.02, clip: 1.0"}


def planned(family: str, optimiser: str):
    path, registry = SUITES / f"{family}.yaml", Registry(packages=False)
    text = path.read_text(encoding="utf-8")
    assert SMOKE in text
    text = text.replace(SMOKE, SMOKE.replace("6}", "6" + RECIPES[optimiser] + "}"))
    return graph(expand(parse_suite(loads(text, str(path)), registry), registry, "smoke").arms, registry)


def in_order(jobs) -> list:
    """Jobs after what they need."""
    left, done, order = list(jobs), set(), []
    keys = {job.key for job in left}
    while left:
        ready = [job for job in left if done.issuperset(set(job.after) & keys)]
        order += ready
        done |= {job.key for job in ready}
        left = [job for job in left if job.key not in done]
    return order


def difference(one: dict, other: dict) -> float:
    """The largest among metrics of the test set, which lie between 0 and 1 or near."""
    pairs = [(one[name], other[name]) for name in one if not (math.isnan(one[name]) or math.isinf(one[name]))]
    return max((abs(a - b) for a, b in pairs), default=0.0)


def measured(family: str, optimiser: str, only: list[str], threads: bool = False) -> list[tuple[str, float, float, str]]:
    """Of each student: its cell, how far its weights are apart (on two processes, or threads), how far its metrics, and how it
    ended if not well."""
    jobs = planned(family, optimiser)
    with tempfile.TemporaryDirectory(prefix="ranks-") as folder:
        one, two = (Place(jobs, Path(folder, name)) for name in ("one", "two"))
        order = in_order(jobs.jobs.values())
        teachers = [job for job in order if job.kind == "teacher"]
        students = [
            job for job in order if job.kind == "student" and (not only or any(name in job.labels["cell"] for name in only))
        ]
        for job in teachers:
            one.alone(job)
        shutil.copytree(one.folder, two.folder)
        for job in students:
            one.alone(job)
        if threads:
            torch.set_num_threads(2)
            for job in students:
                two.alone(job)
            torch.set_num_threads(1)
            ends: dict[str, Any] = {}
        else:
            ends = shared([(two.payload(job), None) for job in students], Path(folder))
        found = []
        for job in students:
            if not two.has(job):
                found.append((job.labels["cell"], math.inf, math.inf, str(ends.get(job.key))))
                continue
            told = difference(one.record(job).metrics["truth"], two.record(job).metrics["truth"])
            found.append((job.labels["cell"], apart(weights(one, job), weights(two, job)), told, ""))
        return sorted(found, key=lambda row: -row[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("family", choices=("classification", "segmentation", "retrieval", "tagging"))
    parser.add_argument("--optimiser", choices=tuple(RECIPES), default="sgd")
    parser.add_argument("--threads", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{options.family}, {options.optimiser}, 2 {'threads' if options.threads else 'ranks'}: weights, test metrics, cell")
    for cell, far, metrics, end in measured(options.family, options.optimiser, options.only, options.threads):
        print(f"{far:9.1e} {metrics:9.1e}  {cell} {end}", flush=True)


if __name__ == "__main__":
    main()
