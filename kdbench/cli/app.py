"""The command line: one file a verb. Nothing heavy is imported before a verb needs it, so that --help answers at once."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from kdbench.cli import describe, doctor, export, init, list_, plan, report, run, schema, status, track
from kdbench.cli.exits import Exit

app = typer.Typer(
    name="kdbench",
    help="Benchmark knowledge distillation: methods × tasks × seeds, with controls, intervals and fidelity beside accuracy.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def version(value: bool) -> None:
    if value:
        from importlib.metadata import version as installed

        typer.echo(f"kdbench {installed('kdbench')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")] = False,
) -> None:
    if debug:
        os.environ["KDBENCH_DEBUG"] = "1"


app.command("init", help=init.__doc__)(init.init)
app.command("check", help=plan.check.__doc__)(plan.check)
app.command("plan", help=plan.plan.__doc__)(plan.plan)
app.command("run", help=run.run.__doc__)(run.run)
app.command("status", help=status.status.__doc__)(status.status)
app.command("report", help=report.report.__doc__)(report.report)
app.command("list", help=list_.list_plugins.__doc__)(list_.list_plugins)
app.command("describe", help=describe.describe.__doc__)(describe.describe)
app.command("export", help=export.export.__doc__)(export.export)
app.command("schema", help=schema.schema.__doc__)(schema.schema)
app.command("doctor", help=doctor.doctor.__doc__)(doctor.doctor)
app.add_typer(track.app, name="track", help=track.__doc__)


def main() -> None:
    """Entry point: a known error is one message and its exit code, never a traceback."""
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else Exit.ok)
    except typer.Exit as stop:
        sys.exit(stop.exit_code)
    except typer.Abort:
        sys.exit(Exit.interrupted)
    except KeyboardInterrupt:
        sys.exit(Exit.interrupted)
    except BrokenPipeError:
        # The reader of a pipe (head, less) left: not our failure, and nothing more can be said.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(Exit.ok)
    except Exception as error:
        sys.exit(explain(error))


def explain(error: Exception) -> int:
    """Print an error for a person and say which exit code it means."""
    if os.environ.get("KDBENCH_DEBUG"):
        import traceback

        traceback.print_exc()
    show = getattr(error, "show", None)
    if callable(show) and type(error).__module__.startswith(("click", "typer")):
        show()
        return Exit.usage
    from kdbench.contract.errors import KdbenchError

    if isinstance(error, KdbenchError):
        print(f"kdbench: {error}", file=sys.stderr)
        return Exit.usage
    if isinstance(error, OSError) and error.filename is not None:
        print(f"kdbench: {error.filename}: {error.strerror}", file=sys.stderr)
        return Exit.usage
    print(f"kdbench: internal error: {type(error).__name__}: {error}", file=sys.stderr)
    print("kdbench: this is a bug; run again with --debug and report what it prints", file=sys.stderr)
    return Exit.internal


if __name__ == "__main__":
    main()
