"""Names, reasons and sources that hold HTML, Markdown, LaTeX, formulas, commands of CI servers: shown, and never obeyed."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fabricated import Made, make, plain
from hypothesis import given
from hypothesis import strategies as st
from test_gate_outputs import fabricated

from kdbench.contract.text import UNSHOWN
from kdbench.gate.github import command, workflow_commands
from kdbench.gate.junit import junit
from kdbench.gate.markdown import markdown
from kdbench.gate.verdicts import Verdict
from kdbench.report.html import html
from kdbench.report.markdown import code
from kdbench.report.markdown import plain as as_markdown
from kdbench.report.model import Page
from kdbench.report.papers import csv_text, escaped, latex, safe
from kdbench.report.svg import element

EVIL = (
    "</title></script><script>alert(1);document.title='ran'</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)> "
    "{{7*7}} ${8*8}"
)
CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
SUITE = """
version: 1
name: hostile
description: EVIL
seeds: 2
tasks:
  - {task: digits, teachers: {pool: 2}}
methods:
  - {method: kd, params: {T: 3.0}}
  - {method: fitnets}
exclude: [{task: digits, method: fitnets, reason: EVIL}]
claims:
  - {id: one, task: digits, arm: kd, over: none, metric: accuracy, at_least: 0.0, source: EVIL, expect: EVIL}
  - {id: two, task: digits, arm: "kd[T=3]", over: none, metric: accuracy, at_least: 0.9, source: EVIL}
"""


def hostile() -> Page:
    """A page in which every text that is not our own is an attack: of a suite, of records, and what no suite could hold."""
    provenance = {
        "git": {"commit": EVIL, "branch": EVIL, "dirty": True, "remote": EVIL},
        "machine": {"platform": EVIL, "cpu": EVIL, "cores": 2, "gpus": [EVIL]},
        "versions": {"python": EVIL, "torch": EVIL, EVIL: EVIL},
        "device": EVIL,
        "leaks": [EVIL],
    }
    made: Made = make(SUITE.replace("EVIL", json.dumps(EVIL)).replace("arm: kd,", 'arm: "kd[T=3]",'), plain, provenance)
    page = made.page()
    for name in ("name", "description", "suite_text"):
        setattr(page, name, EVIL)
    page.remarks.append(EVIL)
    page.refused.append((EVIL, [EVIL]))
    page.provenance.append((EVIL, EVIL))
    for table in page.tables:
        table.task = table.pair = EVIL
        for row in table.rows:
            if row.kind != "teacher":
                object.__setattr__(row, "alias", EVIL)
    return page


class Seen(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def page() -> Page:
    return hostile()


@pytest.fixture(scope="module")
def text(page: Page) -> str:
    return html(page)


def test_the_page_is_ours_alone(text: str) -> None:
    seen = Seen()
    seen.feed(text)
    tags = [tag for tag, _ in seen.tags]
    assert tags.count("script") == 1 and "img" not in tags and "iframe" not in tags
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"], (tag, attributes)
        assert not (attributes.get("href") or "#").lstrip().startswith(("javascript:", "data:", "http")), (tag, attributes)
    words = "".join(seen.words)
    assert words.count("<script>alert(1)") > 5 and words.count("{{7*7}} ${8*8}") > 5  # shown as they are, no template either
    csp = next(a["content"] for tag, a in seen.tags if tag == "meta" and a.get("http-equiv") == "Content-Security-Policy")
    assert csp is not None and csp.startswith("default-src 'none'") and "http" not in csp


@given(st.text())
def test_svg_takes_any_text(words: str) -> None:
    told = UNSHOWN.sub("", words).replace("\ufffe", "").replace("\uffff", "")
    read = ElementTree.fromstring(str(element("text", told, title=told, class_="x")))
    assert (read.text or "") == told and list(read.attrib) == ["title", "class"] and not list(read)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_nothing_runs_and_nothing_is_fetched_in_a_browser(text: str, tmp_path: Path) -> None:
    """The page from a server that writes down what is asked of it; whatever ran would have said so in the title."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(text.encode() if self.path == "/page" else b"")

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        words = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--dump-dom")
        folder, address = f"--user-data-dir={tmp_path / 'browser'}", f"http://127.0.0.1:{server.server_port}/page"
        done = subprocess.run([str(CHROMIUM), *words, folder, address], capture_output=True, text=True, timeout=120, check=True)
    finally:
        server.shutdown()
        server.server_close()
    seen = Seen()
    seen.feed(done.stdout)
    tags = [tag for tag, _ in seen.tags]
    assert tags.count("script") == 1 and "img" not in tags and tags.count("table") > 3
    assert "<title>ran" not in done.stdout and "<title>&lt;/title&gt;" in done.stdout
    assert set(asked) <= {"/page", "/favicon.ico"}  # the browser asks for the icon of any page by itself


def test_csv_holds_no_formula(page: Page) -> None:
    for start in ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", " =1"):
        assert safe(start).startswith("'")
        for table in page.tables:
            table.task = table.pair = start
        for row in csv.reader(io.StringIO(csv_text(page))):
            assert not any(cell.lstrip()[:1] in ("=", "+", "@") for cell in row), row
            assert all(re.fullmatch(r"-[\d.e-]+|-?inf|[^-].*|", cell, re.DOTALL) for cell in row), row


def test_latex_takes_no_command(page: Page) -> None:
    assert escaped(r"\input{/etc/passwd}\write18{touch x}%$#&_^~") == (
        r"\textbackslash{}input\{/etc/passwd\}\textbackslash{}write18\{touch x\}\%\$\#\&\_\textasciicircum{}\textasciitilde{}"
    )
    comment, _, tables = latex(page).partition("\n")
    assert comment.startswith("% ") and "<script>" not in tables and "onerror=alert" in tables


@pytest.mark.parametrize(
    "words",
    ["<script>x</script>", "<img src=x onerror=y>", "&lt;script&gt;", "a|b\nc", "`` ` ```", "[x](javascript:y)", "![x](http://e/x.png)",
     "<http://e>", "# h", "- l", "|", "\\", "\\|"],
)  # fmt: skip
def test_markdown_is_text(words: str) -> None:
    for made in (as_markdown(words), code(words)):
        assert "\n" not in made and not re.search(r"(?<!\\)\|", made)
    assert "<" not in as_markdown(words) and not re.search(r"(?<!\\)\]\(", as_markdown(words))


COMMANDS = "kd\n::error::x\r\n::stop-commands::y%0A::set-output name=z::1 | <b>`` ` ```\n## head"


def test_ci_servers_get_one_line_a_finding() -> None:
    report = fabricated(*[Verdict.regressed] * 3, why=COMMANDS, cell=COMMANDS)
    lines = workflow_commands(report)
    assert len(lines) == 3 and all(line.startswith("::error title=") and len(line.splitlines()) == 1 for line in lines)
    assert command("error", COMMANDS, COMMANDS).count("\n") == 0
    shown = markdown(report)
    assert not [line for line in shown.splitlines() if line.startswith(("::", "## head", "<b>"))]
    assert "<b>" not in re.sub(r"`+.*?`+", "", shown)
    tests = list(ElementTree.fromstring(junit(fabricated(Verdict.regressed, why=EVIL, cell=EVIL))).iter("testcase"))
    assert len(tests) == 1 and tests[0].get("name") == f"{EVIL}0"
