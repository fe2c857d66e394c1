"""The rules by group. Importing this package registers all of them, in the order in which they are shown."""

from kdbench.testing.rules import training, needs, players, teachers, states, batches, edges  # noqa: F401, I001
