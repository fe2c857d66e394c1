"""Weights made elsewhere: safetensors, or torch files that hold data and nothing to execute, under the names that others use.

A file fits where its names are those of the network: as they are, without what a wrapper put before them (`module.`), or told
in the words of a repository whose networks ours equal. What fits in no way is refused whole, and the misses are listed.
"""

from __future__ import annotations

import argparse
import pickle
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from kdbench.models import weights
from kdbench.models.published_names import renamed
from kdbench.models.weight_files import SAFETENSORS, WeightsError, known_kind

ENTRIES = ("state_dict", "model", "model_state_dict", "model_state", "net", "network", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.")
COUNTER = "num_batches_tracked"  # files of before 2018 lack it, and evaluation does not read it
State = dict[str, Tensor]


def load_into(module: nn.Module, path: Path, fresh: Sequence[str] = ()) -> None:
    """Give a network all its weights from a file, or change nothing and say what does not fit. Those whose names begin with one
    of `fresh` stay as they are, and what the file has of them counts for nothing."""
    given = read(path)
    wanted = module.state_dict()
    own = {name: value for name, value in wanted.items() if name.startswith(tuple(fresh))}
    for prefix in fresh:
        if not any(name.startswith(prefix) for name in own):
            parts = ", ".join(dict.fromkeys(name.partition(".")[0] for name in wanted))
            raise WeightsError(f"{path}: fresh: the network has no weights whose names begin with {prefix!r}; there are {parts}")

    def but_fresh(state: State) -> State:
        return {name: value for name, value in state.items() if not name.startswith(tuple(fresh))} | own

    for state in map(but_fresh, _readings(module, given)):
        full = {name: value for name, value in wanted.items() if name.endswith(COUNTER)} | state
        if full.keys() == wanted.keys() and all(full[name].shape == value.shape for name, value in wanted.items()):
            module.load_state_dict(full)
            return
    bare = but_fresh(_unwrapped(given, wanted))
    try:
        weights.put(module, bare, path)  # says everything that does not fit
    except WeightsError as error:
        raise WeightsError(f"{error}{_other_head(bare, wanted)}") from None


def _other_head(given: State, wanted: State) -> str:
    """What to do where nothing but one layer's shape is in the way: the file answers among other classes."""
    layers = {name.rpartition(".")[0] for name in given.keys() & wanted.keys() if given[name].shape != wanted[name].shape}
    if given.keys() - wanted.keys() or len(layers) != 1:
        return ""
    head = next(iter(layers))
    return f"\n  to train on from all but {head}, which then is new: init: {{file: ..., fresh: {head}}}"


def read(path: Path) -> State:
    """The state dict of a file, by its own names."""
    if known_kind(path).suffix == SAFETENSORS:
        return weights.load(path)
    if not path.is_file():
        raise WeightsError(f"{path}: no such file")
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # the options of the run, which many scripts save beside
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{path}: {_refusal(str(error))}") from error
    except Exception as error:  # a damaged or malicious file may fail in any way
        raise WeightsError(f"{path}: damaged, or no file of torch.save ({_said_by(error)})") from error
    return _state_in(found, path)


def _said_by(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _refusal(said: str) -> str:
    """What torch says of a file that asks for code, in one line."""
    wants = re.search(r"Unsupported (?:global|class|operand)[^\n]*?((?:GLOBAL )?[\w.]+\.[\w]+|\d+)[^\n]*was not an allowed", said)
    wants = wants or re.search(r"GLOBAL ([\w.]+)", said)
    what = f"needs {wants[1].removeprefix('GLOBAL ')} to be run" if wants else "is not plain data"
    return (
        f"refused: it {what} when it is read, and weights are only ever read as data. Where you trust it, save the bare "
        "state_dict to a file of its own"
    )


def _state_in(found: Any, path: Path) -> State:
    """The tensors by name in what a training script saved: the state dict itself, or the entry that is one."""
    if _is_state(found):
        return dict(found)
    entries = {name: value for name, value in found.items() if _is_state(value)} if isinstance(found, Mapping) else {}
    named = next((name for name in ENTRIES if name in entries), None)
    if named is None and len(entries) == 1:
        named = next(iter(entries))
    if named is not None:
        return dict(entries[named])
    has = f"has {', '.join(map(str, list(found)[:8]))}" if isinstance(found, Mapping) else f"is a {type(found).__name__}"
    raise WeightsError(f"{path}: no state dict in it: the file {has}; looked for {', '.join(ENTRIES)}")


def _is_state(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _unwrapped(given: State, wanted: Mapping[str, Any]) -> State:
    """Without the words that wrappers put before every name, unless the network's own names begin so."""
    while given:
        found = [p for p in PREFIXES if all(name.startswith(p) for name in given)]
        prefix = next((p for p in found if not any(name.startswith(p) for name in wanted)), None)
        if prefix is None:
            break
        given = {name.removeprefix(prefix): value for name, value in given.items()}
    return given


def _readings(module: nn.Module, given: State) -> Iterator[State]:
    """The weights in every way in which their names may be meant."""
    yield given
    bare = _unwrapped(given, module.state_dict())
    yield bare
    told = renamed(module, bare)
    if told is not None:
        yield told
    yield from _by_timm(module, bare)


def _by_timm(module: nn.Module, given: State) -> Iterator[State]:
    """As timm itself rewrites the files of the papers' own repositories and of torchvision for a network of its; tables of
    positions are resized to the network's images by it, which is one more reason to measure before use."""
    homes = {kind.__module__ for kind in type(module).__mro__ if kind.__module__.startswith("timm.models.")}
    for home in sorted(homes):
        for name in ("checkpoint_filter_fn", "_checkpoint_filter_fn", "_filter_fn"):
            rewrite = getattr(sys.modules[home], name, None)
            if rewrite is None:
                continue
            try:
                made = rewrite(dict(given), module) if rewrite.__code__.co_argcount > 1 else rewrite(dict(given))
            except (KeyError, IndexError, AttributeError, TypeError, ValueError, RuntimeError):
                continue  # written for other files than this one
            if _is_state(made):
                yield made
