"""The page of the command line: every verb with its arguments, options and example, from the functions that typer calls."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Any, Union, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from kdbench.cli.app import VERBS
from kdbench.cli.exits import ORDER, Exit
from kdbench.cli.help import Verbs, first_sentence
from kdbench.docs.markdown import made, table

INTRODUCTION = """\
`kdbench VERB --help` says the same in the terminal. `--debug`, anywhere, shows the traceback of an error; `kdbench --version`
prints the version. A suite is a file, or the name of one: in `./suites`, else among those that come with the package. `kdbench
--install-completion` completes verbs, options and names in your shell. A command that prints a table keeps to the width of the
terminal, and in a pipe prints every word."""

EXITS = {
    Exit.ok: "all is well; cells may be undecided",
    Exit.claim_failed: "something regressed, a claim failed, or what is claimed of a teacher does not hold",
    Exit.usage: "wrong usage, a mistake in a suite or another file, or something that is not there; the message says what",
    Exit.incomplete: "jobs are missing, failed, or outdated",
    Exit.incomparable: "nothing to compare, no baseline, or a baseline of another experiment",
    Exit.inconclusive: "too few seeds to see any loss; with `gate --strict`, something undecided or drifted",
    Exit.nonconforming: "a plugin breaks a rule of the conformance suite",
    Exit.internal: "a bug of kdbench: run again with `--debug`, and report what it prints",
    Exit.requeue: "stopped with checkpoints: run again, and it goes on",
    Exit.interrupted: "interrupted",
}
VARIABLES = {
    "KDBENCH_HOME": "folder of raw outputs, weights, events, checkpoints, signals and `mlflow.db`; `.kdbench` beside the results "
    "folder where it is not set",
    "KDBENCH_DATA": "folder under which data sets lie; `kdbench data list` says what is expected there",
    "KDBENCH_CACHE": "folder of decoded images, sounds and texts; `~/.cache/kdbench/images` where it is not set",
    "KDBENCH_CACHE_BYTES": "how large that folder may grow: bytes, or a number with K, M, G or T; no limit where it is not set",
    "KDBENCH_SIGNALS_BYTES": "how large all stored signals together may grow; 50G where it is not set",
    "KDBENCH_TEACHERS": "folder of teachers' cards; `teachers` where it is not set",
    "KDBENCH_WEIGHTS": "folder under which a card's weights lie; beside the card where it is not set",
    "KDBENCH_PLUGINS": "plugin files for `pytest --pyargs kdbench.testing`, separated as in PATH",
    "KDBENCH_START": "how processes of jobs begin: `fork` (as on Linux where it is not set) or `spawn`",
    "KDBENCH_DEBUG": "set by `--debug`: tracebacks are shown",
    "RAY_ADDRESS": "the cluster of `--executor ray`, where `--address` names none (Ray's own variable)",
    "NO_COLOR": "no colours, whatever its value",
    "COLUMNS": "width of tables; that of the terminal where it is not set",
    "CUDA_VISIBLE_DEVICES": "the GPUs that may be used, as everywhere",
}
WORDS = {int: "a whole number", float: "a number", str: "text"}


def page() -> str:
    verbs = [verb for section in VERBS.values() for name, call in section.items() for verb in _verbs(name, call)]
    listed = "\n\n".join(_listed(title, section) for title, section in VERBS.items())
    codes = table(("code", "meaning"), ((str(int(code)), words) for code, words in EXITS.items()))
    variables = table(("variable", "meaning"), ((f"`{name}`", words) for name, words in VARIABLES.items()))
    order = ", ".join(str(int(code)) for code in ORDER)
    parts = [
        made("The command line", INTRODUCTION),
        listed,
        *(verb(name, doc, call) for name, doc, call in verbs),
        f"## Exit codes\n\n{codes}\n\nWhere several hold, the first of these is told: {order}.",
        f"## Environment variables\n\n{variables}",
    ]
    return "\n\n".join(parts) + "\n"


def _listed(title: str, section: Mapping[str, Callable[..., int] | Verbs]) -> str:
    verbs = [verb for name, call in section.items() for verb in _verbs(name, call)]
    return table((title, ""), ((f"[`{name}`](#{name.replace(' ', '-')})", first_sentence(doc)) for name, doc, _ in verbs))


def _verbs(name: str, call: Callable[..., int] | Verbs) -> Iterator[tuple[str, str, Callable[..., Any]]]:
    """A verb as it is typed, its docstring and its function; of a group, those in it."""
    if isinstance(call, Verbs):
        for command in call.registered_commands:
            assert command.callback is not None
            yield f"kdbench {name} {command.name}", inspect.getdoc(command.callback) or "", command.callback
    else:
        yield f"kdbench {name}", inspect.getdoc(call) or "", call


def verb(name: str, doc: str, call: Callable[..., Any]) -> str:
    told, _, example = doc.partition("Example: ")
    rows = list(_rows(call))
    words = " ".join(option for option, *_ in rows if not option.startswith("`-"))
    usage = f"{name} {words.replace('`', '')}".strip() + (" [OPTIONS]" if any(row[0].startswith("`-") for row in rows) else "")
    parts = [f"## {name}", _prose(told), f"```text\n{usage}\n```"]
    if rows:
        parts.append(table(("argument or option", "value", "default", "meaning"), rows))
    if example:
        parts.append(f"For example: `{example.strip()}`")
    return "\n\n".join(parts)


def _prose(doc: str) -> str:
    """A docstring's paragraphs; one that keeps its lines (after a backspace, as click has it) is a block of text."""
    parts = [part.strip("\n") for part in re.split(r"\n\s*\n", doc.strip())]
    return "\n\n".join(f"```text\n{part.removeprefix(chr(8)).strip()}\n```" if part.startswith("\b") else part for part in parts)


def _rows(call: Callable[..., Any]) -> Iterator[tuple[str, str, str, str]]:
    for name, param in inspect.signature(call, eval_str=True).parameters.items():
        kind, *infos = get_args(param.annotation)
        info = next(info for info in infos if isinstance(info, ArgumentInfo | OptionInfo))
        # In Annotated, the first name stands where typer's own functions have the default.
        names = [decl for decl in (info.default, *(info.param_decls or ())) if isinstance(decl, str)]
        kind, many = _kind(kind)
        required = param.default is inspect.Parameter.empty
        if isinstance(info, ArgumentInfo):
            title = info.metavar or name.upper() + ("..." if many else "")
            shown = f"`{title}`" if required or title.startswith("[") else f"`[{title}]`"
        else:
            shown = ", ".join(f"`{each}`" for each in names or [f"--{name.replace('_', '-')}"]).replace("/", "`, `")
        yield shown, _value(kind, info, many), "required" if required else _default(param.default), info.help or ""


def _kind(annotation: Any) -> tuple[Any, bool]:
    """The type behind `X | None` and `list[X]`, and whether there may be several."""
    if get_origin(annotation) is Union or type(annotation).__name__ == "UnionType":
        annotation = next(option for option in get_args(annotation) if option is not type(None))
    if get_origin(annotation) in (list, tuple):
        return get_args(annotation)[0], True
    return annotation, False


def _value(kind: Any, info: ArgumentInfo | OptionInfo, many: bool) -> str:
    if kind is bool:
        return ""
    if inspect.isclass(kind) and issubclass(kind, Enum):
        words = ", ".join(f"`{option.value}`" for option in kind)
    else:
        words = WORDS.get(kind, "a path")
    limits = [f"at least {info.min:g}"] if info.min is not None else []
    limits += [f"at most {info.max:g}"] if info.max is not None else []
    return " ".join([words, " and ".join(limits)]).strip() + (
        "; may be repeated" if many and isinstance(info, OptionInfo) else ""
    )


def _default(value: Any) -> str:
    if value in (None, [], ""):
        return ""
    if isinstance(value, bool):
        return "yes" if value else ""
    return f"`{value.value if isinstance(value, Enum) else value}`"
