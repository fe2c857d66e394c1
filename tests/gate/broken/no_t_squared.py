"""`studied` without the factor T² before its divergence."""

from dataclasses import replace

from kdbench.methods.kd import KD


class Studied(KD):
    """Divergence between softened answers."""

    name = "studied"

    def terms(self, step):
        found = super().terms(step)
        return {**found, "kd": replace(found["kd"], weight=self.c.weight / self.c.T**2)}
