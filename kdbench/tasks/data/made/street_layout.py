"""Stands a camera in a street: road and pavements to a vanishing point, two rows of houses, then things by their distance.

Distances are told as nearness: 0 at the horizon, 1 at the camera's feet. A thing of nearness t has its foot t of the way down
from the horizon, and one camera height (1.4 m, say) is as many rows there. `lay` goes from a wide, empty street (0) to a narrow,
busy one with higher houses (1).
"""

from __future__ import annotations

import numpy as np

from kdbench.tasks.data.made import street_world as w
from kdbench.tasks.data.made.street_world import BUILDING, CAR, PERSON, POLE, ROAD, SIDEWALK, SKY, VEGETATION, Draws, Scene, X, Y

NEAREST = {VEGETATION: (0.14, 0.60), CAR: (0.16, 0.65), PERSON: (0.22, 0.70), POLE: (0.20, 0.70)}
CHANCE = {VEGETATION: (0.45, 0.65), CAR: (0.45, 0.70), PERSON: (0.40, 0.70), POLE: (0.60, 0.80)}  # at lay 0 and 1


def layout(u: Draws, lay: float) -> Scene:
    def mix(wide: float, busy: float) -> float:
        return wide + (busy - wide) * lay

    clouds = u.clouds()
    horizon, vanish = u.map(0.40, 0.50) * w.HEIGHT, u.map(0.36, 0.64) * w.WIDTH
    drop = w.HEIGHT - horizon
    down = (Y - horizon) / drop  # nearness of the ground at a row
    away = np.abs(X - vanish)
    left = vanish > X
    roads = [u.map(mix(0.55, 0.34), mix(0.85, 0.60)) * w.WIDTH for _ in range(2)]  # half widths at the camera
    walks = [u.map(mix(0.20, 0.22), 0.50) * w.WIDTH for _ in range(2)]
    road, walk = np.where(left, *roads), np.where(left, *walks)
    front = away / (road + walk)  # nearness of the house front at a column

    house = (front > 0.11).astype(np.int64) + (front > 0.24) + (front > 0.5) + 4 * left
    rises = u.table(mix(1.1, 1.6), mix(3.6, 4.6), w.HOUSES)
    rises = np.where(u.table(0, 1, w.HOUSES) < mix(0.24, 0.16), np.float32(0), rises)  # a gap between houses
    rise = np.take_along_axis(rises, house[:, 0], 1)[:, None]
    hedge = u.map(mix(0.2, 0.3), mix(0.6, 0.8)) * (u.map(0, 1) < mix(0.55, 0.75))
    hedged = (left == (u.map(0, 1) < 0.5)) & (hedge > 0) & (down > (1 - hedge) * front) & (down < front)

    label = np.where(down > 0, np.uint8(VEGETATION), np.uint8(SKY)) + np.zeros_like(house, np.uint8)  # grass, if nothing else
    label[(down > -rise * front) & (rise > 0)] = BUILDING
    label[hedged] = VEGETATION
    label[away < (road + walk) * down] = SIDEWALK
    label[away < road * down] = ROAD
    upright = (label == BUILDING) | hedged
    near = np.where(upright, np.minimum(front, 1), np.maximum(down, 0))
    paint = np.where(label == BUILDING, len(w.CLASSES) + house, label).astype(np.uint8)

    hidden = np.where(upright, near, np.float32(0))  # only what is nearer can be seen
    windows = _windows(label, down, front)
    for number, kind in enumerate(w.THINGS):
        here, at, place, size = u.map(0, 1) < mix(*CHANCE[kind]), u.map(*NEAREST[kind]), u.map(0, 1), u.map(0.85, 1.15)
        on_left = u.map(0, 1) < 0.5
        across = _place(kind, place, np.where(on_left, *roads), np.where(on_left, *walks))
        unit = at * drop * size  # rows of one camera height at that distance
        dx = np.abs(X - (vanish + np.where(on_left, -across, across) * at)) / unit
        dy = (horizon + at * drop - Y) / unit  # above its foot
        shape = _outline(kind, dx, dy, unit, clouds) & here & (at > hidden)
        label[shape] = kind
        paint[shape] = len(w.CLASSES) + w.HOUSES + number
        windows &= ~shape
        if kind == CAR:
            windows |= shape & (dy > 0.55) & (dy < 0.85) & (dx < 0.38)
        hidden, near = np.where(shape, at, hidden), np.where(shape, at, near)

    dashes = _part(1.2 / np.maximum(down, np.float32(0.03))) > 0.5
    marks = (label == ROAD) & (away < 0.035 * w.WIDTH * down) & dashes
    return Scene(label, near, paint, windows, marks, clouds)


def _place(kind: int, place: np.ndarray, road: np.ndarray, walk: np.ndarray) -> np.ndarray:
    """How far from the middle of the street a thing stands, at the camera: cars on the road, trees before the houses."""
    if kind == CAR:
        return road * (0.15 + 0.75 * place)
    low, span = {VEGETATION: (0.7, 0.4), PERSON: (-0.2, 1.0), POLE: (0.05, 0.15)}[kind]
    return road + walk * (low + span * place)


def _outline(kind: int, dx: np.ndarray, dy: np.ndarray, unit: np.ndarray, clouds: np.ndarray) -> np.ndarray:
    """The pixels of a thing, in camera heights from its foot; nothing is thinner than a pixel or two."""
    above = dy > 0
    if kind == CAR:
        return above & (((dx < 0.68) & (dy < 0.58)) | ((dx < 0.50) & (dy < 0.95)))
    if kind == PERSON:
        head = dx * dx + (dy - 1.04) * (dy - 1.04) < 0.026
        return above & (((dx < np.maximum(0.18, 0.75 / unit)) & (dy < 0.92)) | head)
    if kind == POLE:
        sign = (dx < 0.32) & (dy > 1.95) & (dy < 2.6)
        return above & (((dx < np.maximum(0.09, 1 / unit)) & (dy < 2.7)) | sign)
    crown = dx * dx / 0.72 + (dy - 1.9) * (dy - 1.9) / 0.95 < 1 + 1.2 * clouds
    return above & (((dx < np.maximum(0.10, 0.5 / unit)) & (dy < 1.3)) | crown)


def _windows(label: np.ndarray, down: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Rows and columns of windows, evenly spaced along the wall; the far ends of the street are too small for them."""
    along, up = 1 / np.maximum(front, np.float32(0.04)), -down / np.maximum(front, np.float32(0.02))
    return (label == BUILDING) & (_part(along * 2) > 0.5) & (_part(up * 1.4) > 0.45) & (front > 0.16)


def _part(number: np.ndarray) -> np.ndarray:
    return number - np.floor(number)
