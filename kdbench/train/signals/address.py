"""What a table of a teacher's answers is about, in full: its address is the hash of this, and its header says it again.

Nothing that can change a bit of an answer may be missing here: the network with its weights, the data and how they are shown, the
code that answers, and the libraries and device that compute.
"""

from __future__ import annotations

import hashlib
from typing import Any

import torch

from kdbench.contract.model import Net
from kdbench.contract.task import Task
from kdbench.results.provenance import versions
from kdbench.results.source_digests import source_digest

VERSION = 1  # of the layout and of the way in which a teacher is asked: kdbench/train/signals
LIBRARIES = ("torch", "timm")


def of_task(task: Task) -> dict[str, Any]:
    config = task.config
    fingerprint = task.fingerprint(config)
    return {"name": task.name, "version": task.version, "fingerprint": fingerprint, "params": config.model_dump(mode="json")}


def of_net(net: Net, key: str) -> dict[str, Any]:
    """The job that made it, and what came of it: a teacher that was made anew on another machine has other weights."""
    digest = hashlib.sha256()
    for name, value in net.state_dict().items():
        # Strides too: another memory format is computed by other kernels.
        digest.update(f"{name} {value.dtype} {tuple(value.shape)} {value.stride()}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return {"key": key, "weights": digest.hexdigest()}


def of_code(task: Task, net: Net) -> dict[str, str]:
    """The source of what shows and answers, where it is ours or a plugin's; libraries are known by their versions."""
    kinds = {*type(task).__mro__, *(type(module) for module in net.modules())}
    libraries = ("torch", "timm", "builtins", "abc")
    return source_digest(kind for kind in kinds if kind.__module__.partition(".")[0] not in libraries)


def of_machine(device: torch.device) -> dict[str, Any]:
    found = {name: version for name, version in versions().items() if name in LIBRARIES}
    if device.type == "cpu":
        return {**found, "device": f"cpu {torch.backends.cpu.get_cpu_capability()}"}
    precision = {"matmul": torch.get_float32_matmul_precision(), "tf32": torch.backends.cudnn.allow_tf32}
    return {**found, "device": torch.cuda.get_device_name(device), **precision}
