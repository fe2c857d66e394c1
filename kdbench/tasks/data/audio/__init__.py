"""Sets of clips with tags, as they lie on disk, and pictures of sound."""
