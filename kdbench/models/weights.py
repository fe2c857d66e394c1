"""Our own weights on disk: safetensors only, since reading a pickle can run any code; every misfit is told at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor, nn

from kdbench.models.weight_files import SAFETENSORS as SUFFIX
from kdbench.models.weight_files import TORCH, WeightsError, sha256

__all__ = ["WeightsError", "load", "load_into", "put", "save", "sha256"]
SHOWN = 6


def _checked(path: Path | str) -> Path:
    path = Path(path)
    if path.suffix == SUFFIX:
        return path
    if path.suffix in (*TORCH, ".pkl"):
        target = path.with_suffix(SUFFIX).name
        raise WeightsError(
            f"{path}: not read, because {path.suffix} files are pickles and can run code. Convert it once, where you trust it:\n"
            f"  python -c \"import torch, safetensors.torch as s; s.save_file(torch.load('{path.name}', map_location='cpu', "
            f"weights_only=True), '{target}')\"\n"
            "  (where the file holds more than a state dict, pick it first, e.g. ...['state_dict'])"
        )
    raise WeightsError(f"{path}: weights are files with the ending {SUFFIX}")


def save(state: Mapping[str, Tensor], path: Path | str) -> str:
    """Write a state dict and return the file's SHA-256. Equal weights give equal files; a reader never sees half a file."""
    path = _checked(path)
    plain: dict[str, Tensor] = {}
    stores: set[int] = set()
    for name, value in state.items():
        tensor = value.detach().cpu().contiguous()
        # Tied weights are written twice: the format holds no sharing, and the network ties them again itself.
        store = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if store in stores else tensor
        stores.add(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    part.unlink(missing_ok=True)  # a link of that name would be written through
    try:
        with part.open("xb") as file:
            file.write(safetensors.torch.save(plain))
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return sha256(path)


def load(path: Path | str) -> dict[str, Tensor]:
    """The state dict of a file, on the CPU."""
    path = _checked(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise WeightsError(f"{path}: damaged or not a safetensors file ({error})") from error


def load_into(module: nn.Module, path: Path | str) -> str:
    """Give a network all its weights from a file, or change nothing and say everything that does not fit. Returns the
    file's SHA-256."""
    put(module, load(path), path)
    return sha256(path)


def put(module: nn.Module, given: Mapping[str, Tensor], path: Path | str) -> None:
    """The same with weights that were read; `path` is named where they do not fit."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in given]
    unexpected = [name for name in given if name not in wanted]
    shapes = [
        f"{name} is {_shape(given[name])}, needs {_shape(value)}"
        for name, value in wanted.items()
        if name in given and given[name].shape != value.shape
    ]
    if missing or unexpected or shapes:
        lines = [f"{path} does not fit {type(module).__name__}:"]
        lines += _listed("missing", missing) + _listed("unexpected", unexpected) + _listed("other shape", shapes, "; ")
        prefix = _common_prefix(missing, unexpected)
        if prefix:
            lines.append(f"  without the prefix {prefix!r} the names would match")
        raise WeightsError("\n".join(lines))
    module.load_state_dict(given)


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a scalar"


def _listed(title: str, items: Sequence[str], separator: str = ", ") -> list[str]:
    if not items:
        return []
    more = f"{separator}and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return [f"  {title} ({len(items)}): {separator.join(items[:SHOWN])}{more}"]


def _common_prefix(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """The prefix that a wrapper left before every name, where that explains all that is missing."""
    prefix = unexpected[0].partition(".")[0] + "." if unexpected else ""
    stripped = {name.removeprefix(prefix) for name in unexpected if name.startswith(prefix)}
    return prefix if missing and stripped >= set(missing) else ""
