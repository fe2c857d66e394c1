"""The command line: one file a verb. Nothing heavy is imported before a verb needs it, so that --help answers at once."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from kdbench.cli.careful import be_careful
from kdbench.cli.exits import Exit
from kdbench.cli.habits import meant
from kdbench.cli.help import Verbs
from kdbench.cli.verbs import (
    baseline,
    compare,
    data,
    describe,
    doctor,
    export,
    gate,
    history,
    init,
    list_,
    new,
    plan,
    report,
    rescore,
    results,
    run,
    schema,
    score,
    status,
    teacher,
    test_method,
    test_task,
    track,
)

DEBUG = "KDBENCH_DEBUG"

app = Verbs(
    name="kdbench",
    help="Benchmark knowledge distillation: methods × tasks × seeds, with controls, intervals and fidelity beside accuracy.",
    epilog="Start with: kdbench init, then kdbench run suite.yaml. Exit codes: 0 ok, 1 regressed or a claim failed, 2 wrong "
    "usage or suite, 3 jobs missing or failed, 4 nothing to compare, 5 too few seeds to tell, 6 a plugin does not conform, "
    "70 internal error, 75 stopped with checkpoints (run again to go on), 130 interrupted. Where several hold: 2, 3, 1, 4, 5.",
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(value: bool) -> None:
    if value:
        from importlib.metadata import version as installed

        typer.echo(f"kdbench {installed('kdbench')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors; may stand anywhere.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")] = False,
) -> None:
    if debug:
        os.environ[DEBUG] = "1"


VERBS: dict[str, dict[str, Callable[..., int] | Verbs]] = {
    "A suite, from the first line to the report": {
        "init": init.init,
        "check": plan.check,
        "plan": plan.plan,
        "run": run.run,
        "status": status.status,
        "report": report.report,
    },
    "What is better, and what got worse": {
        "compare": compare.compare,
        "gate": gate.gate,
        "baseline": baseline.app,
        "history": history.history,
    },
    "What there is": {
        "list": list_.list_plugins,
        "describe": describe.describe,
        "data": data.app,
        "teacher": teacher.app,
        "doctor": doctor.doctor,
        "schema": schema.schema,
    },
    "Methods and tasks of your own": {
        "new-method": new.new_method,
        "test-method": test_method.test_method,
        "new-task": new.new_task,
        "test-task": test_task.test_task,
    },
    "Numbers and networks, in and out": {
        "score": score.score,
        "rescore": rescore.rescore,
        "export": export.export,
        "results": results.app,
        "track": track.app,
    },
}
for section, verbs in VERBS.items():
    for name, verb in verbs.items():
        if isinstance(verb, Verbs):
            app.add_typer(verb, name=name, rich_help_panel=section)
        else:
            app.command(name, rich_help_panel=section)(verb)


def main() -> None:
    """Entry point: a known error is one message and its exit code, never a traceback."""
    be_careful()
    words = [word for word in sys.argv[1:] if word != "--debug"]
    if len(words) < len(sys.argv) - 1:  # also after the verb, where one adds it to a command that failed
        words.insert(0, "--debug")
    try:
        code = app(args=words or ["--help"], standalone_mode=False)
        sys.stdout.flush()
        sys.exit(code if isinstance(code, int) else Exit.ok)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        print("kdbench: interrupted", file=sys.stderr)
        sys.exit(Exit.interrupted)
    except (BrokenPipeError, SystemExit) as end:
        if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):  # typer turns one into exit code 1
            raise
        # The reader of a pipe (head, less) left: not our failure, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.ok)
    except Exception as error:
        sys.exit(explain(error))


def unwritable(error: OSError) -> int:
    """What is printed finds no room, on a disk that is full: told on stderr, and nothing more is tried."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    print(f"kdbench: the output cannot be written: {error.strerror}", file=sys.stderr)
    return Exit.usage


def explain(error: Exception) -> int:
    """Print an error for a person and say which exit code it means."""
    if os.environ.get(DEBUG):
        import traceback

        traceback.print_exc()
    show = getattr(error, "show", None)
    if callable(show) and type(error).__module__.startswith(("click", "typer")):
        context = getattr(error, "ctx", None)
        verb = context.info_name if context is not None and context.parent is not None else "run"
        if told := meant(getattr(error, "option_name", ""), verb):
            print(f"kdbench: {told}", file=sys.stderr)
        else:
            show()
        return Exit.usage
    from kdbench.contract.errors import KdbenchError
    from kdbench.suite.errors import SuiteError

    if isinstance(error, SuiteError):  # each problem begins with its place, where editors look for it
        print(error, file=sys.stderr)
        if len(error.problems) > 1:
            print(f"kdbench: {len(error.problems)} problems", file=sys.stderr)
        return Exit.usage
    if isinstance(error, KdbenchError):
        print(f"kdbench: {error}", file=sys.stderr)
        return Exit.usage
    if isinstance(error, OSError) and error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return unwritable(error)
    if isinstance(error, OSError) and error.filename is not None:
        print(f"kdbench: {error.filename}: {error.strerror}", file=sys.stderr)
        return Exit.usage
    from kdbench.registry.blame import placed, plugin_line

    if plugin_line(error):
        print(f"kdbench: a plugin broke: {placed(error)}; --debug shows how it was reached", file=sys.stderr)
        return Exit.usage
    print(f"kdbench: internal error: {type(error).__name__}: {error}", file=sys.stderr)
    print("kdbench: this is a bug; run again with --debug and report what it prints", file=sys.stderr)
    return Exit.internal


if __name__ == "__main__":
    main()
