"""What plugins and kdbench agree on: methods, tasks, sources, stages and networks, and what flows between them."""
