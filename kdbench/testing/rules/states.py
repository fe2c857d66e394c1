"""What lasts: a state from which a run goes on as if never stopped, a student that leaves alone, a weight that can be 0."""

from __future__ import annotations

from typing import Any

import torch

from kdbench.registry import PluginInfo, load_target
from kdbench.testing.bench import CPU, job_of, start
from kdbench.testing.case import Case, difference, several
from kdbench.testing.run import Run
from kdbench.testing.setting import Setting
from kdbench.testing.verdict import Verdict, fails, holds, rule, skips
from kdbench.train import build
from kdbench.train.seeding import reseed
from kdbench.train.stream import Tick

CONTROL = "none"


@rule(
    "weight-zero", mend="compute a term in a function, so that weight 0 costs nothing; draw own modules in build, not in the step"
)
def weight_zero(case: Case) -> Verdict:
    """With every own weight at 0 and the task's at 1 it is the control `none`, bit for bit."""
    if case.whole.run.rewritten:
        return skips("the student is rewritten, so it is not the control's network")
    setting = switched_off(case.setting, case.whole.terms)
    run = start(setting)
    for _, at in run.stations:
        terms = start(setting).jump(at).look()
        left = [name for name, seen in terms.items() if not name.startswith("task") and seen.owner == "student"]
        if left:
            changed = ", ".join(f"{name}={value}" for name, value in setting.params.items()) or "nothing"
            return fails(f"no weight switches off {several(left)} (tried {changed}); describe its param as 'weight of …'")
        if not any(name.startswith("task") and seen.weight == 1 for name, seen in terms.items()):
            return skips("it has no supervised term of weight 1")
    alone = start(setting.but(method=setting.registry.method(CONTROL), params={}, wrap=(), source=None))
    for _ in range(run.learner.recipe["steps"]):
        for each in (run, alone):
            each.learner.update(Tick(each.learner.at, each.streams))
        other = difference(dict(alone.learner.net.state_dict()), dict(run.learner.net.state_dict()))
        if other:
            return fails(f"with all weights 0, {other} of the student is not the control's after step {run.learner.at}")
    return holds()


def switched_off(setting: Setting, terms: set[str]) -> Setting:
    """The same setting with every weight of the method's own at 0, and of the supervised loss at 1."""
    params = {**setting.params, **zeros(setting.method, terms)}
    return setting.but(params=params, wrap=tuple((w, {**given, **zeros(w, terms)}) for w, given in setting.wrap))


def zeros(plugin: PluginInfo, terms: set[str]) -> dict[str, Any]:
    """Params that are weights, by their name, by their term's name or by their description; the supervised loss keeps 1."""
    found: dict[str, Any] = {}
    config = load_target(plugin.target).Config
    for name, schema in plugin.schema.get("properties", {}).items():
        default = plugin.defaults.get(name)
        if name.startswith("task"):
            value: Any = 1.0
        elif name.endswith("weight") or name in terms or schema.get("description", "").lower().startswith("weight"):
            value = [0.0] * len(default) if isinstance(default, list) else 0.0
        else:
            continue
        if isinstance(default, bool | str) or not accepted(config, plugin, name, value):
            continue
        found[name] = value
    return found


def accepted(config: Any, plugin: PluginInfo, name: str, value: Any) -> bool:
    try:
        config(**{**plugin.defaults, name: value})
    except ValueError:
        return False
    return True


@rule("resume", mend="keep what the next step depends on in buffers (tensors only), and draw from step.generator")
def resume(case: Case) -> Verdict:
    """Stopped and resumed in every phase and between phases, it ends as the uninterrupted run does, bit for bit."""
    end = case.whole.run.state()
    for at, state in sorted(case.whole.states.items()):
        run = case.start()
        torch.rand(17)  # whatever was drawn meanwhile must not matter
        changed = difference(end, run.resume(state).train().state())
        if changed:
            return fails(f"resumed at step {at}, it ends with another {changed}")
    return holds(f"at {len(case.whole.states)} places")


@rule("export", mend="return from export() a net that holds the student alone, with its weights under the student's own names")
def export(case: Case) -> Verdict:
    """The exported student loads into a network made without the method, and answers the same."""
    run = case.whole.run
    final: Any = run.learner.exported()
    state = {name: value.clone() for name, value in final.backbone.state_dict().items()}
    note, fresh = "", plain(run)
    own, given = set(fresh.backbone.state_dict()), set(state)
    if own != given and not run.rewritten:
        return fails(f"the export's weights do not fit the student: {several(own ^ given)}")
    if own != given:
        fresh, note = case.start().learner.exported(), f"loads into the student as it is rewritten: {several(own ^ given)}"
    fresh.backbone.load_state_dict(state, strict=True)
    batch = Tick(0, run.streams).batch("labelled")
    with torch.no_grad():
        before, after = final.eval()(batch).values, fresh.eval()(batch).values
    run.learner.net.train()
    return holds(note) if torch.equal(before, after) else fails("the loaded export does not answer as the trained student does")


def plain(run: Run) -> Any:
    """The student's network, made anew as the task makes it."""
    reseed(CPU, "another")
    return build.make_net(run.learner.task, run.setting.student, job_of(run.setting, {})["targets"], CPU)


@rule(
    "parameters", mend="come to students and teachers through the step: a net that is your submodule is counted and saved twice"
)
def parameters(case: Case) -> Verdict:
    """Parameters are counted with and without what is dropped, and no net is counted as the method's own."""
    run = case.whole.run
    own = {id(p): name for name, p in run.learner.method.named_parameters()}
    for whose, nets in (("student", (run.learner.net, run.plain)), ("teacher", run.teachers)):
        taken = {own[id(p)] for net in nets for p in net.parameters() if id(p) in own}
        if taken:
            return fails(f"the method registers parameters of the {whose} as its own: {several(taken)}")
    kept = sum(p.numel() for p in run.learner.exported().parameters())
    return holds(f"{kept:,} kept, {run.learner.dropped():,} dropped")
