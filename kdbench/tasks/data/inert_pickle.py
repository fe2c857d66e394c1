"""Reads a pickle as what it should be, data: an unpickler that has only the instructions for numbers, text, lists and mappings.

A pickle is a program, and its usual machine can be told to call anything, to fill the memory by one instruction, or to fall over
the depth of what it builds. Here whatever is not plain data is refused before it is done. It is the standard library's own
unpickler in Python, of whose instructions most are taken away; it is slower than that in C, from which none can be taken.
"""

from __future__ import annotations

import pickle
import pickletools
from collections.abc import Callable
from typing import IO, Any, ClassVar

from kdbench.contract.errors import DataError

KEYS = frozenset((str, bytes, int))  # of mappings; a key that holds others would be hashed as deep as it is nested
NAMES = {ord(code.code): code.name for code in pickletools.opcodes}
DATA = {
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "GET", "BINGET", "LONG_BINGET", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT"),
    *("GLOBAL", "STACK_GLOBAL"),  # for the sake of the message: `find_class` refuses every name
}

Instruction = Callable[[Any], None]


class Instructions(dict[int, Instruction]):
    """By code; one that is not there is refused."""

    def __missing__(self, code: int) -> Instruction:
        raise pickle.UnpicklingError(
            f"asks for {NAMES.get(code, f'instruction {code}')}, which no such file needs; it was not followed"
        )


def instructions(*names: str) -> dict[int, Instruction]:
    """The standard library's own."""
    return {code: pickle._Unpickler.dispatch[code] for code, name in NAMES.items() if name in names}


class Inert(pickle._Unpickler):
    """Nothing but plain data; `load` gives it, or raises whatever a damaged file leads to."""

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]
    append: Callable[[Any], None]
    dispatch: ClassVar[dict[int, Instruction]] = Instructions(instructions(*DATA))

    def __init__(self, file: IO[bytes], encoding: str = "ASCII") -> None:
        super().__init__(file, encoding=encoding)

    def find_class(self, module: str, name: str) -> Any:
        raise DataError(f"asks for {module}.{name}, which no such file needs and which may run code; it was not run")

    def put(self, keys: list[Any], values: list[Any]) -> None:
        """Entries of the mapping on top of the stack."""
        if not KEYS.issuperset(map(type, keys)):
            raise DataError("has a mapping whose keys are no text or whole numbers")
        into = self.stack[-1]
        if type(into) is not dict:
            raise DataError(f"puts entries into a {type(into).__name__}")
        into.update(zip(keys, values, strict=True))

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.put([key], [value])

    def load_setitems(self) -> None:
        items = self.pop_mark()
        self.put(items[::2], items[1::2])

    def load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self.put(items[::2], items[1::2])

    dispatch |= {ord("s"): load_setitem, ord("u"): load_setitems, ord("d"): load_dict}
