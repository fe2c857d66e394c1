"""Changes to valid files that stay near to valid: trees and lines, cells and headers are changed as such, and bytes only at last.

What is random comes from a `Random`, so that libFuzzer's seeds and hypothesis' choices drive the same changes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

DEEP = 400
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 10, 2**31, 2**53 + 1, 2**64, 10**9, 10**400, -0.0, 0.5, 1e-300, 1e300),
    *(float("nan"), float("inf"), "", " ", "x", "x" * 3000, "\0", "\x1b[31m", "é", "\u202e", "\u2028", "a\nb", "../../x"),
    *("/dev/zero", "~", "~x", "null", "1e5", "nan", "a:b", "cheap:cheap:wrn_16_1", "timm:resnet18"),
    *([], {}, [[]], [None], {"": None}, {"x": []}, list(range(40)), ["x"] * 20),
]
TOKENS = [
    *(".nan", "-.inf", "1e309", "-0", "-0.0", "010", "0x1F", "0b11", "1_000", "1:30", "yes", "no", "on", "null", "~", "="),
    *("2024-01-01", "0x" + "F" * 5000, "9" * 5000, "1000000000", "99999999999999999999"),
    *("&a ", "*a", "<<: *a", "<<: [*a, *a]", "&a [*a]", "!!int ", "!!float ", "!!str ", "!!python/object:os.system "),
    *(
        "!!set ",
        "!!binary ",
        "!x ",
        "! ",
        "|",
        ">-",
        "? ",
        "- ",
        ": ",
        ":",
        ", ",
        "#",
        " #",
        "%YAML 1.1\n---\n",
        "---\n",
        "...\n",
    ),
    *("\t", "\r", "\r\n", "\n", "\x00", "\x07", "\x1b", "\x85", "\u2028", "\ufeff", "\ufffe", "\U0001f600"),
    *('"\\uD800"', '"\\0"', '"', "'", "[", "]", "{", "}", "[]", "{}", "[" * DEEP, "{a: " * DEEP, "- " * DEEP),
    *("<<<<<<< HEAD\n", "=======\n", ">>>>>>> x\n", ",", "*", "(", ")", "\\", "%s", "{0}", "  ", "    "),
]


class Mutator:
    """Mutations for one kind of file. `words` are keys and values that mean something in it."""

    def __init__(self, kind: str, words: Sequence[str] = ()) -> None:
        self.words = list(words) or ["x"]
        self.change = {
            "yaml": self.structured,
            "json": self.structured,
            "lines": self.some_lines,
            "csv": self.table,
            "text": self.text,
            "safetensors": self.safetensors,
            "npy": self.npy,
            "bytes": self.raw,
        }[kind]

    def __call__(self, data: bytes, random: Random) -> bytes:
        for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
            data = (self.raw if random.random() < 0.06 else self.change)(data, random)
        return data

    # --- trees -------------------------------------------------------------------------------------------------------

    def structured(self, data: bytes, random: Random) -> bytes:
        """JSON as a tree (which is YAML as well), other text by lines; sometimes JSON as text, for what no tree can say."""
        if random.random() < 0.8:
            try:
                tree = json.loads(data)
            except (ValueError, RecursionError):
                pass
            else:
                return written(self.tree(tree, random)).encode(errors="surrogatepass")
        return self.lines(data, random)

    def tree(self, tree: Any, random: Random) -> Any:
        """The tree with one change somewhere."""
        top = [copy.deepcopy(tree)]
        holder, at = self.somewhere(top, random)
        value = holder[at]
        match random.randrange(12):
            case 0 | 1 | 2:
                holder[at] = self.value(random)
            case 3 if holder is not top:
                del holder[at]
            case 4:
                other, there = self.somewhere(top, random)
                holder[at] = copy.deepcopy(other[there])  # a part where another belongs
            case 5:
                holder[at] = [value] if random.random() < 0.5 else {random.choice(self.words): value}
            case 6 if isinstance(value, list | dict) and value:
                inner = list(value.values()) if isinstance(value, dict) else value
                holder[at] = random.choice(inner)
            case 7 | 8 if isinstance(value, dict):
                value[random.choice(self.words)] = self.value(random)
            case 9 if isinstance(value, dict) and value:
                items = list(value.items())
                random.shuffle(items)
                if random.random() < 0.6:
                    items[0] = (random.choice(self.words), items[0][1])
                value.clear()
                value.update(items)
            case 10 if isinstance(value, list) and value:
                value.extend(copy.deepcopy(random.choice(value)) for _ in range(random.choice((1, 2, 30))))
            case 11 if isinstance(value, int | float) and not isinstance(value, bool):
                holder[at] = random.choice(
                    (-value, value + 1, value * 0.5 if abs(value) < 1e300 else 0, str(value), value * 10, [value, 1])
                )
            case _:
                holder[at] = random.choice(self.words)
        return top[0]

    def somewhere(self, top: list[Any], random: Random) -> tuple[Any, Any]:
        """A container of the tree and a place in it."""
        holder, at = top, 0
        while isinstance(holder[at], list | dict) and holder[at] and random.random() < 0.85:
            inner = holder[at]
            holder, at = inner, random.choice(list(inner)) if isinstance(inner, dict) else random.randrange(len(inner))
        return holder, at

    def value(self, random: Random) -> Any:
        match random.randrange(10):
            case 0 | 1 | 2:
                return random.choice(self.words)
            case 3:
                return [self.value(random) for _ in range(random.randrange(4))]
            case 4:
                return {random.choice(self.words): self.value(random) for _ in range(random.randrange(3))}
            case 5:
                return random.choice((random.randrange(100), random.random()))
        return copy.deepcopy(random.choice(VALUES))

    # --- lines and text ----------------------------------------------------------------------------------------------

    def lines(self, data: bytes, random: Random) -> bytes:
        """Blocks of lines (a line and what is indented under it) moved, doubled, dropped, indented; or a change inside a line."""
        rows = data.decode(errors="replace").split("\n")
        start = random.randrange(len(rows))
        end = start + 1
        while end < len(rows) and indent(rows[end]) > indent(rows[start]) and random.random() < 0.9:
            end += 1
        block = rows[start:end]
        match random.randrange(9):
            case 0:
                del rows[start:end]
            case 1:
                rows[start:start] = block * random.choice((1, 1, 2, 20))
            case 2:
                del rows[start:end]
                to = random.randrange(len(rows) + 1)
                rows[to:to] = block
            case 3:
                step = random.choice(("  ", " ", "\t", "- "))
                rows[start:end] = [step + row if random.random() < 0.9 else row[2:] for row in block]
            case 4:
                key, colon, _ = rows[start].partition(":")
                rows[start] = f"{key}{colon} {random.choice((random.choice(TOKENS), scalar(self.value(random))))}"
            case 5:
                rows[start] = f"{' ' * indent(rows[start])}{random.choice(self.words)}: {scalar(self.value(random))}"
            case _:
                rows[start] = self.text(rows[start].encode(errors="replace"), random).decode(errors="replace")
        return "\n".join(rows).encode(errors="replace")

    def text(self, data: bytes, random: Random) -> bytes:
        text = data.decode(errors="replace")
        start = random.randrange(len(text) + 1)
        end = min(len(text), start + random.choice((0, 0, 1, 3, 10)))
        token = random.choice((random.choice(TOKENS), random.choice(self.words), text[random.randrange(len(text) + 1) :][:12]))
        return (text[:start] + token + text[end:]).encode(errors="surrogatepass")

    def some_lines(self, data: bytes, random: Random) -> bytes:
        """JSON lines: one of them as a tree, or all of them as text."""
        rows = data.split(b"\n")
        at = random.randrange(len(rows))
        if random.random() < 0.7 and rows[at]:
            rows[at] = self.structured(rows[at], random).replace(b"\n", b" ")
            return b"\n".join(rows)
        return self.lines(data, random)

    # --- tables and containers ---------------------------------------------------------------------------------------

    def table(self, data: bytes, random: Random) -> bytes:
        """Cells and rows of a CSV file; quotes are left to chance."""
        if random.random() < 0.25:
            return self.lines(data, random)
        rows = [row.split(",") for row in data.decode(errors="replace").split("\n")]
        cells = random.choice(rows)
        at = random.randrange(len(cells))
        match random.randrange(6):
            case 0:
                del cells[at]
            case 1:
                cells.insert(at, random.choice(TOKENS))
            case 2:
                cells[at] = random.choice(random.choice(rows))
            case 3:
                cells[at] = scalar(self.value(random)).replace("\n", " ")
            case 4:
                cells[at] = random.choice((f'"{cells[at]}"', f'"{cells[at]}', cells[at] + "\n", " " + cells[at], cells[at] * 50))
            case _:
                cells[at] = self.text(cells[at].encode(errors="replace"), random).decode(errors="replace")
        return "\n".join(",".join(cells) for cells in rows).encode(errors="replace")

    def safetensors(self, data: bytes, random: Random) -> bytes:
        """The header as the JSON that it is; its length is told rightly, most of the time."""
        length = int.from_bytes(data[:8], "little")
        if not 0 < length <= len(data) - 8 or random.random() < 0.1:
            return self.raw(data, random)
        header = self.structured(data[8 : 8 + length], random)
        said = len(header) if random.random() < 0.9 else random.choice((0, 1, len(header) + 1, 2**40, 2**63))
        return said.to_bytes(8, "little") + header + data[8 + length :]

    def npy(self, data: bytes, random: Random) -> bytes:
        length = int.from_bytes(data[8:10], "little")
        if not data.startswith(b"\x93NUMPY") or length > len(data) - 10 or random.random() < 0.2:
            return self.raw(data, random)
        header = self.text(data[10 : 10 + length], random)[: 2**16 - 1]
        return data[:8] + len(header).to_bytes(2, "little") + header + data[10 + length :]

    def raw(self, data: bytes, random: Random) -> bytes:
        """What a disk, an editor or a cut connection does."""
        out = bytearray(data)
        at = random.randrange(len(out) + 1)
        match random.randrange(5):
            case 0:
                del out[at:]
            case 1 if at < len(out):
                out[at] ^= 1 << random.randrange(8)
            case 2:
                out[at:at] = random.randbytes(random.choice((1, 2, 8)))
            case 3:
                out[at : at + random.choice((1, 4, 100))] = b""
            case _:
                out[at : at + 8] = bytes(8)
        return bytes(out)


def indent(row: str) -> int:
    return len(row) - len(row.lstrip(" "))


def written(tree: Any) -> str:
    """JSON; numbers that it does not have are written as YAML has them."""
    return json.dumps(tree, ensure_ascii=False).replace(": NaN", ": .nan").replace(": Infinity", ": .inf")


def scalar(value: Any) -> str:
    return value if isinstance(value, str) else written(value)


def words_of(tree: Any) -> list[str]:
    """Every key and text of a tree."""
    if isinstance(tree, dict):
        return [word for key, value in tree.items() for word in (str(key), *words_of(value))]
    if isinstance(tree, list):
        return [word for value in tree for word in words_of(value)]
    return [tree] if isinstance(tree, str) else []
