"""Maps and their edges: bilinear resizing of logits, class boundaries, and the bands inside them, in plain numpy."""

import numpy as np

from kdbench.metrics.arrays import Array


def resize(maps: Array, height: int, width: int) -> Array:
    """Bilinear resizing of [..., h, w] with pixel centres aligned (align_corners off), edges clamped."""
    if maps.shape[-2:] == (height, width):
        return maps
    rows, columns = interpolation(maps.shape[-2], height), interpolation(maps.shape[-1], width)
    return rows @ (maps @ columns.T)


def interpolation(size: int, target: int) -> Array:
    """The matrix [target, size] of linear weights from `size` cells to `target` cells."""
    centre = np.clip((np.arange(target) + 0.5) * size / target - 0.5, 0.0, size - 1.0)
    low = np.minimum(centre.astype(np.int64), max(size - 2, 0))
    share = centre - low
    weights = np.zeros((target, size))
    row = np.arange(target)
    weights[row, low] = 1.0 - share
    weights[row, np.minimum(low + 1, size - 1)] += share
    return weights


def boundary(maps: Array) -> Array:
    """Pixels of class maps [N, H, W] that have a 4-neighbour of another class."""
    edge = np.zeros(maps.shape, dtype=bool)
    for axis in (1, 2):
        low, high = _halves(axis)
        change = maps[low] != maps[high]
        edge[low] |= change
        edge[high] |= change
    return edge


def dilate(mask: Array, times: int) -> Array:
    """mask [N, H, W] dilated `times` times by a 3x3 square."""
    if times == 0:
        return mask
    return box_sum(box_sum(mask, times, 1) > 0, times, 2) > 0


def band(maps: Array, width: int) -> Array:
    """Pixels nearer than `width` steps (3x3 erosions) to the edge of their own region; the picture's frame is an edge.

    For every class at once: the mask of a class minus its erosion is where the window around a pixel is not all of
    the pixel's class, and a window is uniform if its rows are and its middle column is.
    """
    size = 2 * width + 1
    same = {}
    for axis in (1, 2):
        low, high = _halves(axis)
        change = np.zeros(maps.shape, dtype=bool)
        change[high] = maps[low] != maps[high]  # a change between this pixel and the one before
        same[axis] = _window_count(change, width, axis, skip_first=True) == 0
    rows_uniform = box_sum(same[2], width, 1) == size
    inside = np.zeros(maps.shape[1:], dtype=bool)
    inside[width : maps.shape[1] - width, width : maps.shape[2] - width] = True
    return ~(rows_uniform & same[1] & inside)


def box_sum(mask: Array, radius: int, axis: int) -> Array:
    """How many of the 2 radius + 1 pixels around each along `axis` are set; outside the picture none is."""
    return _window_count(mask, radius, axis, skip_first=False)


def band_width(height: int, width: int) -> int:
    """2 % of the picture's diagonal in pixels, at least 1: the usual width of boundary measures."""
    return max(1, round(0.02 * float(np.hypot(height, width))))


def _window_count(mask: Array, radius: int, axis: int, skip_first: bool) -> Array:
    total = np.cumsum(mask, axis=axis, dtype=np.int32)
    length = mask.shape[axis]
    place = np.arange(length)
    high = np.take(total, np.minimum(place + radius, length - 1), axis=axis)
    before = place - radius - (0 if skip_first else 1)
    shape = [1] * mask.ndim
    shape[axis] = length
    low = np.take(total, np.maximum(before, 0), axis=axis) * (before >= 0).reshape(shape)
    return high - low


def _halves(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Index pairs of neighbours along `axis` (1 or 2) of [N, H, W]."""
    every, first, second = slice(None), slice(None, -1), slice(1, None)
    return ((every, first, every), (every, second, every)) if axis == 1 else ((every, every, first), (every, every, second))
