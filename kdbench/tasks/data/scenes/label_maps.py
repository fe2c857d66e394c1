"""Which number in a label file is which class: the tables of the published sets, and the lists of classes they are read into.

A list of classes (`Space`) is what is learned; a code is how a set writes its labels down. `table(code, space)` joins them: 256
entries, the class of each value, VOID where it never counts, OUTSIDE where a file may not hold the value at all.

Cityscapes' numbers and colours are those of its scripts (helpers/labels.py), which GTA5 shares. SYNTHIA's are those of the
readers in use (AdaptSegNet, DACS, ProDA and DAFormer agree); of terrain, truck and train it has no pixel. Pole groups have the
poles' colour and licence plates that of cars: as colours they cannot be told apart, as numbers they are void.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kdbench.contract.errors import DataError

VOID = 255
OUTSIDE = -1
Colour = tuple[int, int, int]

# name | id in Cityscapes and GTA5 | id in SYNTHIA | colour
_STREET: tuple[tuple[str, int, int, Colour], ...] = (
    ("road", 7, 3, (128, 64, 128)),
    ("sidewalk", 8, 4, (244, 35, 232)),
    ("building", 11, 2, (70, 70, 70)),
    ("wall", 12, 21, (102, 102, 156)),
    ("fence", 13, 5, (190, 153, 153)),
    ("pole", 17, 7, (153, 153, 153)),
    ("light", 19, 15, (250, 170, 30)),
    ("sign", 20, 9, (220, 220, 0)),
    ("vegetation", 21, 6, (107, 142, 35)),
    ("terrain", 22, 16, (152, 251, 152)),
    ("sky", 23, 1, (70, 130, 180)),
    ("person", 24, 10, (220, 20, 60)),
    ("rider", 25, 17, (255, 0, 0)),
    ("car", 26, 8, (0, 0, 142)),
    ("truck", 27, 18, (0, 0, 70)),
    ("bus", 28, 19, (0, 60, 100)),
    ("train", 31, 20, (0, 80, 100)),
    ("motorcycle", 32, 12, (0, 0, 230)),
    ("bicycle", 33, 11, (119, 11, 32)),
)
# Void in Cityscapes by colour: unlabelled, dynamic, ground, parking, rail track, guard rail, bridge, tunnel, caravan, trailer.
_VOID_COLOURS: dict[Colour, int] = {
    (0, 0, 0): 0,
    (111, 74, 0): 5,
    (81, 0, 81): 6,
    (250, 170, 160): 9,
    (230, 150, 140): 10,
    (180, 165, 180): 14,
    (150, 100, 100): 15,
    (150, 120, 90): 16,
    (0, 0, 90): 29,
    (0, 0, 110): 30,
}
COLOURS: dict[Colour, int] = {**_VOID_COLOURS, **{colour: number for _, number, _, colour in _STREET}}
_ABSENT = (9, 14, 16)  # train ids that SYNTHIA lacks
_SMALL = (3, 4, 5)  # and those that its 13 classes leave out
_LEVEL1 = {0: (0,), 1: (1, 9), 2: (11, 12), 3: tuple(range(13, 19)), 4: tuple(range(3, 8)), 5: (2, 8), 6: (10,)}


@dataclass(frozen=True)
class Space:
    """Classes in the order of their labels, and a colour for each."""

    names: tuple[str, ...]
    colours: tuple[Colour, ...]

    def palette(self) -> np.ndarray:
        """[256,3] uint8; void is black."""
        made = np.zeros((256, 3), np.uint8)
        made[: len(self.names)] = self.colours
        return made


def _of_street(kept: tuple[int, ...]) -> Space:
    return Space(tuple(_STREET[each][0] for each in kept), tuple(_STREET[each][3] for each in kept))


_KEPT = {
    "cityscapes19": tuple(range(19)),
    "synthia16": tuple(each for each in range(19) if each not in _ABSENT),
    "synthia13": tuple(each for each in range(19) if each not in _ABSENT + _SMALL),
}
SPACES: dict[str, Space] = {
    **{name: _of_street(kept) for name, kept in _KEPT.items()},
    "idd7": Space(
        ("drivable", "non-drivable", "living", "vehicle", "roadside", "far", "sky"),
        ((128, 64, 128), (244, 35, 232), (220, 20, 60), (0, 0, 142), (220, 220, 0), (70, 70, 70), (70, 130, 180)),
    ),
    "camvid11": Space(
        ("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian", "bicyclist"),
        (
            *((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0)),
            *((192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192)),
        ),
    ),
}
_TO_STREET: dict[str, dict[int, int]] = {
    "Cityscapes ids": dict.fromkeys((*range(35), VOID), VOID) | {row[1]: train for train, row in enumerate(_STREET)},
    "Cityscapes train ids": {each: each for each in (*range(19), VOID)},
    "SYNTHIA ids": dict.fromkeys(range(23), VOID) | {row[2]: train for train, row in enumerate(_STREET)},
}
_OWN_SPACE = {"IDD level 1": ("idd7", {VOID: VOID}), "CamVid ids": ("camvid11", {11: VOID})}


def own_space(names: tuple[str, ...], colours: tuple[Colour, ...] = ()) -> Space:
    """Classes of somebody's own; colours are spread over the hues where none are given."""
    import colorsys

    spread = [colorsys.hsv_to_rgb(each / len(names), 0.75, 0.65 + 0.3 * (each % 2)) for each in range(len(names))]
    made = tuple((round(255 * r), round(255 * g), round(255 * b)) for r, g, b in spread)
    return Space(names, colours or made)


def _street_to(space: str) -> dict[int, int]:
    """From the 19 train ids to the classes of a list."""
    if space == "idd7":
        to = {street: each for each, members in _LEVEL1.items() for street in members}
    else:
        to = {street: each for each, street in enumerate(_KEPT[space])}
    return {street: to.get(street, VOID) for street in (*range(19), VOID)}


def spaces_of(code: str) -> tuple[str, ...]:
    """The lists of classes into which a code can be read; the first is its own."""
    if code in _TO_STREET:
        return (*_KEPT, "idd7")
    return (_OWN_SPACE[code][0],) if code in _OWN_SPACE else ("own", *SPACES)


def table(code: str, space: str, classes: int, void: int = VOID) -> np.ndarray:
    """int16 [256]: the class of each value of a label file. Somebody's own files hold classes and `void`."""
    if space not in spaces_of(code):
        raise DataError(f"labels written as {code} cannot be read as {space}; they can as {', '.join(spaces_of(code))}")
    if code in _TO_STREET:
        to = _street_to(space)
        entries = {value: to[street] for value, street in _TO_STREET[code].items()}
    elif code in _OWN_SPACE:
        entries = {each: each for each in range(classes)} | _OWN_SPACE[code][1]
    else:
        numbers = [value for value in range(VOID) if value != void]  # classes are counted without what is void
        entries = {value: each for each, value in enumerate(numbers[:classes])} | {void: VOID, VOID: VOID}
    made = np.full(256, OUTSIDE, np.int16)
    made[list(entries)] = list(entries.values())
    return made
