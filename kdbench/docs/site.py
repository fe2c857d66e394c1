"""The hook of mkdocs.yml: links that lead out of docs/ work on GitHub, and lead to pages of the site here.

Whatever a page links to in the repository (`../suites/README.md`, `../benchmarks/step.svg`, a folder with a README) becomes a
file of the build below `repository/`, and so does what is linked from there. What mkdocs cannot find after that, it warns of.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

DOCS, OUTSIDE = "docs", "repository"
LINK = re.compile(r"(\]\()([^)\s#:]+)(#[^)\s]*)?(\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    from mkdocs.structure.files import File, InclusionLevel

    root, named = Path(config.config_file_path).parent, set(_pages(config.nav))
    waiting = [source(file.src_uri) for file in files.documentation_pages()]
    waiting += sorted(source(uri) for uri in named if uri.startswith(f"{OUTSIDE}/"))
    seen = set(waiting)
    for path in waiting:
        if files.get_file_from_path(uri := place(path)) is None and (root / path).is_file():
            kept = InclusionLevel.UNDEFINED if uri in named else InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, uri, abs_src_path=str(root / path), inclusion=kept))
        found = set(_links(root, path)) - seen
        seen |= found
        waiting += sorted(found)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    root, here = Path(config.config_file_path).parent, source(page.file.src_uri)

    return led(markdown, root, here)


def led(markdown: str, root: Path, here: str) -> str:
    """A page of the repository with its links as they are in the build; what is not there stays, and mkdocs warns of it."""

    def link(match: re.Match[str]) -> str:
        target = target_of(root, here, match[2])
        if target is None:
            return match[0]
        return f"{match[1]}{os.path.relpath(place(target), PurePosixPath(place(here)).parent)}{match[3] or ''}{match[4]}"

    return LINK.sub(link, markdown)


def source(uri: str) -> str:
    """Where a file of the build lies in the repository."""
    return uri.removeprefix(f"{OUTSIDE}/") if uri.startswith(f"{OUTSIDE}/") else f"{DOCS}/{uri}"


def place(path: str) -> str:
    """Where a file of the repository lies in the build."""
    return path.removeprefix(f"{DOCS}/") if path.startswith(f"{DOCS}/") else f"{OUTSIDE}/{path}"


def target_of(root: Path, page: str, link: str) -> str | None:
    """The file of the repository that a page's link means; of a folder, its README."""
    path = os.path.normpath(PurePosixPath(page).parent / link)
    if (root / path).is_dir():
        path = os.path.join(path, "README.md")
    return path if not path.startswith("..") and (root / path).is_file() else None


def _links(root: Path, page: str) -> Iterator[str]:
    if page.endswith(".md") and (root / page).is_file():
        for match in LINK.finditer((root / page).read_text(encoding="utf-8")):
            target = target_of(root, page, match[2])
            if target is not None:
                yield target


def _pages(nav: Any) -> Iterator[str]:
    """Every page that the navigation names."""
    if isinstance(nav, str):
        yield nav
    elif nav:
        for part in nav.values() if isinstance(nav, dict) else nav:
            yield from _pages(part)
