"""Generated arrays kept on disk, so that a job does not draw again what its neighbour drew.

The address holds the generator's source, so an edited generator never reads what an older one wrote.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

Arrays = dict[str, np.ndarray]
folder: Path | None = None  # set by a job; without one everything is drawn in memory


def cached(generator: ModuleType, key: str, draw: Callable[[], Arrays]) -> Arrays:
    """The arrays of `draw`, read from disk where this generator has drawn them before with this key."""
    if folder is None or generator.__file__ is None:
        return draw()
    source = Path(generator.__file__).read_bytes()
    address = hashlib.sha256(source + key.encode()).hexdigest()[:20]
    home = folder / f"{generator.__name__.rpartition('.')[2]}-{address}"
    if not home.is_dir():
        store(home, draw())
    return {path.stem: np.load(path, allow_pickle=False) for path in sorted(home.glob("*.npy"))}


def store(home: Path, arrays: Arrays) -> None:
    """Write a folder whole or not at all; where another job was faster, its folder is as good as ours."""
    scratch = home.with_name(f".{home.name}.{os.getpid()}")
    scratch.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(scratch / f"{name}.npy", array, allow_pickle=False)
    try:
        os.rename(scratch, home)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not home.is_dir():
            raise
