"""Differences between cells, or between two folders of results, with a verdict on each."""
