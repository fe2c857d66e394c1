"""Tests of readers have a cache of their own, no folder of data sets, and remember no set of another test."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdbench.tasks.data import array_cache, place
from kdbench.tasks.data.audio import clip_set
from kdbench.tasks.data.photos import cifar, images
from kdbench.tasks.data.scenes import scene_layouts
from kdbench.tasks.data.text import passage_set


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(array_cache.VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(place.VARIABLE, raising=False)
    for reader in (cifar.read, images.listed, clip_set.listed, scene_layouts.look, passage_set.read):
        reader.cache_clear()
    return tmp_path / "cache"
