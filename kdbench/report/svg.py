"""The few parts that the plots are drawn from: scales with round ticks, and SVG elements whose text is always escaped.

Colours and fonts are the page's own through CSS classes, so that the plots follow its light and dark forms. Drawn by hand rather
than with matplotlib, whose import and layout alone would take most of the five seconds that a cached run may take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from kdbench.report.numbers import MINUS

CHARACTER = 6.3  # mean width of a character at 11 px, in the fonts that browsers put for system-ui
ROOM = 0.07  # beyond the outermost values, of the way between them
STEPS = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True)
class Scale:
    """Values low..high on pixels start..stop."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def clamp(self, value: float) -> float:
        return min(max(value, self.low), self.high)

    def ticks(self, about: int) -> list[tuple[float, str]]:
        """Round values within, about so many, with their text."""
        raw = (self.high - self.low) / about
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(s for s in STEPS if s * power >= raw * 0.999) * power
        places = max(0, -math.floor(math.log10(step) + 1e-9)) + (round(step / power * 2) % 2 if step < 10 else 0)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [(i * step, label(i * step, places)) for i in range(first, last + 1)]


def label(value: float, places: int) -> str:
    text = f"{abs(value):.{places}f}"
    return MINUS + text if value < 0 and float(text) else text


def around(values: Sequence[float]) -> tuple[float, float]:
    """Bounds around values with room at both ends; room of its own where all are equal."""
    low, high = min(values), max(values)
    room = (high - low) * ROOM or abs(high) * 0.02 or 0.5
    return low - room, high + room


def element(tag: str, text: Markup | str | None = None, **attributes: object) -> Markup:
    """`<tag a="b">text</tag>`; underscores in names become hyphens, `class_` is class, numbers are cut to a hundredth."""
    # Plain strings put together are five times as fast as Markup's own format, and a page has many of them.
    pairs = "".join([f' {attribute(name)}="{escape(value_of(value))}"' for name, value in attributes.items()])
    return Markup(f"<{tag}{pairs}/>" if text is None else f"<{tag}{pairs}>{escape(text)}</{tag}>")


def attribute(name: str) -> str:
    return name.rstrip("_").replace("_", "-") if name != "viewBox" else name


def value_of(value: object) -> str:
    return f"{round(value, 2) + 0.0:g}" if isinstance(value, float) else str(value)  # + 0.0: no minus zero


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def words(text: str, x: float, y: float, class_: str = "", anchor: str = "start", **more: object) -> Markup:
    return element("text", text, x=float(x), y=float(y), class_=class_, text_anchor=anchor, **more)


def titled(class_: str, title: str, *parts: Markup) -> Markup:
    """A group with a tooltip."""
    return element("g", Markup("").join([element("title", title), *parts]), class_=class_)


def drawing(width: float, height: float, name: str, parts: Sequence[Markup]) -> Markup:
    """The picture itself; `name` is what a screen reader says."""
    return element(
        "svg",
        Markup("\n").join(parts),
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=name,
    )


def shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
