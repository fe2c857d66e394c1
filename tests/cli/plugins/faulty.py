"""Methods that go wrong in the ways in which jobs go wrong."""

import time

from kdbench.api import Method, Needs, Term


class Boom(Method):
    """Raises in the middle of training."""

    name = "boom"
    needs = Needs()

    def terms(self, step):
        if step.index == 3:
            raise ValueError(f"no way on at step {step.index}")
        return {"task": Term(step.supervised)}


class Endless(Method):
    """Never ends its second step."""

    name = "endless"

    def terms(self, step):
        while step.index == 1:
            time.sleep(0.1)
        return {"task": Term(step.supervised)}


class NotANumber(Method):
    """Diverges at once."""

    name = "nan"

    def terms(self, step):
        return {"task": Term(lambda: step.supervised() * float("nan"))}
