"""`python -m kdbench.docs` writes docs/methods/ and docs/reference/."""

from __future__ import annotations

import sys
from pathlib import Path

from kdbench.docs.pages import FOLDERS, pages

DOCS = Path("docs")


def main() -> int:
    made = {DOCS / name: text for name, text in pages().items()}
    for folder in FOLDERS:
        (DOCS / folder).mkdir(parents=True, exist_ok=True)
        for old in (DOCS / folder).glob("*.md"):
            if old not in made:
                old.unlink()
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    print(f"{DOCS}: {len(made)} pages")
    return 0


sys.exit(main())
