"""What was found, for eyes: lines and bars for a terminal, a block for the README, a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import told
from benchmarks.measure import Line
from benchmarks.parts import PARTS, REST

WIDTH = 46  # characters of a bar
BLOCKS = "█▓▒░▚▞#"
BEGIN, END = "<!-- figures: python -m benchmarks --write -->", "<!-- end of figures -->"


def number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"


def bar_of(line: Line) -> str:
    return "" if line.bar is None else f"{'≥' if line.at_least else '≤'} {number(line.bar)}"


def verdict_of(line: Line) -> str:
    return f"missed by {line.beyond:.0%}" if line.verdict == "missed" else line.verdict


def ends(line: Line) -> str:
    return f"{number(min(line.found))} … {number(max(line.found))}" if len(line.found) > 1 else ""


def text(lines: Sequence[Line]) -> str:
    """A row a line: the median, its ends, the bar, the verdict, how the reference compared with itself."""
    rows = []
    for line in lines:
        found = f"{number(line.value)} {line.unit}"
        spread = f"[{ends(line)}]" if ends(line) else ""
        noise = f"A/A {line.guard:.3f}" if line.guard is not None else ""
        rows.append((line.what, found, spread, bar_of(line), verdict_of(line), "; ".join(filter(None, [noise, line.note]))))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[5]]).rstrip() for row in rows)


def bars(shares: Mapping[str, Mapping[str, float]]) -> str:
    """Where a step's time goes, a bar each; bars that are compared have one scale."""
    out = ["  ".join(f"{block} {part}" for block, part in zip(BLOCKS, (*PARTS, REST)))]
    longest = max(map(len, shares))
    for name, parts in shares.items():
        scale = WIDTH / max(sum(other.values()) for other in alike(name, shares))
        drawn = "".join(block * round(parts[part] * scale) for block, part in zip(BLOCKS, (*PARTS, REST)))
        out.append(f"{name:{longest}}  {drawn} {1e3 * sum(parts.values()):.1f} ms")
    return "\n".join(out)


def alike(name: str, shares: Mapping[str, Mapping[str, float]]) -> list[Mapping[str, float]]:
    """The bars that share a scale: those of null networks would not be seen beside real ones."""
    return [parts for other, parts in shares.items() if other.startswith("null") == name.startswith("null")]


def picture(shares: Mapping[str, Mapping[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    kinds = [[name for name in shares if name.startswith("null") == null] for null in (False, True)]
    kinds = [kind for kind in kinds if kind]
    figure = Figure(figsize=(9, 1 + 0.55 * len(shares)), layout="constrained")
    axes = figure.subplots(len(kinds), 1, squeeze=False, height_ratios=[len(kind) for kind in kinds])[:, 0]
    colours = ["#4c78a8", "#f58518", "#54a24b", "#b279a2", "#e45756", "#9d755d", "#333333"]
    for ax, kind in zip(axes, kinds):
        left = dict.fromkeys(kind, 0.0)
        for part, colour in zip((*PARTS, REST), colours):
            lengths = [1e3 * shares[name][part] for name in kind]
            ax.barh(kind, lengths, left=list(left.values()), color=colour, label=part, height=0.7)
            left = {name: left[name] + length for name, length in zip(kind, lengths)}
        ax.invert_yaxis()
        ax.spines[["top", "right"]].set_visible(False)
    axes[-1].set_xlabel("CPU ms a step")
    figure.legend(*axes[0].get_legend_handles_labels(), ncols=4, loc="outside upper center", frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def markdown(found: Mapping[str, Sequence[Line]], machine: Mapping[str, Any], day: str) -> str:
    """The block of the README."""
    out = [f"{day}: {told(dict(machine))}.", ""]
    out += ["| benchmark | figure | median | ends | bar | verdict |", "|---|---|---|---|---|---|"]
    for name, lines in found.items():
        for line in lines:
            notes = f" ({line.note})" if line.note else ""
            noise = f", A/A {line.guard:.3f}" if line.verdict == "too noisy" else ""
            cells = [
                name,
                line.what + notes,
                f"{number(line.value)} {line.unit}",
                ends(line),
                bar_of(line),
                verdict_of(line) + noise,
            ]
            out.append("| " + " | ".join(cells) + " |")
    return "\n".join(out)


def with_block(readme: str, block: str) -> str:
    """The README with another block of figures between its marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the README lacks the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{block}\n{END}{after}"
