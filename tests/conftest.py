"""Machines are shared: how long an example takes says nothing, so hypothesis sets no deadline."""

from hypothesis import settings

settings.register_profile("kdbench", deadline=None)
settings.load_profile("kdbench")
