"""Findings of the conformance suite for a person: a table of rules and families, then failures with how to mend them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from kdbench.cli.text import count, wrapped

if TYPE_CHECKING:
    from kdbench.testing.conform import Conformance
    from kdbench.testing.verdict import Finding

MARK = {"pass": "ok", "fail": "FAIL", "not applicable": "-", "exempt": "exempt"}


def table(findings: Sequence[Finding]) -> str:
    """A line a rule, a column a family; at most 80 columns for the four families."""
    families = list(dict.fromkeys(f.family for f in findings))
    rules = list(dict.fromkeys(f.rule for f in findings))
    marks = {(f.rule, f.family): MARK[f.verdict.state] for f in findings}
    column = max(map(len, rules)) + 2
    lines = [" " * column + "  ".join(families)]
    for rule in rules:
        cells = (marks.get((rule, family), "").ljust(len(family)) for family in families)
        lines.append((rule.ljust(column) + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def told(findings: Iterable[Finding], state: str) -> dict[tuple[str, str], list[Finding]]:
    """Findings of a state, those with one sentence together."""
    found: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.verdict.state == state:
            found.setdefault((finding.rule, finding.verdict.sentence), []).append(finding)
    return found


def show_failures(findings: Sequence[Finding]) -> None:
    for (rule, sentence), found in told(findings, "fail").items():
        families = ", ".join(f.family for f in found)
        typer.echo(wrapped(f"{rule} ({families}): {sentence}", 6, "FAIL"))
        if found[0].demand:
            typer.echo(wrapped(f"asks: {found[0].demand}", 6))
        typer.echo(wrapped(f"mend: {found[0].mend}", 6))


def show_reasons(findings: Sequence[Finding], refused: Mapping[str, str], tried: Mapping[str, Mapping[str, Any]]) -> None:
    """Why some cells of the table are empty, and where the method was not looked at as it is by default."""
    from kdbench.testing.conform import instead

    if tried:
        typer.echo(wrapped(f"its defaults are no taps there, so it was tried with {instead(tried)}", 6, "  -"))
    for state in ("exempt", "not applicable"):
        for (rule, sentence), found in told(findings, state).items():
            if rule != "trains" and not sentence.startswith("it does not train here"):
                where = ", ".join(f.family for f in found)
                typer.echo(wrapped(f"{rule} ({where}): {sentence}", 6, "  " + MARK[state] if state == "exempt" else "  -"))
    for family, why in refused.items():
        typer.echo(wrapped(f"not for {family}: {why}", 6, "  -"))


def show(found: Conformance) -> None:
    """Everything about one method."""
    plugin = found.plugin
    typer.echo(f"{plugin.kind} {plugin.name}, version {plugin.version} ({plugin.origin})\n")
    typer.echo(table(found.findings))
    if any(f.verdict.state != "pass" for f in found.findings) or found.refused or found.tried:
        typer.echo("")
    show_failures(found.findings)
    show_reasons(found.findings, found.refused, found.tried)
    typer.echo(f"\n{summary(found)}")
    if not found.failed:
        typer.echo("A wrong sign would pass, too: whether it helps, a suite with kd tells.")


def show_line(found: Conformance) -> None:
    """One method among many: a line, and its failures."""
    typer.echo(summary(found))
    show_failures(found.findings)


def summary(found: Conformance) -> str:
    failed = len(found.failed)
    end = f"{count(failed, 'failure')}" if failed else "conforms"
    families = sorted({f.family for f in found.findings if f.family != "all"})
    passed = sum(f.verdict.state == "pass" for f in found.findings)
    exempt = sorted({f.rule for f in found.findings if f.verdict.state == "exempt"})
    more = f", exempt from {', '.join(exempt)}" if exempt else ""
    return (
        f"{found.plugin.name}: {end}; {passed} checks passed in {', '.join(families) or 'no family'}{more}, {found.seconds:.1f} s"
    )
