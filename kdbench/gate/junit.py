"""The verdicts as JUnit XML, which every CI server shows: a test case a cell, and one a claim. It holds no time and no host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from kdbench.gate.table import claimed, details
from kdbench.gate.verdicts import CellVerdict, ClaimVerdict, GateReport, Verdict
from kdbench.jobs.job import where

FAILURES = (Verdict.regressed,)
ERRORS = (Verdict.missing, Verdict.stale, Verdict.incomparable, Verdict.removed, Verdict.unjudged)
SKIPPED = (Verdict.inconclusive, Verdict.new)
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML 1.0 cannot hold


def junit(report: GateReport, strict: bool = False) -> bytes:
    """A suite of test cases for each task and pair, and one for the claims. `strict` makes failures of what is undecided."""
    root = ElementTree.Element("testsuites", name=clean(f"kdbench gate {report.suite}"))
    groups: dict[str, list[ElementTree.Element]] = {}
    for cell in report.cells:
        name = f"{report.suite}.{cell.place.replace('/', '.')}"
        groups.setdefault(name, []).append(cell_case(cell, name, strict))
    for claim in report.claims:
        name = f"{report.suite}.claims"
        groups.setdefault(name, []).append(claim_case(claim, name, strict))
    for name, cases in groups.items():
        suite = ElementTree.SubElement(root, "testsuite", attrib={"name": clean(name), **counts(cases)})
        suite.extend(cases)
    for key, value in counts([case for cases in groups.values() for case in cases]).items():
        root.set(key, value)
    ElementTree.indent(root, " ")
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def cell_case(cell: CellVerdict, group: str, strict: bool) -> ElementTree.Element:
    outcome = "failure" if cell.verdict in FAILURES else "error" if cell.verdict in ERRORS else ""
    if cell.verdict in SKIPPED:
        outcome = "skipped"
    if strict and cell.verdict in (Verdict.inconclusive, Verdict.drifted):
        outcome = "failure"
    return case(cell.label, group, outcome, str(cell.verdict), cell.why, details(cell))


def claim_case(claim: ClaimVerdict, group: str, strict: bool) -> ElementTree.Element:
    undecided = "failure" if strict else "skipped"
    outcome = {"fails": "failure", "holds": "", "undecided": undecided, "not_run": "skipped"}[claim.judged.outcome]
    where_found = f"{claim.claim.id} ({where(claim.claim.task, claim.claim.pair)})"
    return case(where_found, group, outcome, claim.outcome, claim.judged.why, [claimed(claim)])


def case(name: str, group: str, outcome: str, verdict: str, why: str, lines: Sequence[str]) -> ElementTree.Element:
    made = ElementTree.Element("testcase", classname=clean(group), name=clean(name), time="0")
    text = clean("\n".join(lines))
    if outcome:
        inner = ElementTree.SubElement(made, outcome, message=clean(f"{verdict}: {why}"))
        if outcome != "skipped":
            inner.set("type", verdict)
            inner.text = text
    else:
        ElementTree.SubElement(made, "system-out").text = clean("\n".join([f"{verdict}: {why}", *lines]))
    return made


def counts(cases: Sequence[ElementTree.Element]) -> dict[str, str]:
    def number(kind: str) -> str:
        return str(sum(one.find(kind) is not None for one in cases))

    return {"tests": str(len(cases)), "failures": number("failure"), "errors": number("error"), "skipped": number("skipped")}


def clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
