"""kdbench data: the sets that are read from your own folders: which there are, whether a folder holds what it should, which of it
is the test, a look."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kdbench.cli import complete
from kdbench.cli.exits import Exit
from kdbench.cli.help import Verbs
from kdbench.cli.options import JsonOption
from kdbench.cli.session import known_plugins
from kdbench.cli.text import definitions, near, wrapped
from kdbench.cli.verbs.convert import convert

if TYPE_CHECKING:
    from kdbench.tasks.data.findings import Finding
    from kdbench.tasks.data.sets import DataSet

app = Verbs(help="Data sets in folders of yours: list, check, split, sample, convert. Nothing is downloaded.")

NameArgument = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Name of a data set, as `data list` has it.", autocompletion=complete.data_sets),
]
RootOption = Annotated[str, typer.Option("--root", help="Folder that holds it; KDBENCH_DATA if left out.")]


@app.command("list")
def list_sets(root: RootOption = "", as_json: JsonOption = False) -> int:
    """List the data sets, where each one lies or how to get it.

    Example: kdbench data list
    """
    from kdbench.contract.errors import DataError
    from kdbench.tasks.data.sets import SETS

    found: dict[str, dict[str, str]] = {}
    for name, known in SETS.items():
        try:
            where = {"found": str(known.find(root))}
        except DataError:
            where = {"missing": f"expected: {known.place.expects}. To get it: {known.place.get}"}
        found[name] = {"what": known.what, **where}
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        typer.echo(definitions({name: "\n".join(facts_of(facts)) for name, facts in found.items()}))
    return Exit.ok


def facts_of(facts: dict[str, str]) -> list[str]:
    return [facts["what"], *(f"{key}: {text}" for key, text in facts.items() if key != "what")]


@app.command("check")
def check(
    name: NameArgument,
    root: RootOption = "",
    fingerprint: Annotated[
        bool, typer.Option("--fingerprint", help="Print the fingerprint alone, and only where nothing is wrong.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Read a data set and say what is in it, beside what is known of the published one.

    Counts, balance of the classes, colours, unreadable files, images in two splits, fingerprint. Exit code 1 where something is
    not as it should be.

    Example: kdbench data check cifar100 --root ~/data
    """
    from kdbench.contract.errors import KdbenchError

    known = find(name)
    folder = known.find(root)
    findings = known.check(folder)
    right = all(line.right is not False for line in findings)
    marks = [line.fingerprint for line in findings if line.fingerprint]
    if fingerprint and not marks:
        raise KdbenchError(f"data set '{name}' has no fingerprint")
    if fingerprint and right:
        typer.echo(marks[0])
    elif as_json:
        lines = [asdict(line) for line in findings]
        typer.echo(json.dumps({"set": name, "folder": str(folder), "right": right, "findings": lines}, indent=1))
    else:
        typer.echo(f"{name}: {folder}", err=fingerprint)
        width = max(len(line.what) for line in findings) + 2
        for line in findings:
            mark = {True: "ok ", False: "NOT", None: "   "}[line.right]
            text = f"{line.found}; published: {line.known}" if line.right is False and line.known else line.found
            typer.echo(wrapped(text, width + 6, f"  {mark} {line.what}"), err=fingerprint)
        typer.echo(f"{name}: {verdict(findings)}", err=fingerprint)
    return Exit.ok if right else Exit.claim_failed


def verdict(findings: Sequence[Finding]) -> str:
    """Whether anything is wrong, and what a person should look at though it may be meant."""
    wrong = [line.what for line in findings if line.right is False]
    look = dict.fromkeys(line.what for line in findings if line.names and line.right is None)
    if wrong:
        return f"not as it should be: {', '.join(dict.fromkeys(wrong))}"
    return "nothing wrong" + (f"; look at: {', '.join(look)} (--json names all)" if look else "")


@app.command("split")
def split(
    name: NameArgument,
    root: RootOption = "",
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Write it to this file.")] = None,
) -> int:
    """Say which sample is in which split, as a CSV.

    Of images it is path, label, split: as images.csv in their folder it gives the same splits again. A teacher that is trained
    elsewhere is to be trained on the rows of train alone. Params of a task (val, train, test) take their part from the end, or
    the beginning, of a split in this order.

    Example: kdbench data split images --root ~/animals --to split.csv
    """
    from kdbench.contract.errors import KdbenchError
    from kdbench.results.files import write_atomically

    known = find(name)
    folder = known.find(root)
    if known.splits is None:
        raise KdbenchError(f"data set '{name}' comes with splits of its own, in its files: {folder} ({known.place.expects})")
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(known.splits.columns)
    rows.writerows(found := list(known.splits.rows(folder)))
    if to is None:
        typer.echo(text.getvalue(), nl=False)
        return Exit.ok
    write_atomically(to, text.getvalue().encode())
    counts = Counter(row[-1] for row in found)
    typer.echo(f"{near(to)}: " + ", ".join(f"{count:,} {part}" for part, count in counts.items()))
    return Exit.ok


@app.command("sample")
def sample(
    name: NameArgument,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The picture to write (.png; of sounds a .wav too).")],
    root: RootOption = "",
) -> int:
    """Write a sheet of a data set's test images with their classes.

    Example: kdbench data sample cifar100 cifar.png --root ~/data
    """
    from kdbench.contract.errors import KdbenchError

    known = find(name)
    if known.sample is None:
        raise KdbenchError(f"data set '{name}' has no classes to show")
    known.sample(known.find(root), path)
    typer.echo(f"sample: {path}")
    return Exit.ok


app.command("convert")(convert)


def find(name: str) -> DataSet:
    from kdbench.contract.errors import KdbenchError
    from kdbench.tasks.data.sets import SETS

    if name not in SETS:
        raise KdbenchError(f"no data set '{name}'; {meant_by(name)}")
    return SETS[name]


def meant_by(name: str) -> str:
    """What to name instead: a task's name may stand for a data set of another name, or for none."""
    from kdbench.suite.errors import listing, nearest
    from kdbench.tasks.data.sets import SETS, of_task

    if sets := of_task(name):
        return f"task '{name}' reads {listing(sets)}; kdbench data list says what each is"
    if name in known_plugins().names("task"):
        return f"task '{name}' brings its own: kdbench describe task {name}"
    near = nearest(name, SETS)
    return f"did you mean '{near}'?" if near else f"there are {listing(SETS)}"
