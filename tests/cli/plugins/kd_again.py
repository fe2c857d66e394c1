"""A plugin that takes the name of a built-in one."""

from kdbench.api import Method, Term


class Mine(Method):
    """Not the kd that everybody means."""

    name = "kd"

    def terms(self, step):
        return {"task": Term(step.supervised)}
