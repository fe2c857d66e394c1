"""The report of a suite: one model of plain data, shown on the terminal, as Markdown and as one self-contained page."""
