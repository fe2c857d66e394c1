"""The report as plain data: every number that is shown, with the keys of the results that it stands on. No text is laid out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from kdbench.compare.beside import Beside
from kdbench.jobs.decide import Decision
from kdbench.metrics.catalogue import MetricInfo
from kdbench.results.older import Older
from kdbench.stats import Interval, Judgement
from kdbench.suite.arm import ArmClaim

NONE_OLDER = Older()
RowKind = Literal["teacher", "control", "arm", "imported"]


@dataclass(frozen=True)
class Summary:
    """A metric over a row's seeds. `n` counts those that have a value; mean and sd are NaN where there is none."""

    mean: float = math.nan
    sd: float = math.nan
    n: int = 0
    by_seed: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Row minus control, seed by seed; `crossed` is the interval over seeds and test examples, where these are known.

    `verdict` is set where every interval that there is excludes zero, and the metric has a direction.
    """

    mean: float
    interval: Interval | None
    n: int
    verdict: Literal["better", "worse"] | None = None
    crossed: Interval | None = None

    @property
    def quoted(self) -> Interval | None:
        """The one to quote where there is room for one."""
        return self.crossed or self.interval


@dataclass(frozen=True)
class Source:
    """One result that a row stands on."""

    seed: int
    key: str
    status: str
    older: bool = False  # whether older code made it


@dataclass
class Row:
    """A teacher, the control, another cell of the suite, or runs made elsewhere."""

    label: str
    kind: RowKind
    alias: str | None
    planned: int
    sources: list[Source]
    metrics: dict[str, Summary]
    control: str | None = None  # the row that the differences refer to
    like_control: bool = True  # whether that control saw the same labelled data under the same recipe
    differences: dict[str, Difference] = field(default_factory=dict)
    best: set[str] = field(default_factory=set)
    written: str | None = None  # the cell as the suite writes it, where its setting was chosen on validation data
    overdispersion: float = math.nan  # variance of its runs over what the finite test set makes of it
    marked: bool = True  # whether older code is told at the row; where the whole page is of it, that is said once

    @property
    def name(self) -> str:
        """What the suite calls an arm, else its label; the control keeps its own name everywhere."""
        return self.alias if self.alias and self.kind == "arm" else self.label

    @property
    def done(self) -> int:
        return sum(source.status == "done" for source in self.sources)

    @property
    def diverged(self) -> int:
        return sum(source.status == "diverged" for source in self.sources)

    @property
    def older(self) -> int:
        """Results of older code, to be told at the row."""
        return sum(source.older for source in self.sources) if self.marked else 0

    @property
    def missing(self) -> int:
        return self.planned - len(self.sources)

    @property
    def complete(self) -> bool:
        return self.planned > 0 and self.done == self.planned

    def summary(self, metric: str) -> Summary:
        return self.metrics.get(metric, Summary())

    def has(self, metric: str) -> bool:
        """Whether its mean is a finite number."""
        return math.isfinite(self.summary(metric).mean)


@dataclass(frozen=True)
class Endpoints:
    """The primary metrics of a family by their part in the report; a family may lack calibration. `more` are what the suite asks
    for beside them; no plot and no ranking stands on those."""

    truth: MetricInfo
    agreement: MetricInfo
    log_kl: MetricInfo
    kl: MetricInfo
    ece: MetricInfo | None
    more: tuple[MetricInfo, ...] = ()

    @property
    def primary(self) -> list[MetricInfo]:
        return [metric for metric in (self.truth, self.agreement, self.log_kl, self.ece) if metric is not None]

    @property
    def shown(self) -> list[MetricInfo]:
        always = [metric for metric in (self.truth, self.agreement, self.kl, self.log_kl, self.ece) if metric is not None]
        return [*always, *(metric for metric in self.more if metric not in always)]


@dataclass(frozen=True)
class Ranking:
    """How sure the order of a table's best rows is: `shares[i][j]` of the resamples have row i in place j. `more` rows are not
    in it."""

    labels: list[str]
    shares: list[list[float]]
    more: int


@dataclass(frozen=True)
class Curve:
    """The terms of a row's training loss over its steps, each a mean over seeds."""

    label: str
    steps: list[int]
    terms: Mapping[str, list[float]]


@dataclass
class Table:
    """One task and pair: teachers first, then the controls and arms in the suite's order."""

    task: str
    pair: str
    family: str
    endpoints: Endpoints
    rows: list[Row]
    warnings: list[str] = field(default_factory=list)  # what must be read before any number
    remarks: list[str] = field(default_factory=list)
    ranking: Ranking | None = None
    units: int = 0  # examples of the test set; 0 where they are not known
    data: list[str] = field(default_factory=list)  # remarks on what is learned from and tested on
    timed: bool = True  # whether seconds of training measure anything
    shared_members: list[str] = field(default_factory=list)  # rows whose seeds have ensembles that partly overlap
    shared_teams: list[str] = field(default_factory=list)  # rows of which several seeds have the very same teachers
    curves: list[Curve] = field(default_factory=list)
    imported: list[Row] = field(default_factory=list)  # shown below the others; nothing is counted or concluded from them

    @property
    def title(self) -> str:
        return _title(self.task, self.pair)

    @property
    def crossed(self) -> bool:
        """Whether some difference has an interval over seeds and test examples."""
        return any(found.crossed is not None for row in self.rows for found in row.differences.values())

    @property
    def listed(self) -> list[Row]:
        """Every row that the table of outcomes shows."""
        return [*self.rows, *self.imported]

    @property
    def teachers(self) -> list[Row]:
        return [row for row in self.rows if row.kind == "teacher"]

    @property
    def students(self) -> list[Row]:
        return [row for row in self.rows if row.kind != "teacher"]

    @property
    def controls(self) -> list[Row]:
        return [row for row in self.rows if row.kind == "control"]


@dataclass(frozen=True)
class JudgedClaim:
    claim: ArmClaim
    metric: MetricInfo
    verdict: Judgement
    older: bool = False  # whether results of older code are in it

    @property
    def where(self) -> str:
        return _title(self.claim.task, self.claim.pair)


@dataclass(frozen=True)
class Part:
    """What of a suite is shown. A part has a page of its own: it never takes the place of the whole suite's."""

    profile: str | None = None
    only: str | None = None

    def folder(self, suite: str) -> str:
        return "-".join(name for name in (suite, self.profile, "only" if self.only else None) if name)

    @property
    def said(self) -> str:
        chosen = [f"profile {self.profile}" if self.profile else "", f"only {self.only}" if self.only else ""]
        return ", ".join(filter(None, chosen))


@dataclass
class Page:
    """The whole report."""

    name: str
    part: Part
    description: str
    tables: list[Table]
    claims: list[JudgedClaim]
    refused: list[tuple[str, tuple[str, ...]]]
    excluded: list[tuple[str, str]]
    remarks: list[str]
    provenance: list[tuple[str, str]]
    planned: int
    done: int
    diverged: int
    suite_text: str
    decisions: list[Decision] = field(default_factory=list)
    published: list[Beside] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        return f"{self.name}, {self.part.said}" if self.part.said else self.name

    @property
    def missing(self) -> int:
        return self.planned - self.done - self.diverged

    @property
    def failed_claims(self) -> list[str]:
        return [judged.claim.id for judged in self.claims if judged.verdict.outcome == "fails"]


def _title(task: str, pair: str) -> str:
    return task if pair == "default" else f"{task} / {pair}"
