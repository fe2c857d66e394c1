"""What every task owes, as rules: honest splits, views that can be replayed, decisions and outputs that metrics can read."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw
from kdbench.contract.task import Samples, Task
from kdbench.metrics import card, catalogue
from kdbench.registry import load_target
from kdbench.testing.bench import awake
from kdbench.testing.case import several
from kdbench.testing.task_case import FEW, HELD_OUT, TaskCase
from kdbench.testing.verdict import TASK_RULES, Verdict, fails, holds, rule, skips

task_rule = functools.partial(rule, of=TASK_RULES)
MANY = 400  # views of a sample that are looked at
DRAWS = (Draw(7), Draw(8))
ENDINGS = {"retrieval": ".txt", "tagging": ".wav"}  # what a family shows first; the others show a picture


def digests(samples: Samples, fields: tuple[str, ...]) -> list[bytes]:
    """What identifies each sample: a hash of its inputs."""
    columns = [samples.fields[name].contiguous().numpy() for name in fields]
    return [hashlib.sha256(b"".join(column[row].tobytes() for column in columns)).digest() for row in range(len(samples))]


@task_rule("sets", mend="name in `sets` what data() gives, in `roles` three of these names, and give fields of equal length")
def sets(case: TaskCase) -> Verdict:
    """Every set, role and split gives samples: fields of one length, with all that the task names."""
    facts = case.plugin.facts
    wrong = [f"{role} -> {name}" for role, name in facts["roles"].items() if name not in facts["sets"]]
    missing = {"labelled", "transfer", "teacher"} - facts["roles"].keys()
    if wrong or missing:
        return fails(f"roles name no set of the task: {', '.join(wrong or sorted(missing))}")
    for name in (*facts["sets"], *HELD_OUT):
        samples = case.task.data(name)
        lacks = set(facts["fields"]) - samples.fields.keys()
        if lacks:
            return fails(f"set {name!r} has no field {several(lacks)}")
        if len({len(values) for values in samples.fields.values()}) != 1 or not len(samples):
            return fails(f"set {name!r} has fields of different lengths, or none")
    return holds(", ".join(f"{name} {len(case.task.data(name)):,}" for name in HELD_OUT))


@task_rule("disjoint", mend="split before anything else; remove what occurs twice")
def disjoint(case: TaskCase) -> Verdict:
    """No sample of val or test occurs in the other, nor in any set that a student or teacher learns from."""
    task, fields = case.task, tuple(case.plugin.facts["fields"])
    held = {name: set(digests(task.data(name), fields)) for name in HELD_OUT}
    if held["val"] & held["test"]:
        return fails(f"{len(held['val'] & held['test'])} samples of val are in test")
    for name in case.plugin.facts["sets"]:
        known = set(digests(task.data(name), fields))
        for split, other in held.items():
            if known & other:
                return fails(f"{len(known & other)} samples of {split} are in the set {name!r}")
    return holds()


@task_rule("hidden-labels", mend="give the transfer set the task's `fields` alone, or offer it as a labelled set")
def hidden_labels(case: TaskCase) -> Verdict:
    """Labels are absent from the distillation set, unless it is the labelled set itself."""
    facts, samples = case.plugin.facts, case.task.data(case.plugin.facts["roles"]["transfer"])
    if facts["roles"]["transfer"] == facts["roles"]["labelled"]:
        return skips("labelled and distillation set are one")
    further = samples.fields.keys() - set(facts["fields"])
    return fails(f"the distillation set shows {several(further)}") if further else holds()


@task_rule("views", mend="draw with draw.uniform or draw.normal, by view and index; never from a generator")
def views(case: TaskCase) -> Verdict:
    """A view is a pure function of draw, view and sample: the same again, in any company, and the sample is not touched."""
    samples = case.task.data(case.plugin.facts["roles"]["labelled"])
    index = torch.arange(min(FEW, len(samples)))
    for policy in case.plugin.facts["augments"]:
        whole = shown(case, policy, index, torch.full_like(index, 3))
        rows = samples.rows(index)
        batch = Batch({name: value.clone() for name, value in rows.items()}, index, torch.full_like(index, 3))
        torch.rand(3)
        again = case.task.augment(policy, batch, Draw(7))
        if differ(whole, again):
            return fails(f"view {policy!r} shows another {differ(whole, again)} when drawn again")
        if any(not torch.equal(batch.fields[name], value) for name, value in rows.items()):
            return fails(f"view {policy!r} changes the batch that it is given")
        some = index[1::2]
        part = shown(case, policy, some, torch.full_like(some, 3))
        apart = differ(Batch({n: v[1::2] for n, v in whole.fields.items()}, some, some), part)
        if apart:
            return fails(f"view {policy!r} shows another {apart} of a sample in other company")
    return holds(", ".join(case.plugin.facts["augments"]))


@task_rule("finite-views", mend="finite() counts what augment() shows: read the same draws in both, or return None")
def finite_views(case: TaskCase) -> Verdict:
    """Views that the task says can be counted show a sample alike wherever their codes are equal, whatever the draw."""
    samples = case.task.data(case.plugin.facts["roles"]["labelled"])
    counted = []
    for policy in case.plugin.facts["augments"]:
        views = case.task.finite(policy)
        if views is None:
            continue
        counted.append(f"{policy} {views.count}")
        found = unlike(case.task, samples, policy, torch.arange(min(FEW, len(samples))), min(4 * views.count, MANY))
        if found:
            return fails(f"view {policy!r}: {found}")
    return holds(", ".join(counted)) if counted else skips("no policy has views that can be counted")


def unlike(task: Task, samples: Samples, policy: str, index: Tensor, views: int) -> str:
    """What is wrong with the codes of that many views in each of two draws; empty where they are right."""
    finite = task.finite(policy)
    assert finite is not None
    rows, view = index.repeat(views), torch.arange(views).repeat_interleave(len(index))
    parts = [(task.augment(policy, Batch(samples.rows(rows), rows, view), draw), finite.code(view, rows, draw)) for draw in DRAWS]
    code, whose = torch.cat([code for _, code in parts]), rows.repeat(len(DRAWS))
    if code.dtype != torch.long or code.shape != whose.shape or int(code.min()) < 0 or int(code.max()) >= finite.count:
        return f"codes are no numbers from 0 to {finite.count - 1}, one for each sample"
    _, which = (whose * finite.count + code).unique(return_inverse=True)
    first = torch.full((int(which.max()) + 1,), len(which)).scatter_reduce_(0, which, torch.arange(len(which)), "amin")
    for name in parts[0][0].fields:
        shown = torch.cat([batch.fields[name] for batch, _ in parts])
        if not torch.equal(shown, shown[first[which]]):
            return f"samples of one code have different {name}"
    return ""


def shown(case: TaskCase, policy: str, index: Tensor, view: Tensor) -> Batch:
    samples = case.task.data(case.plugin.facts["roles"]["labelled"])
    return case.task.augment(policy, Batch(samples.rows(index), index, view), Draw(7))


def differ(a: Batch, b: Batch) -> str | None:
    return next((name for name, value in a.fields.items() if not torch.equal(value, b.fields[name])), None)


@task_rule("decides", mend="decide() reads values and batch alone; loss() is a mean over decisions that count")
def decides(case: TaskCase) -> Verdict:
    """A net's values become decisions of the declared axis and grid, labels only where there are some; the loss is finite."""
    task, facts, net = case.task, case.plugin.facts, awake(case.net("student"), case.stream("labelled"))
    for role in ("labelled", "transfer"):
        batch = case.stream(role).batch(0)
        decisions = task.decide(net(batch).values, batch)
        if decisions.axis != facts["axis"] or (decisions.grid is not None) != facts["grid"]:
            return fails(f"decisions have axis {decisions.axis!r} and grid {decisions.grid}, the task declares otherwise")
        if decisions.axis != "candidate" and decisions.answers != task.facts.outputs:
            return fails(f"decisions have {decisions.answers} answers, the task's facts say {task.facts.outputs}")
        if (decisions.labels is not None) != ("label" in batch.fields):
            return fails(f"decisions on the {role} batch have labels where the batch has none, or lack them")
        if not bool(decisions.values.isfinite().all()):
            return fails("an untrained student's values are not finite")
        if role == "labelled":
            loss = task.loss(decisions)
            loss.backward()
            slopes = [p.grad for p in net.parameters() if p.grad is not None]
            if loss.dim() or not all(bool(t.isfinite().all()) for t in (loss, *slopes)):
                return fails("the supervised loss is not one finite number with finite gradients")
            nothing = decisions.but(values=decisions.values.detach(), valid=torch.zeros(decisions.count, dtype=torch.bool))
            if float(task.loss(nothing)) != 0:
                return fails("the supervised loss is not 0 where no decision is valid")
    return holds()


@task_rule("scored", mend="see the family's other tasks for the arrays that its metrics read")
def scored(case: TaskCase) -> Verdict:
    """Evaluation outputs of val and test are read by the family's metrics, and a net agrees fully with itself."""
    if case.task.family not in catalogue.FAMILIES:
        return fails(f"family {case.task.family!r} is none of {', '.join(catalogue.FAMILIES)}")
    for split in HELD_OUT:
        found = card.truth(case.task.family, case.outputs[split])
        lacks = [m.name for m in catalogue.metrics(case.task.family) if m.primary and m.kind == "truth" and m.name not in found]
        if lacks:
            return fails(f"the outputs of {split} give no {several(lacks)}")
    card.fidelity(case.task.family, case.outputs["test"], [case.outputs["test"]])
    return holds()


@task_rule("pair", mend="name models of the registry in `pair`, with params that fit")
def pair(case: TaskCase) -> Verdict:
    """The task's own teacher and student can be built, and answer on every stream."""
    for side in ("teacher", "student"):
        for role in ("labelled", "transfer"):
            batch = case.stream(role).batch(0)
            outputs = case.net(side).eval()(batch)
            if len(outputs.values) != len(batch):
                return fails(f"the {side} gives {len(outputs.values)} answers on {len(batch)} samples of the {role} set")
    return holds()


@task_rule("stable", mend="identify data by generator and version, or by a digest of files; never by time, path or hash()")
def stable(case: TaskCase) -> Verdict:
    """Fingerprint and data are the same in a second object with the same params."""
    kind = load_target(case.plugin.target)
    config, other = kind.Config(**case.params), case.fresh()
    first = kind.fingerprint(config)
    if not first or first != kind.fingerprint(kind.Config(**case.params)):
        return fails("the fingerprint is empty, or another one each time")
    for name in (case.plugin.facts["roles"]["labelled"], "test"):
        a, b = case.task.data(name), other.data(name)
        changed = [field for field in a.fields if not torch.equal(a.fields[field], b.fields[field])]
        if changed:
            return fails(f"set {name!r} has another {several(changed)} in a second object of the task")
    return holds(first)


@task_rule("described", mend="describe() gives plain data with a line `what` and sizes; sample() writes one file")
def described(case: TaskCase) -> Verdict:
    """describe() is plain data, and sample() writes a file that shows the data."""
    told = case.task.describe()
    json.dumps(told)
    if not told:
        return fails("describe() says nothing")
    refused = ""
    first = ENDINGS.get(case.task.family, ".png")
    with tempfile.TemporaryDirectory() as folder:
        for ending in (first, *({".png", ".txt", ".wav"} - {first})):
            path = Path(folder) / f"sample{ending}"
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    case.task.sample(path)
            except Exception as error:  # a task refuses an ending in its own way
                refused = refused or f" ({ending}: {type(error).__name__}: {error})"
            if path.is_file() and path.stat().st_size:
                return holds(f"a sample as {ending}")
    return fails(f"sample() writes no file{refused}")
