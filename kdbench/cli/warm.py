"""What jobs import: loaded once in the process from which they fork, instead of in each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

# The second is what torch's optimisers import when the first one is made: a second of work in every job.
ALWAYS = ("torch", "torch._dynamo", "kdbench.train.job")
# Libraries that plugins import only when used.
BEHIND = {"kdbench.tasks.classification": ("sklearn.datasets",), "kdbench.models.timm_net": ("timm",)}


def modules(jobs: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """The modules to import before the first fork, from the targets of the jobs to come. Others' plugins stay with their jobs:
    what they do when they are imported (threads, CUDA) may not survive a fork.
    """
    plugins = {target.rpartition(":")[0] for targets in jobs for target in targets.values()}
    named = sorted(name for name in plugins if name.startswith("kdbench."))
    return (*ALWAYS, *named, *(library for name in named for library in BEHIND.get(name, ())))
