"""Trackers: they are fed from the results folder after the jobs, and never from inside a job."""
