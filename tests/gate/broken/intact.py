"""The method `studied` as it should be, and the task `studied_digits`."""

from kdbench.methods.kd import KD
from kdbench.tasks.classification import Digits


class Studied(KD):
    """Divergence between softened answers."""

    name = "studied"


class StudiedDigits(Digits):
    """Handwritten digits."""

    name = "studied_digits"
