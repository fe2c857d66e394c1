"""The blocks of code of a page, with what its comments say about them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

MARK = re.compile(r"<!--\s*check:\s*(.*?)\s*-->", re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
EXIT = re.compile(r"exit (\d+)")
RUN = ("bash", "python", "yaml", "text")


@dataclass(frozen=True)
class Block:
    """A block as the page has it. `line` is that of its first line of code."""

    page: Path
    line: int
    language: str
    text: str
    title: str = ""
    exit: int = 0
    left_out: str = ""  # the reason why it is not run
    output: bool = False
    shown: bool = True

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


class PageError(Exception):
    """A page says something that this check does not understand."""


@dataclass(frozen=True)
class Page:
    path: Path
    blocks: tuple[Block, ...]
    checkout: bool = False


def read(path: Path) -> Page:
    """A page's blocks in their order. Raises PageError where one could not be told what to do with."""
    tokens = MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8"))
    marks = [match[1] for token in tokens if token.type == "html_block" for match in MARK.finditer(token.content)]
    return Page(path, tuple(_blocks(path, tokens)), "checkout" in marks)


def _blocks(path: Path, tokens: Sequence[Token]) -> Iterator[Block]:
    said = Block(path, 0, "", "")  # what comments say of the block that comes next
    marked = 0
    for token in tokens:
        line = token.map[0] + 1 if token.map else 0
        if token.type == "html_block":
            for match in MARK.finditer(token.content):
                mark, place = match[1], line + token.content[: match.start()].count("\n")
                if mark == "checkout":
                    continue
                if mark.startswith("setup\n"):
                    yield Block(path, place + 1, "bash", mark.removeprefix("setup\n") + "\n", shown=False)
                    continue
                said, marked = _marked(said, mark, f"{path}:{place}"), place
        elif token.type == "code_block":
            raise PageError(f"{path}:{line}: an indented block has no language; put it between ``` and ```")
        elif token.type == "fence":
            language, title = token.info.split(" ")[0].strip(), TITLE.search(token.info)
            block = replace(said, line=line + 1, language=language, text=token.content, title=title[1] if title else "")
            _refuse(block)
            yield block
            said, marked = Block(path, 0, "", ""), 0
    if marked:
        raise PageError(f"{path}:{marked}: this comment says something of a block, and none follows")


def _marked(block: Block, mark: str, place: str) -> Block:
    if mark.startswith("not run, "):
        return replace(block, left_out=" ".join(mark.removeprefix("not run, ").split()))
    if found := EXIT.fullmatch(mark):
        return replace(block, exit=int(found[1]))
    if mark == "output":
        return replace(block, output=True)
    raise PageError(
        f"{place}: 'check: {mark.splitlines()[0]}' means nothing; there are: not run, REASON; exit N; output; setup; checkout"
    )


def _refuse(block: Block) -> None:
    if block.left_out or block.title:
        return
    if block.language not in RUN:
        told = f"a block of {block.language}" if block.language else "a block without a language"
        raise PageError(
            f"{block.place}: {told} is neither run nor written; give it one of {', '.join(RUN)}, a title, or a reason"
        )
    if block.output and block.language != "text":
        raise PageError(f"{block.place}: 'check: output' is said of text")
    if block.exit and block.language != "bash":
        raise PageError(f"{block.place}: 'check: exit' is said of bash")
    if block.exit and len(commands(block.text)) != 1:
        raise PageError(f"{block.place}: 'check: exit' is said of one command, so that it is clear which one it is")


def commands(text: str) -> list[str]:
    """The lines of a shell block that are not empty and no comments, those that go on joined."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
