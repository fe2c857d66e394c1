"""The report for papers: LaTeX tables (booktabs), and every number at full precision: a CSV of cells, one of their seeds."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence

from kdbench.report.columns import Column, Entry, control_columns, outcome_columns
from kdbench.report.model import Difference, Page, Row, Source, Table
from kdbench.results.older import MARK
from kdbench.stats import Interval

SEED_HEADS = ("task", "pair", "kind", "cell", "alias", "seed", "status", "code", "metric", "value", "key")
HEADS = (
    "task", "pair", "kind", "cell", "alias", "planned", "done", "diverged", "metric", "n", "mean", "sd", "control", "difference",
    "low", "high", "low_crossed", "high_crossed", "verdict", "keys",
)  # fmt: skip
ESCAPES = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "−": "$-$", "±": r"$\pm$", "Δ": r"$\Delta$", "·": r"$\cdot$",
    "→": r"$\rightarrow$", "∞": r"$\infty$", "†": r"$\dagger$", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "×": r"$\times$", '"': r"\textquotedbl{}",
}  # fmt: skip


def latex(page: Page) -> str:
    """Two tables a task, to be \\input into a document that loads booktabs."""
    parts = [f"% {' '.join(page.title.split())}: made by kdbench; needs \\usepackage{{booktabs}} and \\usepackage[T1]{{fontenc}}"]
    for table in page.tables:
        columns = outcome_columns(table, one_interval=True)
        parts.append(tabular(page.name, table, table.listed, columns, "outcome", explained(table)))
        parts.append(tabular(page.name, table, table.rows, control_columns(table), "fidelity controls and cost", ""))
    return "\n\n".join(parts) + "\n"


def explained(table: Table) -> str:
    """What a reader of a paper must know of the numbers."""
    compared = any(row.differences for row in table.students)
    over = "seeds and test examples" if table.crossed else "seeds"
    change = f" Δ: difference to the control, paired by seed, with its 95 % interval over {over}." if compared else ""
    mixed = " † The control had another recipe or other labelled data." if any(not r.like_control for r in table.students) else ""
    return f"Mean ± standard deviation over seeds, last step.{change}{mixed} Bold: the best mean, which is no test."


def tabular(name: str, table: Table, rows: Sequence[Row], columns: Sequence[Column], what: str, more: str) -> str:
    heads = ["cell", *(column.title for column in columns)]
    lines = [" & ".join(map(escaped, heads)) + r" \\", r"\midrule"]
    for row in rows:
        cells = [escaped(row.name), *(set_in(column.read(row)) for column in columns)]
        lines.append(" & ".join(cells) + r" \\")
    body = "\n".join(lines)
    caption = escaped(f"{table.title}: {what}. {more}".strip())
    label = re.sub(r"[^a-z0-9]+", "-", f"{name} {table.title} {what}".lower()).strip("-")
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n"
        f"\\begin{{tabular}}{{l{'r' * len(columns)}}}\n\\toprule\n"
        f"{body}\n\\bottomrule\n\\end{{tabular}}\n\\end{{table}}"
    )


def set_in(entry: Entry) -> str:
    text = escaped(entry.text)
    return rf"\textbf{{{text}}}" if "best" in entry.marks else text  # one meaning of bold; an interval shows what it excludes


def escaped(text: str) -> str:
    return "".join(ESCAPES.get(character, character) for character in " ".join(text.split()))


def csv_text(page: Page) -> str:
    """A row a cell and metric; empty where there is no value, keys of the results that it stands on in the last column."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADS)
    for table in page.tables:
        for row in table.listed:
            for metric in row.metrics:
                if row.summary(metric).n:
                    writer.writerow(csv_row(table, row, metric))
    return out.getvalue()


def seeds_text(page: Page) -> str:
    """A row a run and metric: the values that the means of the other file are made of."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SEED_HEADS)
    for table in page.tables:
        for row in table.listed:
            for metric, summary in row.metrics.items():
                if summary.n:
                    writer.writerows(seed_row(table, row, metric, source, summary.by_seed) for source in row.sources)
    return out.getvalue()


def seed_row(table: Table, row: Row, metric: str, source: Source, by_seed: Mapping[int, float]) -> list[object]:
    names = [safe(table.task), safe(table.pair), row.kind, safe(row.label), safe(row.alias or "")]
    value = exact(by_seed.get(source.seed, math.nan)) if source.status == "done" else ""
    return [*names, source.seed, source.status, MARK if source.older else "", metric, value, source.key]


def csv_row(table: Table, row: Row, metric: str) -> list[object]:
    summary = row.summary(metric)
    found = row.differences.get(metric, Difference(math.nan, None, 0))
    keys = " ".join(source.key for source in row.sources if source.status == "done")
    names = [safe(table.task), safe(table.pair), row.kind, safe(row.label), safe(row.alias or "")]
    numbers = [summary.n, exact(summary.mean), exact(summary.sd), safe(row.control or "") if found.n else "", exact(found.mean)]
    verdict = found.verdict if found.verdict and row.complete else ""
    counts = [row.planned, row.done, row.diverged]
    return [*names, *counts, metric, *numbers, *ends(found.interval), *ends(found.crossed), verdict, keys]


def ends(interval: Interval | None) -> tuple[str, str]:
    return ("", "") if interval is None else (exact(interval.low), exact(interval.high))


def exact(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))


def safe(text: str) -> str:
    """No cell of a spreadsheet may begin a formula; some programs take white space away before they look."""
    return f"'{text}" if text.lstrip()[:1] in ("=", "+", "-", "@") else text
