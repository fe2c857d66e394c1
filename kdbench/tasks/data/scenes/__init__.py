"""Street scenes with a label for every pixel, as they lie on disk."""
