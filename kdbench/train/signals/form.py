"""The forms in which a teacher's values are kept: all of them as they are, or less of them where a suite says so.

fp32    as they are
fp16    rounded to half precision: off by 1/2048 of a value at most; beyond ±65,504 it is that bound
top_k   of each sample the k largest values as they are; all others get one value, the one with which they keep their
        probability (at temperature 1) and share it evenly:  log Σ_others exp(z) − log(K − k)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

Shape = tuple[int, ...]


class Form(ABC):
    """How the values of a sample, of a given shape, become a row of a table and are read again. Both ways with a batch before."""

    name: str

    @abstractmethod
    def row(self, shape: Shape) -> tuple[np.dtype[Any], Shape]:
        """Type and shape of a row."""

    @abstractmethod
    def write(self, values: Tensor) -> np.ndarray: ...

    @abstractmethod
    def read(self, rows: np.ndarray, shape: Shape) -> Tensor: ...


class Exact(Form):
    name = "fp32"

    def row(self, shape: Shape) -> tuple[np.dtype[Any], Shape]:
        return np.dtype("<f4"), shape

    def write(self, values: Tensor) -> np.ndarray:
        return values.float().cpu().numpy()

    def read(self, rows: np.ndarray, shape: Shape) -> Tensor:
        return torch.from_numpy(rows)


class Half(Form):
    name = "fp16"

    def row(self, shape: Shape) -> tuple[np.dtype[Any], Shape]:
        return np.dtype("<f2"), shape

    def write(self, values: Tensor) -> np.ndarray:
        bound = torch.finfo(torch.float16).max
        return values.float().clamp(-bound, bound).half().cpu().numpy()

    def read(self, rows: np.ndarray, shape: Shape) -> Tensor:
        return torch.from_numpy(rows).float()


class TopK(Form):
    """For values [B,K], one class a sample; with k of K or more, all of them are kept."""

    def __init__(self, k: int):
        self.k, self.name = k, f"top_{k}"

    def row(self, shape: Shape) -> tuple[np.dtype[Any], Shape]:
        kept = min(self.k, *shape)
        return np.dtype([("best", "<f4", (kept,)), ("rest", "<f4"), ("answer", "<u4", (kept,))]), ()

    def write(self, values: Tensor) -> np.ndarray:
        kind, _ = self.row(tuple(values.shape[1:]))
        values = values.float()
        best = values.topk(kind["best"].shape[0], -1)
        others = values.shape[1] - best.values.shape[1]
        rows = np.zeros(len(values), kind)
        rows["best"], rows["answer"] = best.values.cpu().numpy(), best.indices.cpu().numpy()
        if others:
            left = values.scatter(-1, best.indices, -math.inf)
            rows["rest"] = (left.logsumexp(-1) - math.log(others)).cpu().numpy()
        return rows

    def read(self, rows: np.ndarray, shape: Shape) -> Tensor:
        values = torch.from_numpy(rows["rest"].copy())[:, None].repeat(1, *shape)
        answers = torch.from_numpy(rows["answer"].astype(np.int64))
        return values.scatter_(1, answers, torch.from_numpy(rows["best"].copy()))


def form(name: str, k: int) -> Form:
    return {"fp32": Exact, "fp16": Half, "top_k": lambda: TopK(k)}[name]()
