"""Trained networks as files for use elsewhere: with a card that says how to use them, and as programs that need no kdbench."""
