"""A plugin file that does not import."""

raise RuntimeError("this file is not finished")
