"""Needs are honest: what they name is enough. A plan accepts a pairing by them, and nothing may come up later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kdbench.contract.batch import Batch, Outputs, Signal
from kdbench.testing.bench import start
from kdbench.testing.case import Case
from kdbench.testing.lenses import Through, answered
from kdbench.testing.run import Run
from kdbench.testing.setting import Asked, Setting, misfits
from kdbench.testing.verdict import Verdict, fails, holds, rule, skips


@rule("needs", mend="name in `needs` every tap, stream, field and part of the signal that a step reads")
def needs(case: Case) -> Verdict:
    """It runs on exactly what its needs name: no further tap, field, stream or part of the signal."""
    poorest = case.setting
    for params in ({}, {"reduce": "logit"}):
        source = Asked(case.setting.registry.source("ensemble"), params, 2)
        if case.setting.source is not None and not misfits(case.setting.but(source=source)):
            poorest = case.setting.but(source=source)
            break
    for setting in {id(s): s for s in (case.setting, poorest)}.values():
        said = denied(setting, case)
        if said:
            return fails(said)
    return holds() if case.setting.source is not None else skips("it asks nothing of a source; its streams are checked")


def denied(setting: Setting, case: Case) -> str | None:
    """What went wrong when everything undeclared was taken away."""
    for phase, at in case.stations:
        run = stripped(start(setting)).jump(at)
        try:
            run.look()
        except Exception as error:
            kind = setting.source.plugin.name if setting.source else "no"
            return f"its needs accept {kind} source, where it breaks{case.place(phase)}: {case.told(error)}"
    return None


def stripped(run: Run) -> Run:
    """Take away what the needs do not name: taps, transfer fields, the distillation stream, members."""
    needs, reads = run.setting.needs, run.learner.net.reads
    # Taps that the method itself gives to the student (in adapt) are its own affair.
    offered = set(run.setting.registry.model(run.setting.student["model"]).facts["taps"]) - needs.student_taps

    def outputs(module: Any, inputs: Any, shown: Outputs) -> Outputs:
        return replace(shown, taps={name: tap for name, tap in shown.taps.items() if name not in offered})

    def bare(batch: Batch) -> Batch:
        kept = {*reads, *needs.fields, *(run.teachers[0].reads if run.teachers else ())}
        return batch.but(fields={name: value for name, value in batch.fields.items() if name in kept})

    def poorer(signal: Signal) -> Signal:
        taps = {name: tap for name, tap in signal.taps.items() if name in needs.teacher_taps}
        return replace(signal, taps=taps, members=signal.members if "members" in needs.signal else ())

    run.learner.net.register_forward_hook(outputs)
    labelled, transfer = run.streams["labelled"], run.streams["transfer"]
    if "transfer" not in needs.streams and not run.setting.transfer:
        run.streams = {"labelled": labelled}
    elif transfer is not labelled and "label" not in transfer.samples.fields:
        run.streams = {"labelled": labelled, "transfer": Through(transfer, bare)}
    return answered(run, poorer)
