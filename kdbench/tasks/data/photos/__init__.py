"""Sets of photographs with a class each, as they lie on disk."""
