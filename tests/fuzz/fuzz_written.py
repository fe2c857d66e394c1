"""Targets: what people write. Suites, cards, presets, filters, baselines, published figures, runs made elsewhere."""

from __future__ import annotations

import atexit
import functools
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from fuzz_mutations import words_of
from fuzz_target import HERE, ROOT, Target, as_json, first, head, shown
from typer.main import get_command

from kdbench.cli import app
from kdbench.cli.exits import Exit
from kdbench.gate import baseline_file as baseline
from kdbench.gate.baseline import load as load_baselines
from kdbench.jobs.graph import graph
from kdbench.jobs.identity import canonical, key_of
from kdbench.jobs.job import JobSet
from kdbench.jobs.of_suite import jobs_of
from kdbench.jobs.plan import plan
from kdbench.registry import Registry
from kdbench.results import imported, published
from kdbench.suite import cards, only
from kdbench.suite.errors import SuiteError
from kdbench.suite.expand import expand
from kdbench.suite.presets import read_preset
from kdbench.suite.read import read_suite
from kdbench.suite.recipes import read_recipe
from kdbench.suite.yaml import load, loads


@functools.cache
def registry() -> Registry:
    return Registry(packages=False)


@functools.cache
def scratch() -> Path:
    """A folder for the input, gone with the process."""
    folder = Path(tempfile.mkdtemp(prefix="kdbench-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    owner = os.getpid()
    atexit.register(lambda: shutil.rmtree(folder, ignore_errors=True) if os.getpid() == owner else None)
    return folder


def file(name: str, data: bytes) -> Path:
    path = scratch() / name
    path.write_bytes(data)
    return path


def in_the_file(error: SuiteError, path: Path, data: bytes) -> None:
    """Every problem stands at a place that the file has."""
    rows = data.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in error.problems:
        if problem.path != str(path) or problem.line is None:
            continue
        assert 1 <= problem.line <= len(rows), f"{problem} is not in a file of {len(rows)} lines"
        assert problem.column is not None and 1 <= problem.column <= len(rows[problem.line - 1]) + 1, (
            f"{problem} is beside its line"
        )


def read_yaml(data: bytes) -> None:
    """Every value has a place, JSON can hold it, and reading again gives the same."""
    path = file("some.yaml", data)
    document = load(path)
    again = load(path)
    assert document.problems == again.problems and canonical(document.data) == canonical(again.data)
    in_the_file(SuiteError(document.problems), path, data)
    for loc in walk(document.data, ()) if document.data is not None else ():
        assert loc in document.values, f"{loc} has no place"


def walk(data: Any, loc: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield loc
    for key, value in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from walk(value, (*loc, key))


def read_a_suite(data: bytes) -> None:
    path = file("suite.yaml", data)
    try:
        suite = read_suite(path, registry())
        for profile in (None, *itertools.islice(suite.profiles, 1)):
            _, jobs = jobs_of(suite, registry(), path.parent, profile, None, dict)
            sound(jobs)
        assert set(graph(expand(suite, registry()).arms, registry(), path.parent).jobs) <= set(planned_keys(suite, path))
    except SuiteError as error:
        in_the_file(error, path, data)
        raise


def planned_keys(suite: Any, path: Path) -> list[str]:
    return list(jobs_of(suite, registry(), path.parent, None, None, dict)[1].jobs)


def sound(jobs: JobSet) -> None:
    """What holds of all jobs of all suites: keys are of identities, what a job needs stands before it, and plans say it all."""
    seen: set[str] = set()
    for key, job in jobs.jobs.items():
        assert key == job.key == key_of(json.loads(canonical(job.identity)))
        assert seen.issuperset(job.after), f"{job.title} comes before what it needs"
        seen.add(key)
    for keys in jobs.cells.values():
        assert seen.issuperset(keys)
    whole = plan(jobs, {}, lambda job: {}, lambda key: False, {})
    assert all(item.state == "run" and item.reason for item in whole.jobs) and len(whole.jobs) == len(jobs.jobs)


VERBS = (["check"], ["plan"], ["plan", "--json"], ["plan", "--stale", "rerun"], ["status"], ["status", "--json"])


@functools.cache
def command() -> Any:
    """The commands, built once: typer does it anew at each call."""
    return get_command(app.app)


def read_by_command(data: bytes) -> None:
    """The command line as a whole: a documented exit code, and never an internal error."""
    path = file("suite.yaml", data)
    verb, *more = VERBS[sum(data) % len(VERBS)]
    words = [verb, str(path), *more, *([] if verb == "check" else ["--results", str(scratch() / "no results")])]
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["kdbench", *words]),
        mock.patch.object(app, "app", command()),
        mock.patch("importlib.metadata.entry_points", return_value=()),  # the same for every input, and the dearest part
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            app.main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
    shown(out.getvalue() + err.getvalue())
    assert code in (Exit.ok, Exit.usage, Exit.incomplete), f"exit code {code} of {words}: {err.getvalue()}"
    assert "Traceback" not in err.getvalue(), err.getvalue()
    assert code != Exit.usage or err.getvalue() or out.getvalue(), "refused without a word"


def suites() -> Iterator[bytes]:
    small = [
        "quickstart",
        "ci",
        "moonshine",
        "imagenet/a3",
        "audio/esc10",
        "uda/folders",
        "retrieval/cranfield",
        "cifar100/small",
    ]
    for path in [HERE / "seeds" / "everything.yaml", *(ROOT / f"suites/{name}.yaml" for name in small)]:
        data = path.read_bytes()
        yield data
        yield as_json(loads(data.decode(), str(path)).data)
    for path in sorted(ROOT.glob("suites/**/*.yaml")):  # what only the long ones have, a few entries of each list
        yield as_json(cut(loads(path.read_text(), str(path)).data))


def cut(data: Any, most: int = 3) -> Any:
    if isinstance(data, dict):
        return {key: cut(value, most) for key, value in data.items()}
    return [cut(value, most) for value in data[-most:]] if isinstance(data, list) else data


@functools.cache
def suite_words() -> list[str]:
    """Keys and names of all suites, and the name of every plugin."""
    found = [word for path in sorted(ROOT.glob("suites/**/*.yaml")) for word in words_of(loads(path.read_text(), "").data)]
    found += words_of(loads((HERE / "seeds" / "everything.yaml").read_text(), "").data)
    found += [name for _, name in registry().plugins]
    return sorted({word for word in found if len(word) < 40})


def read_a_card(data: bytes) -> None:
    path = file("card.yaml", data)
    try:
        found = cards.read_card(path, registry())
        found.faults()
        cards.weights_of(found, path)
    except SuiteError as error:
        in_the_file(error, path, data)
        raise


CARD: dict[str, Any] = {
    "version": 1, "task": "digits", "task_params": {"labelled": 100}, "model": "digit_net", "params": {},
    "normalisation": {"mean": [0.5], "std": [0.25]}, "weights": {"file": "a.safetensors", "sha256": "0" * 64},
    "source": "somebody", "split": "test", "claims": [{"metric": "accuracy", "value": 0.9, "tolerance": 0.01}],
    "measured": {"scores": {"accuracy": {"value": 0.9, "interval": [0.8, 0.95]}}, "n": 1797, "date": "2026-11-21", "code": "x",
                 "of": "0" * 16},
}  # fmt: skip


def read_a_preset(data: bytes) -> None:
    """As `--plugin own.yaml` brings one, alone and in a suite."""
    path = file("own.yaml", data)
    own = Registry(files=[path], packages=False)
    if own.broken:
        return
    found = own.preset("own")
    try:
        read_preset(found, own)
    except SuiteError as error:
        in_the_file(error, path, data)
    suite = file("suite.yaml", b"version: 1\nname: s\ntasks: [digits, topics]\nmethods: [own]\n")
    jobs_of(read_suite(suite, own), own, scratch(), None, None, dict)


def read_a_recipe(data: bytes) -> None:
    from kdbench.registry.shipped import written

    try:
        plugin = written("recipe", file("own.yaml", data), "test")
    except UnicodeDecodeError:
        return  # a recipe comes with kdbench
    read_recipe(plugin)


@functools.cache
def some_arms() -> Any:
    return expand(read_suite(ROOT / "suites/quickstart.yaml", registry()), registry()).arms


def read_only(data: bytes) -> None:
    text = data.decode(errors="replace").replace("\0", "")  # no shell can pass a NUL
    kept = only.keep(some_arms(), text)
    assert kept and all(arm in some_arms() for arm in kept)


def filters() -> Iterator[bytes]:
    for text in (
        "task=digits,method=kd|dkd,seed=0",
        "cell=kd[T=1,task=0]",
        'cell="a,b"',
        "source=live,view=de*",
        "pair=default",
        "seed=?",
    ):
        yield text.encode()


def read_baselines(data: bytes) -> None:
    """What is read is what was written; the files of a folder are read alike."""
    path = scratch() / "baselines" / "ci" / "digits.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    held = load_baselines(path.parents[1], "ci", ["digits"])
    found = [line for rows in held.cells.values() for line in rows]
    assert {line.place: line for line in baseline.read(baseline.write(found), "b")} == {line.place: line for line in found}


def read_published(data: bytes) -> None:
    faults: list[str] = []
    found = published.figures(file("cifar100.csv", data), registry(), faults)
    assert all(figure.task == "cifar100" and figure.value == figure.value for figure in found)
    shown("\n".join(faults))


def read_imported(data: bytes) -> None:
    for record in imported.read(file("runs.csv", data), registry(), {"small": "classification"}):
        assert record == type(record).loads(record.dumps())


def tables(pattern: str, count: int) -> Iterator[bytes]:
    for path in first(pattern, count):
        yield head(path, 6)


def table_words() -> list[str]:
    return [
        *imported.NEEDED,
        *imported.OTHER,
        *published.COLUMNS,
        "accuracy",
        "map",
        "ndcg@10",
        "kd",
        "~x",
        "resnet20",
        "cifar100",
        "digits",
        "small",
    ]


WRITTEN = [
    Target("yaml", "yaml", read_yaml, suites, suite_words, 4),
    Target("suite", "yaml", read_a_suite, suites, suite_words, 4),
    Target("command", "yaml", read_by_command, suites, suite_words, 8),
    Target("card", "yaml", read_a_card, lambda: iter([as_json(CARD)]), suite_words, 2),
    Target(
        "preset", "yaml", read_a_preset, lambda: (p.read_bytes() for p in first("kdbench/presets/*.yaml", 20)), suite_words, 10
    ),
    Target("recipe", "yaml", read_a_recipe, lambda: (p.read_bytes() for p in first("kdbench/recipes/*.yaml", 9)), suite_words, 2),
    Target("only", "text", read_only, filters, suite_words),
    Target("baseline", "csv", read_baselines, lambda: tables("baselines/ci/*.csv", 4), table_words),
    Target("published", "csv", read_published, lambda: tables("baselines/published/cifar100.csv", 1), table_words),
    Target("imported", "csv", read_imported, lambda: iter([imported.TEMPLATE.encode()]), table_words),
]
