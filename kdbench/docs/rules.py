"""The page of conformance: every rule of methods and of tasks, with what it demands and how a failure is mended."""

from __future__ import annotations

from kdbench.docs.markdown import made, table
from kdbench.testing import conform
from kdbench.testing.verdict import RULES, TASK_RULES, Rule

INTRODUCTION = """\
What `kdbench test-method` and `kdbench test-task` look at, in the order in which they show it. A method is run a few steps in
every family that its needs accept, on the smallest built-in task, with untrained teachers. A rule that cannot hold is named in
the class, with its reason:

```text
exempt: ClassVar[dict[str, str]] = {"order": "it compares each sample with the next one, as in the paper"}
```

A failure names the term, the parameter, or the line of your file that it is about. Where `trains` fails, the others wait."""
WHOLE = (
    (
        conform.TAPS,
        "Every tap that a default names is one that some network has.",
        "name one that your tasks' networks have",
    ),
    (
        conform.EXEMPTIONS,
        "What `exempt` names is a rule, with a reason of three words at least.",
        "give the rule's name and the reason",
    ),
)
HEADS = ("rule", "what it demands", "what mends it")


def page() -> str:
    whole = [(f"`{name}`", demand, mend) for name, demand, mend in WHOLE]
    parts = [made("Rules of conformance", INTRODUCTION)]
    parts += ["## Methods and wrappers, in each family", table(HEADS, map(row, RULES.values()))]
    parts += ["## Methods and wrappers, as a whole", table(HEADS, whole)]
    parts += ["## Tasks", table(HEADS, map(row, TASK_RULES.values()))]
    return "\n\n".join(parts) + "\n"


def row(rule: Rule) -> tuple[str, str, str]:
    return f"`{rule.name}`", rule.demand, rule.mend
