"""The report as one HTML page that loads nothing: style, script and plots are in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdbench.report import choices, claims, published
from kdbench.report.across import across
from kdbench.report.columns import control_columns, lower_is_better, outcome_columns
from kdbench.report.curves import curves_plot, shares, terms
from kdbench.report.detail_plots import detail_plot
from kdbench.report.fidelity_plots import TITLES, fidelity_plot, stacked
from kdbench.report.forest import forest
from kdbench.report.model import Page, Table
from kdbench.report.numbers import SCORE, number, span
from kdbench.report.ranking import ranking_plot
from kdbench.report.scatter import scatter
from kdbench.report.strips import MOST
from kdbench.results.older import MARK

TEMPLATES = Path(__file__).with_name("templates")


def html(page: Page) -> str:
    """The whole page."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,  # labels come from suites and plugins, and may hold anything
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (Markup((TEMPLATES / name).read_text()) for name in ("style.css", "script.js"))
    return environment.get_template("page.html.j2").render(
        page=page,
        sections=[{"id": f"task-{i}", **section(table)} for i, table in enumerate(page.tables, 1)],
        across=across(page.tables),
        number=number,
        MARK=MARK,
        span=span,
        SCORE=SCORE,
        claims=claims,
        published=published,
        choices=choices,
        lower=lower_is_better,
        style=style,
        script=script,
    )


def section(table: Table) -> dict[str, Any]:
    """What the template shows of one task and pair."""
    scatters = [scatter(table, fidelity) for fidelity in (table.endpoints.agreement, table.endpoints.log_kl)]
    return {
        "table": table,
        "outcome": outcome_columns(table),
        "controls": control_columns(table),
        "scatters": [plot for plot in scatters if plot],
        "forest": forest(table),
        "crowded": len(table.students) > MOST,
        "fidelity": fidelity_plot(table),
        "stacked": [(name, TITLES[name]) for name in stacked(table)],
        "detail": detail_plot(table),
        "ranking": ranking_plot(table),
        "curves": curves_plot(table),
        "terms": terms(table),
        "shares": [(curve.label, shares(curve)) for curve in table.curves if shares(curve)],
    }
