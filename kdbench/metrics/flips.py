"""What training changed in an already trained student: answers gained and lost, beside those that its teacher could have given.

K. Roth, L. Thede, A. S. Koepke, O. Vinyals, O. Hénaff, Z. Akata: Fantastic Gains and Where to Find Them. ICLR 2024. Always
gain - loss = transfer, and positive - negative = the teacher's accuracy less the initial student's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdbench.metrics.agreement import cells
from kdbench.metrics.arrays import Outputs


def flips(student: Outputs, initial: Outputs, teachers: Sequence[Outputs] = ()) -> dict[str, float]:
    """Shares of the test set, for outputs with logits and labels; positive and negative flips are means over the teachers."""
    labels = student["labels"]
    was, now = (outputs["logits"].argmax(1) for outputs in (initial, student))
    moved = cells(was, now, labels)
    found = {"gain": moved.gained, "loss": moved.lost, "transfer": moved.gained - moved.lost}
    if teachers:
        offered = [cells(was, teacher["logits"].argmax(1), labels) for teacher in teachers]
        found["positive_flips"] = float(np.mean([shares.gained for shares in offered]))
        found["negative_flips"] = float(np.mean([shares.lost for shares in offered]))
    return found
