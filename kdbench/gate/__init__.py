"""The gate: results against accepted baselines, with the noise that training has; baselines, verdicts, CI's formats, history."""
