"""The page of Python: every public name of kdbench and kdbench.api with its signature and what it says first."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import kdbench
import kdbench.api
from kdbench.docs.markdown import made

INTRODUCTION = """\
Two doors are public. What is not named here may change without notice.

`kdbench.load_results` reads results, `kdbench.load_student` a student that was exported. `kdbench.api` is all that a plugin
file needs: a class of it with a `name` is a plugin (`kdbench new-method NAME` and `kdbench new-task NAME` write files that
run). `F`, `nn`, `torch` and `Tensor` are those of PyTorch, `Field` is that of pydantic."""
FOREIGN = ("F", "Field", "Tensor", "nn", "torch")
MODULES = re.compile(r"\b(?:[A-Za-z_]+\.)+(?=[A-Za-z])")
LONGEST = 100


def page() -> str:
    parts = [made("Python", INTRODUCTION), "## kdbench"]
    parts += [told(name, getattr(kdbench, name), whole=True) for name in kdbench.__all__]
    parts += ["## kdbench.api", *(told(name, getattr(kdbench.api, name)) for name in kdbench.api.__all__ if name not in FOREIGN)]
    return "\n\n".join(parts) + "\n"


def told(name: str, thing: Any, whole: bool = False) -> str:
    parts = [f"### {name}", f"```text\n{shown(name, thing)}\n```"]
    if inspect.isclass(thing) or inspect.isfunction(thing):
        doc = inspect.getdoc(thing) or ""
        parts.append(doc if whole else doc.split("\n\n", 1)[0])
    members = "\n".join(_members(thing)) if inspect.isclass(thing) else ""
    return "\n\n".join([*parts, f"```text\n{members}\n```"] if members else parts)


def shown(name: str, thing: Any) -> str:
    if inspect.isfunction(thing):
        return f"{name}{signature(thing)}"
    if not inspect.isclass(thing):
        return f"{name} = {MODULES.sub('', str(thing))}"
    bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
    if issubclass(thing, Exception) or getattr(thing, "_is_protocol", False):  # nobody calls them
        return f"class {name}({bases})"
    return f"class {name}{signature(thing).removesuffix(' -> None')}"


def signature(thing: Any) -> str:
    """Written as in Python, one parameter a line where it is long."""
    found = inspect.signature(thing)
    params = [_param(param) for name, param in found.parameters.items() if name != "self"]
    returned = f" -> {_type(found.return_annotation)}" if found.return_annotation is not found.empty else ""
    line = f"({', '.join(params)}){returned}"
    inside = "".join(f"    {param},\n" for param in params)
    return line if len(line) <= LONGEST else f"(\n{inside}){returned}"


def _param(param: inspect.Parameter) -> str:
    stars = "*" if param.kind is param.VAR_POSITIONAL else "**" if param.kind is param.VAR_KEYWORD else ""
    annotated = f": {_type(param.annotation)}" if param.annotation is not param.empty else ""
    return f"{stars}{param.name}{annotated}" + (f" = {_value(param.default)}" if param.default is not param.empty else "")


def _type(annotation: Any) -> str:
    return MODULES.sub("", annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def _value(value: Any) -> str:
    """A default as one would write it; sets in one order, and nothing with an address."""
    if isinstance(value, frozenset):
        return f"{{{', '.join(map(repr, sorted(value)))}}}" if value else "{}"
    if inspect.isclass(value):
        return value.__name__
    told = repr(value)
    return "..." if told.startswith("<") else told


def _members(thing: Any) -> Iterator[str]:
    """Public methods and properties that a class adds to its base, each with the first paragraph of what it says."""
    for name, member in vars(thing).items():
        inner = member.__func__ if isinstance(member, classmethod | staticmethod) else member
        inner = inner.fget if isinstance(inner, property) else inner
        if name.startswith("_") or not inspect.isfunction(inner) or any(hasattr(base, name) for base in thing.__bases__):
            continue
        yield f".{name}" if isinstance(member, property) else f".{name}{signature(inner)}"
        if said := inspect.getdoc(inner):
            yield textwrap.indent(said.split("\n\n", 1)[0], "    ")
