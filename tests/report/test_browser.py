"""The page in a real browser: sorting, filtering, the theme, and a layout that never scrolls sideways as a whole."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from fabricated import LARGE, make, plain

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


def ask(tmp_path: Path, script: str, width: int = 1280, maker: Any = plain) -> Any:
    """What a script finds in the page: its last expression, as JSON."""
    page = make(LARGE, maker).build(tmp_path).html.read_text()
    show = (
        "document.body.innerHTML = '<pre id=found></pre>'; document.getElementById('found').textContent = JSON.stringify(result);"
    )
    path = tmp_path / "probe.html"
    path.write_text(page.replace("</body>", f"<script>const result = (() => {{ {script} }})(); {show}</script></body>"))
    command = [str(CHROMIUM), *QUIET, f"--user-data-dir={tmp_path / 'browser'}", f"--window-size={width},900", "--dump-dom"]
    done = subprocess.run([*command, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-2000:]
    return json.loads(unescape(match[1]))


NAMES = "const names = () => [...document.querySelector('table.sortable').tBodies[0].rows].map(r => r.cells[0].innerText.trim());"
CLICK = (
    "const click = (n) => document.querySelectorAll('table.sortable')[0].tHead.rows[0].cells[n].querySelector('button').click();"
)


def test_a_click_sorts_down_then_up_then_back(tmp_path: Path) -> None:
    def lacking(task: str, cell: str, seed: int) -> Any:
        return None if cell == "kd[T=2]" else plain(task, cell, seed)

    script = f"{NAMES}{CLICK} const all = [names()]; for (let i = 0; i < 3; i++) {{ click(2); all.push(names()); }} return all;"
    before, down, up, back = ask(tmp_path, script, maker=lacking)
    assert before[0] == down[0] == up[0] == "teacher"  # the reference stays on top
    assert down[-1] == up[-1] == "kd[T=2]"  # what has no value goes last either way
    assert down[1] == "kd" and down[-2].startswith("none")
    assert up[1:-1] == down[1:-1][::-1]
    assert back == before


def test_the_first_column_sorts_by_name(tmp_path: Path) -> None:
    names = ask(tmp_path, f"{NAMES}{CLICK} click(0); return names();")
    assert names[1:] == sorted(names[1:])


def test_the_filter_hides_other_rows(tmp_path: Path) -> None:
    script = """
    const box = document.getElementById("filter"); box.value = "KD t=2"; box.dispatchEvent(new Event("input"));
    return [...document.querySelectorAll("table.sortable tbody tr")].filter(r => !r.hidden).map(r => r.cells[0].innerText.trim());
    """
    assert set(ask(tmp_path, script)) == {"kd[T=2]"}


def test_the_theme_button_turns_the_colours(tmp_path: Path) -> None:
    script = """
    const seen = () => getComputedStyle(document.body).backgroundColor;
    const button = document.getElementById("theme"); const all = [seen()];
    for (let i = 0; i < 2; i++) { button.click(); all.push(seen()); } return all;
    """
    first, second, third = ask(tmp_path, script)
    assert first == third != second


@pytest.mark.parametrize("width", [500, 1280])
def test_only_tables_and_plots_scroll_sideways(width: int, tmp_path: Path) -> None:
    page, window = ask(tmp_path, "return [document.documentElement.scrollWidth, window.innerWidth];", width)
    assert page <= window
