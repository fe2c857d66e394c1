"""The report as one HTML page that loads nothing: style, script and plots are in it."""

from __future__ import annotations

from pathlib import Path

from kdbench.report import claims
from kdbench.report.columns import control_columns, lower_is_better, outcome_columns
from kdbench.report.forest import forest
from kdbench.report.model import Page
from kdbench.report.scatter import scatter

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
    sections = [
        {
            "id": f"task-{number}",
            "table": table,
            "outcome": outcome_columns(table),
            "controls": control_columns(table),
            "scatters": [
                p for p in (scatter(table, across) for across in (table.endpoints.agreement, table.endpoints.log_kl)) if p
            ],
            "forest": forest(table),
        }
        for number, table in enumerate(page.tables, 1)
    ]
    style, script = (Markup((TEMPLATES / name).read_text()) for name in ("style.css", "script.js"))
    return environment.get_template("page.html.j2").render(
        page=page, sections=sections, claims=claims, lower=lower_is_better, style=style, script=script
    )
