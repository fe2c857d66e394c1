"""Takes the photograph of a street scene: colours, texture, light, fog, blur and sensor noise.

`gap` goes from a game (0: bright, distinct colours, fine grain, sharp) to a dull camera (1: grey, stained, hazy, blurred, noisy),
linear in everything.
"""

from __future__ import annotations

import numpy as np

from kdbench.tasks.data.made.street_world import BONNET, HEIGHT, PAINTS, WIDTH, Draws, Scene, X

# One row a class: its colour in the game, before the camera, and how far colours differ between images and things.
GAME = np.array(
    [[.34, .33, .40], [.72, .60, .62], [.66, .42, .34], [.22, .58, .22],
     [.45, .70, .95], [.66, .64, .46], [.85, .30, .35], [.20, .28, .70]], np.float32)  # fmt: skip
REAL = np.array(
    [[.40, .40, .40], [.49, .47, .46], [.47, .44, .42], [.31, .37, .29],
     [.74, .77, .80], [.30, .31, .31], [.34, .29, .29], [.31, .31, .35]], np.float32)  # fmt: skip
SPREAD = np.array([0.04, 0.06, 0.10, 0.06, 0.04, 0.15, 0.30, 0.30], np.float32)
ROUGH = np.array([0.10, 0.10, 0.08, 0.22, 0.03, 0.04, 0.06, 0.05], np.float32)  # texture


def photograph(scene: Scene, u: Draws, gap: float) -> np.ndarray:
    """The image uint8 [N,H,W,3] of a scene."""

    def mix(game: float, real: float) -> np.float32:
        return np.float32(game + (real - game) * gap)

    kinds, images = np.array(PAINTS), u.images
    spread = SPREAD[kinds][:, None] * mix(0.8, 1.2)
    brighter = u.table(-1, 1, len(kinds), 1) * spread
    tinted = u.table(-1, 1, len(kinds), 3) * spread * mix(0.7, 0.35)
    colours = (GAME + (REAL - GAME) * np.float32(gap))[kinds] + brighter + tinted
    image = colours[np.arange(images)[:, None, None], scene.paint]

    rough = ROUGH[scene.label]
    texture = u.table(-0.5, 0.5, HEIGHT, WIDTH) * rough * mix(1, 0.35) + scene.clouds * rough * mix(0, 1.5)
    texture = texture - scene.windows * mix(0.24, 0.09) + scene.marks * mix(0.45, 0.16)
    slope = 1 + (X / WIDTH - np.float32(0.5)) * u.map(-0.5, 0.5) * np.float32(gap)
    light = slope * (1 + u.map(-0.36, 0.28) * np.float32(gap))
    image = (image + texture[..., None]) * light[..., None]

    haze = u.map(0.25, 0.75) * np.float32(gap) / (1 + 7 * scene.near)
    cast = 1 + u.table(-0.18, 0.18, 1, 1, 3) * np.float32(gap)
    image = (image + (u.map(0.62, 0.80)[..., None] - image) * haze[..., None]) * cast
    image[:, HEIGHT - BONNET :] = u.table(0.1, 0.3, 1, 1, 1)

    image = image + (_blurred(image) - image) * mix(0, 0.9)
    noise = u.table(0, 1, HEIGHT, WIDTH, 3) - u.table(0, 1, HEIGHT, WIDTH, 3)  # a triangle of deviation .41
    image = image + noise * mix(0.024, 0.11)
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def _blurred(image: np.ndarray) -> np.ndarray:
    """The mean over 3x3 pixels, as additions in a fixed order."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    return (rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]) / np.float32(9)
