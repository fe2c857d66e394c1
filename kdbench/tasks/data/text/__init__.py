"""Collections of passages, queries and judgements, as they lie on disk, and lexical search."""
