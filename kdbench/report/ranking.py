"""How sure the order of a table's rows is: a map of rows by places, darker where a row is more often there."""

from __future__ import annotations

from markupsafe import Markup

from kdbench.report.model import Table
from kdbench.report.svg import CHARACTER, drawing, element, shortened, titled, words

SIDE, HEIGHT, HEAD = 46.0, 24.0, 34.0
LONGEST = 36


def ranking_plot(table: Table) -> Markup | None:
    """None where fewer than two rows could be ranked."""
    ranking = table.ranking
    if ranking is None:
        return None
    labels = [shortened(label, LONGEST) for label in ranking.labels]
    left = max(map(len, labels)) * CHARACTER + 10
    count = len(labels)
    parts = [words("place", left, 11, "tick")]
    for place in range(count):
        parts.append(words(str(place + 1), left + (place + 0.5) * SIDE, HEAD - 8, "tick", "middle"))
    for i, (label, shares) in enumerate(zip(labels, ranking.shares, strict=True)):
        y = HEAD + i * HEIGHT
        parts.append(words(label, 0, y + HEIGHT / 2 + 4, "name plain"))
        for place, share in enumerate(shares):
            x = left + place * SIDE
            cell = element("rect", x=x + 1, y=y + 1, width=SIDE - 2, height=HEIGHT - 2, class_="share", fill_opacity=share * 0.75)
            said = f"{ranking.labels[i]} in place {place + 1}: {100 * share:.1f} %"
            inside = [words(percent(share), x + SIDE / 2, y + HEIGHT / 2 + 4, "plain", "middle")] if share >= 0.005 else []
            parts.append(titled("place", said, cell, *inside))
    width = left + count * SIDE + 2
    name = f"{table.title}: share of draws in which each of {count} cells has each place in {table.endpoints.truth.title}"
    return drawing(width, HEAD + count * HEIGHT + 4, name, parts)


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
