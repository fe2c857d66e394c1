"""What layout and look of the street scenes share: classes, sizes, the numbers drawn for each image, the scene between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

HEIGHT, WIDTH, BONNET = 48, 64, 2
IGNORE = 255
CLASSES = ("road", "sidewalk", "building", "vegetation", "sky", "pole", "person", "car")
ROAD, SIDEWALK, BUILDING, VEGETATION, SKY, POLE, PERSON, CAR = range(8)
HOUSES = 8  # four on each side
THINGS = (VEGETATION,) * 3 + (CAR,) * 3 + (PERSON,) * 4 + (POLE,) * 2  # what may stand in the street: trees, cars, ...
PAINTS = (*range(len(CLASSES)), *(BUILDING,) * HOUSES, *THINGS)  # an image has a colour for each; here: of which class

Y = np.arange(HEIGHT, dtype=np.float32)[None, :, None] + np.float32(0.5)
X = np.arange(WIDTH, dtype=np.float32)[None, None, :] + np.float32(0.5)

_GRID = (13, 17)  # cells of the value noise, and one more in each direction
_NUMBERS = 22_000  # a little more than one image uses


class Draws:
    """The random numbers of a block of images: one row of uniforms an image, handed out from left to right."""

    def __init__(self, rng: np.random.Generator, images: int):
        self.images = images
        self._rows = rng.random((images, _NUMBERS), dtype=np.float32)
        self._used = 0

    def table(self, low: float, high: float, *shape: int) -> np.ndarray:
        """[images, *shape] in [low, high)."""
        size = int(np.prod(shape))
        columns = self._rows[:, self._used : self._used + size]
        if columns.shape[1] < size:
            raise ValueError("a scene draws more numbers than its row holds")
        self._used += size
        return np.float32(low) + np.float32(high - low) * columns.reshape(self.images, *shape)

    def map(self, low: float, high: float) -> np.ndarray:
        """One number an image, [images,1,1]: it broadcasts over the picture."""
        return self.table(low, high, 1, 1)

    def clouds(self) -> np.ndarray:
        """Value noise [images,H,W] in [-.5,.5): a coarse grid of numbers, stretched bilinearly over the image."""
        grid = self.table(-0.5, 0.5, *_GRID)
        (row, down), (column, across) = _cells(HEIGHT, _GRID[0] - 1), _cells(WIDTH, _GRID[1] - 1)
        rows = grid[:, :, column] * (1 - across) + grid[:, :, column + 1] * across
        return rows[:, row] * (1 - down[:, None]) + rows[:, row + 1] * down[:, None]


def _cells(size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of `size` pixels: its cell, and where in the cell it lies."""
    at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(cells) / np.float32(size)
    floor = np.floor(at)
    return floor.astype(np.int64), at - floor


@dataclass(frozen=True)
class Scene:
    """What stands at each pixel, [N,H,W]: its class, nearness (0 far, 1 at the camera), paint (index into PAINTS)."""

    label: np.ndarray
    near: np.ndarray
    paint: np.ndarray
    windows: np.ndarray  # of houses and cars
    marks: np.ndarray  # white lines on the road
    clouds: np.ndarray  # the scene's value noise: outline of trees, stains on walls
