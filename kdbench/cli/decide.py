"""kdbench run --decide: more seeds for the cells that the gate cannot tell yet, look by look, and for nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from kdbench.cli.session import Session
from kdbench.cli.text import count
from kdbench.cli.verbs.gate import judge
from kdbench.cli.work import How, Work, work

if TYPE_CHECKING:
    from kdbench.gate.looks import More
    from kdbench.gate.verdicts import GateReport
    from kdbench.results.record import Record


@dataclass
class Decision:
    """The last verdicts, what was run for them, and the results of further seeds, which the suite does not plan."""

    report: GateReport
    rounds: list[Work] = field(default_factory=list)
    further: dict[str, Record] = field(default_factory=dict)


def decide(session: Session, baselines: Path, how: How) -> Decision:
    """Judge, run what the next look of each undecided cell lacks, judge again. It ends where nothing is undecided, where the
    last look is over, and where a round brought nothing new. All looks share one false-alarm rate, so this costs none of it."""
    from kdbench.gate.experiments import Experiments
    from kdbench.gate.looks import next_look

    decision = Decision(judge(session, baselines))
    experiments = Experiments.of(session.expansion.arms, session.registry, session.path.parent)
    while more := next_look(decision.report):
        how.say(announced(more))
        jobs = experiments.graph_at({one.cell: one.seeds for one in more})
        part = replace(session, jobs=jobs)
        # Older code's results of these seeds are of no use to the gate, whatever is to become of those that the suite plans.
        done = work(part, part.plan(part.records(set_aside=True), "rerun"), how)
        decision.rounds.append(done)
        decision.further |= part.records()
        if done.stopped is not None or not any(end.state in ("done", "diverged") for end in done.outcomes.values()):
            break
        decision.report = judge(session, baselines)
    return decision


def counted(report: GateReport, session: Session) -> str:
    """What the gate counts beside the tables, which have the seeds that the suite plans; empty where it is the same."""
    seeds = {cell.cell: len(cell.seeds) for cell in report.cells}
    more = [seeds[cell] - len(keys) for cell, keys in session.jobs.cells.items() if seeds.get(cell, 0) > len(keys)]
    if not more:
        return ""
    return f"The gate counts {count(sum(more), 'further seed')} of {count(len(more), 'cell')}, which tables and report leave out:"


def announced(more: list[More]) -> str:
    """`undecided: 2 cells get 6 more seeds, up to 6 each`"""
    looks = sorted({one.look for one in more})
    seeds = sum(len(one.seeds) for one in more)
    cells = f"{count(len(more), 'cell')} {'gets' if len(more) == 1 else 'get'}"
    return f"undecided: {cells} {count(seeds, 'more seed')}, up to {' or '.join(map(str, looks))} each"
