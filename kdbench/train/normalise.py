"""Images for a network that was trained elsewhere, on another normalisation than its task's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdbench.contract.errors import DataError
from kdbench.contract.model import Facts, Net, normaliser


def normalise_as(net: Net, given: Mapping[str, Any], facts: Facts) -> Net:
    """The same network, which sees images of values 0 to 1 less `mean`, over `std`."""
    if net.reads != ("image",):
        raise DataError(f"a teacher's own normalisation is one of images, and this network reads {', '.join(net.reads)}")
    if len(given["mean"]) != facts.channels:
        raise DataError(f"a teacher's own normalisation has {len(given['mean'])} channels, the task's images {facts.channels}")
    net.prepare = normaliser(given["mean"], given["std"])
    return net
