"""Networks by name, each a bare module whose inner maps ("taps") have a meaning: stem, stage1, ..., embedding."""
