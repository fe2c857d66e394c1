"""`python -m kdbench.docs` writes docs/methods/."""

from __future__ import annotations

import sys
from pathlib import Path

from kdbench.docs import pages

FOLDER = Path("docs/methods")


def main() -> int:
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in FOLDER.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{FOLDER}: {len(made)} pages")
    return 0


sys.exit(main())
