"""The machine, and the limits of one thread of it: how fast it multiplies matrices, and how fast it moves memory."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.measure import cpu, seconds
from kdbench.results.machine import machine
from kdbench.results.provenance import versions

SIDE, TRIES = 2048, 3
MEGABYTES = 256


def facts() -> dict[str, Any]:
    """What the figures stand on. A rate is the best of a few tries, which nobody disturbed."""
    known = machine()
    return {
        "cpu": known["cpu"],
        "cores": known["cores"],
        "gpus": [gpu.get("name", "GPU") for gpu in known["gpus"]],
        "python": versions()["python"],
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gemm_fp32_gflops": round(rate(torch.float32), 1),
        "gemm_bf16_gflops": round(rate(torch.bfloat16), 1),
        "memory_gb_s": round(bandwidth(), 1),
    }


def rate(kind: torch.dtype) -> float:
    a, b = (torch.randn(SIDE, SIDE).to(kind) for _ in range(2))
    return 2 * SIDE**3 / best(lambda: a @ b) / 1e9


def bandwidth() -> float:
    """Bytes read and written by a copy that no cache holds."""
    source = torch.zeros(MEGABYTES * 2**20 // 4)
    target = torch.empty_like(source)
    return 2 * source.numel() * 4 / best(lambda: target.copy_(source)) / 1e9


def best(call: Any) -> float:
    call()
    return min(seconds(call, cpu)() for _ in range(TRIES))


def told(known: dict[str, Any]) -> str:
    """In a line."""
    gpus = f", {', '.join(known['gpus'])}" if known["gpus"] else ", no GPU"
    rates = f"GEMM {known['gemm_fp32_gflops']:g} GFLOP/s fp32, {known['gemm_bf16_gflops']:g} bf16"
    rates += f"; memory {known['memory_gb_s']:g} GB/s"
    versions = f"torch {known['torch']} ({known['capability']}), Python {known['python']}"
    return f"{known['cpu']}, {known['cores']} cores{gpus}; {versions}; one thread: {rates}"
