"""Distillation that fails when it is told to: by an environment variable, so that its code and its keys stay the same."""

import os

from kdbench.methods.kd import KD


class Fragile(KD):
    """As kd."""

    name = "fragile"

    def build(self, specs, task):
        if os.environ.get("FRAGILE"):
            raise ValueError("told to fail")
        super().build(specs, task)
