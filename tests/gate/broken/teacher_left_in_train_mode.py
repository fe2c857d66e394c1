"""`studied`, its teacher put into training mode and left there, as one forgotten `eval()` does."""

from kdbench.methods.kd import KD


class Studied(KD):
    """Divergence between softened answers."""

    name = "studied"

    def terms(self, step):
        for net in step._learner.source.nets:
            net.train()
        return super().terms(step)
