"""Street scenes drawn by rule, with exact labels: two domains of one world (the data of the built-in set `streets`).

A scene is drawn in two steps, both on whole blocks of images at once. `_layout` stands a camera in a street: a horizon,
a road and pavements that run to a vanishing point, two rows of house fronts, then trees, cars, people and poles by their
distance. `_look` paints it: colours, texture, light, fog, blur and sensor noise. The first domain is crisp and bright like a
game; `gap` moves the look, `lay` the layout, towards a dull camera in a narrow, busy street. With both at 0 the two domains
are one distribution: the null control.

The same bytes everywhere: only uniform draws and exactly rounded operations (+ - * / floor), no sums, no sin, exp or normal.
Each split and purpose has a stream of its own, so a shorter split is the beginning of a longer one.
"""

from __future__ import annotations

import hashlib

import numpy as np

VERSION = 1
SEED = 20_261_121
HEIGHT, WIDTH, BONNET = 48, 64, 2
IGNORE = 255
CLASSES = ("road", "sidewalk", "building", "vegetation", "sky", "pole", "person", "car")
ROAD, SIDEWALK, BUILDING, VEGETATION, SKY, POLE, PERSON, CAR = range(8)
SPLITS = {"source": 0, "target": 1, "source_val": 2, "val": 3, "test": 4}
PALETTE = np.array([[128, 64, 128], [244, 35, 232], [70, 70, 70], [107, 142, 35], [70, 130, 180], [220, 220, 0],
                    [220, 20, 60], [0, 0, 142]], np.uint8)

_BLOCK = 64  # images drawn together: small enough to stay in the cache
_HOUSES = 8
_OBJECTS = (VEGETATION,) * 3 + (CAR,) * 3 + (PERSON,) * 4 + (POLE,) * 2
_PAINTS = len(CLASSES) + _HOUSES + len(_OBJECTS)  # one colour for each class, house and object of an image
_Y = np.arange(HEIGHT, dtype=np.float32)[None, :, None] + np.float32(0.5)
_X = np.arange(WIDTH, dtype=np.float32)[None, None, :] + np.float32(0.5)

_GAME = np.array([[.34, .33, .40], [.72, .60, .62], [.66, .42, .34], [.22, .58, .22], [.45, .70, .95], [.66, .64, .46],
                  [.85, .30, .35], [.20, .28, .70]], np.float32)
_REAL = np.array([[.40, .40, .40], [.49, .47, .46], [.47, .44, .42], [.31, .37, .29], [.74, .77, .80], [.30, .31, .31],
                  [.34, .29, .29], [.31, .31, .35]], np.float32)
_SPREAD = np.array([.04, .06, .10, .06, .04, .15, .30, .30], np.float32)  # how far colours differ between images and things


class _Draws:
    """The numbers of one block of images: one row of uniforms an image, handed out column by column."""

    def __init__(self, rng: np.random.Generator, images: int, columns: int) -> None:
        self._rows = rng.random((images, columns), dtype=np.float32)
        self._used = 0

    def table(self, low: float, high: float, width: int) -> np.ndarray:
        columns = self._rows[:, self._used:self._used + width]
        assert columns.shape[1] == width, "a scene draws more numbers than its row holds"
        self._used += width
        return np.float32(low) + np.float32(high - low) * columns

    def map(self, low: float, high: float) -> np.ndarray:
        return self.table(low, high, 1)[:, :, None]


def draw(split: str, count: int, *, gap: float = 0.0, lay: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The first `count` scenes of a split: images uint8 [N,H,W,3] and labels uint8 [N,H,W] (255: the car's own bonnet)."""
    layout_rng, look_rng, noise_rng = (np.random.default_rng([SEED, VERSION, SPLITS[split], use]) for use in range(3))
    images = np.empty((count, HEIGHT, WIDTH, 3), np.uint8)
    labels = np.empty((count, HEIGHT, WIDTH), np.uint8)
    for start in range(0, count, _BLOCK):
        here = slice(start, min(start + _BLOCK, count))
        size = here.stop - start
        coarse = _smooth(noise_rng.random((size, 13, 17), dtype=np.float32) - np.float32(0.5))
        scene = _layout(_Draws(layout_rng, size, 112), coarse, lay)
        images[here] = _look(scene, _Draws(look_rng, size, 128), noise_rng, coarse, gap)
        labels[here] = scene["label"]
        labels[here, HEIGHT - BONNET:] = IGNORE
    return images, labels


def digest(*arrays: np.ndarray) -> str:
    """A short hash of the bytes, for the lock test and the fingerprint."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(repr((array.dtype.str, array.shape)).encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()[:16]


def _smooth(grid: np.ndarray) -> np.ndarray:
    """Bilinear value noise: a coarse grid of numbers stretched over the image."""
    def weights(size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
        at = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(cells) / np.float32(size)
        floor = np.floor(at)
        return floor.astype(np.int64), at - floor

    (row, fy), (column, fx) = weights(HEIGHT, grid.shape[1] - 1), weights(WIDTH, grid.shape[2] - 1)
    fy = fy[:, None]
    across = grid[:, :, column] * (1 - fx) + grid[:, :, column + 1] * fx
    return across[:, row] * (1 - fy) + across[:, row + 1] * fy


def _layout(u: _Draws, coarse: np.ndarray, lay: float) -> dict[str, np.ndarray]:
    """What stands where: label, nearness (0 far, 1 at the camera) and paint (index of a colour) of each pixel."""
    def mix(game: float, real: float) -> float:
        return game + (real - game) * lay

    horizon, vanish = u.map(.40, .50) * HEIGHT, u.map(.36, .64) * WIDTH
    drop = HEIGHT - horizon  # rows between the horizon and the camera's feet
    down = (_Y - horizon) / drop  # nearness of the ground at a row
    side = _X - vanish
    left = side < 0
    road = np.where(left, u.map(mix(.55, .34), mix(.85, .60)), u.map(mix(.55, .34), mix(.85, .60))) * WIDTH
    walk = np.where(left, u.map(mix(.20, .22), mix(.50, .50)), u.map(mix(.20, .22), mix(.50, .50))) * WIDTH
    away = np.abs(side)
    front = np.broadcast_to(away / (road + walk), (len(horizon), 1, WIDTH))  # nearness of the house front at a column

    house = (front > .11).astype(np.int64) + (front > .24) + (front > .5) + 4 * left
    rises = u.table(mix(1.1, 1.6), mix(3.6, 4.6), _HOUSES)
    rises = np.where(u.table(0, 1, _HOUSES) < mix(.24, .16), np.float32(0), rises)
    rise = np.take_along_axis(rises, house[:, 0], 1)[:, None]
    wall = (down > -rise * front) & (rise > 0)

    label = np.full(wall.shape, SKY, np.uint8)
    label[np.broadcast_to(down > 0, label.shape)] = VEGETATION  # grass where no house stands
    label[wall] = BUILDING
    hedge = u.map(mix(.2, .3), mix(.6, .8)) * (u.map(0, 1) < mix(.55, .75))  # a hedge along one side, before the houses
    label[(down > -(hedge - 1) * front) & (hedge > 0) & (left == (u.map(0, 1) < .5)) & (down < front)] = VEGETATION
    label[(away < (road + walk) * down)] = SIDEWALK
    label[away < road * down] = ROAD
    near = np.maximum(down, 0)
    upright = (label == BUILDING) | ((label == VEGETATION) & (down < front))
    near = np.where(upright, np.minimum(front, 1), near)
    paint = np.where(label == BUILDING, len(CLASSES) + house, label).astype(np.uint8)

    depths = np.where(label == SKY, np.float32(0), np.where(upright, near, np.float32(0)))  # what an object must be nearer than
    chances = {VEGETATION: mix(.45, .65), CAR: mix(.45, .70), PERSON: mix(.40, .70), POLE: mix(.60, .80)}
    glass = np.zeros(label.shape, bool)
    for number, kind in enumerate(_OBJECTS):
        low, high = {VEGETATION: (.14, .60), CAR: (.16, .65), PERSON: (.22, .70), POLE: (.20, .70)}[kind]
        here, near_it, place, size = u.map(0, 1) < chances[kind], u.map(low, high), u.map(0, 1), u.map(.85, 1.15)
        hand = u.map(0, 1) < .5  # which side of the street
        edge = np.where(hand, -road[:, :, :1], road[:, :, -1:])
        outer = np.where(hand, -walk[:, :, :1], walk[:, :, -1:])
        across = {VEGETATION: edge + outer * (.7 + .4 * place), CAR: edge * (.15 + .75 * place),
                  PERSON: edge + outer * (-.2 + place), POLE: edge + outer * (.05 + .15 * place)}[kind]
        unit = near_it * drop * size  # rows for one camera height at that distance
        dx = np.abs(_X - (vanish + across * near_it)) / unit
        dy = (horizon + near_it * drop - _Y) / unit  # height above the ground
        shape = _shape(kind, dx, dy, unit, coarse) & here & (near_it > depths)
        if kind == CAR:
            glass = np.where(shape, (dy > .55) & (dy < .85) & (dx < .38), glass)
        label = np.where(shape, np.uint8(kind), label)
        paint = np.where(shape, np.uint8(len(CLASSES) + _HOUSES + number), paint)
        depths = np.where(shape, near_it, depths)
        near = np.where(shape, near_it, near)

    height = -down / np.maximum(front, np.float32(.02))
    along = np.float32(1) / np.maximum(front, np.float32(.04))
    windows = (label == BUILDING) & (_part(along * 2) > .5) & (_part(height * 1.4) > .45) & (front > .16)
    marks = (label == ROAD) & (away < .035 * WIDTH * down) & (_part(1.2 / np.maximum(down, np.float32(.03))) > .5)
    return {"label": label, "near": near, "paint": paint, "windows": windows | glass, "marks": marks}


def _shape(kind: int, dx: np.ndarray, dy: np.ndarray, unit: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """The outline of one object, in camera heights from its foot; nothing is thinner than a pixel."""
    above = dy > 0
    if kind == CAR:
        return above & (((dx < .68) & (dy < .58)) | ((dx < .50) & (dy < .95)))
    if kind == PERSON:
        return above & (((dx < np.maximum(.18, .75 / unit)) & (dy < .92)) | (dx * dx + (dy - 1.04) * (dy - 1.04) < .026))
    if kind == POLE:
        return above & (((dx < np.maximum(.09, 1 / unit)) & (dy < 2.7)) | ((dx < .32) & (dy > 1.95) & (dy < 2.6)))
    crown = dx * dx / .72 + (dy - 1.9) * (dy - 1.9) / .95
    return above & (((dx < np.maximum(.10, .5 / unit)) & (dy < 1.3)) | (crown < 1 + 1.2 * coarse))


def _part(number: np.ndarray) -> np.ndarray:
    return number - np.floor(number)


def _look(scene: dict[str, np.ndarray], u: _Draws, noise: np.random.Generator, coarse: np.ndarray, gap: float) -> np.ndarray:
    """The photograph of a scene, uint8 [N,H,W,3]."""
    def mix(game: float, real: float) -> np.float32:
        return np.float32(game + (real - game) * gap)

    label, paint = scene["label"], scene["paint"].astype(np.int64)
    images = len(label)
    kinds = np.array([*range(len(CLASSES)), *(BUILDING,) * _HOUSES, *_OBJECTS])
    base = (_GAME + (_REAL - _GAME) * np.float32(gap))[kinds]
    spread = _SPREAD[kinds][:, None] * mix(.8, 1.2)
    tone = u.table(-1, 1, _PAINTS)[:, :, None] * spread  # brighter or darker ...
    hue = u.table(-1, 1, 3 * _PAINTS).reshape(images, _PAINTS, 3) * spread * mix(.7, .35)  # ... and of another colour
    colours = base + tone + hue
    image = colours[np.arange(images)[:, None, None], paint]

    grain = noise.random(label.shape, dtype=np.float32) - np.float32(.5)
    rough = np.array([.10, .10, .08, .22, .03, .04, .06, .05], np.float32)[label]
    value = grain * rough * mix(1, .35) + coarse * rough * mix(0, 1.5)
    value = value - scene["windows"] * mix(.24, .09) + scene["marks"] * mix(.45, .16)
    shade = 1 + (_X / WIDTH - np.float32(.5)) * u.map(-.5, .5) * np.float32(gap)
    light = shade * (1 + u.map(-.36, .28) * np.float32(gap))
    image = (image + value[..., None]) * light[..., None]

    haze = u.map(.25, .75) * np.float32(gap) / (1 + 7 * scene["near"])
    cast = 1 + u.table(-.18, .18, 3)[:, None, None, :] * np.float32(gap)
    fog = u.map(.62, .80)[..., None]
    image = (image + (fog - image) * haze[..., None]) * cast
    image[:, HEIGHT - BONNET:] = u.table(.1, .3, 1)[:, :, None, None]

    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    box = (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / np.float32(9)
    image = image + (box - image) * mix(0, .9)
    speck = noise.random((*image.shape, 2), dtype=np.float32)
    image = image + (speck[..., 0] - speck[..., 1]) * mix(.024, .11)  # a triangle of standard deviation .41 times its width
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(.5)).astype(np.uint8)
