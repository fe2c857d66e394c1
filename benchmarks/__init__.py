"""What kdbench costs beside a bare training loop, measured in one run with it: `python -m benchmarks`."""
