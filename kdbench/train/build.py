"""From a job's identity to the objects that train: task, networks, source, method. Every part is found by its target."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from kdbench.contract.batch import Batch
from kdbench.contract.draw import Draw, seed_for
from kdbench.contract.errors import DataError
from kdbench.contract.method import Method, NetSpec, Specs
from kdbench.contract.model import Config, ModelFamily, ModelPlugin, Net
from kdbench.contract.source import Source
from kdbench.contract.stage import After, Stage
from kdbench.contract.task import Task
from kdbench.models import probe, weights
from kdbench.registry import load_target
from kdbench.train.normalise import normalise_as
from kdbench.train.recipe import arithmetic
from kdbench.train.seeding import reseed
from kdbench.train.stream import Stream, ViewSpec


def make_task(identity: Mapping[str, Any], targets: Mapping[str, str]) -> Task:
    return _task(targets["task"], json.dumps(identity["task"]["params"], sort_keys=True))


@functools.cache
def _task(target: str, params: str) -> Task:
    """One object for each task and params in a process: its data are read or drawn once."""
    kind = load_target(target)
    return kind(kind.Config(**json.loads(params)))


def make_net(task: Task, model: Mapping[str, Any], targets: Mapping[str, str], device: torch.device) -> Net:
    """The network of {model, params}, initialised from the generator as it stands."""
    plugin = model_plugin(model["model"], targets)
    facts = task.facts
    if model.get("outputs"):  # a teacher that was trained on other answers
        facts = replace(facts, outputs=model["outputs"])
    backbone = plugin.build(facts, plugin.Config(**model["params"]))
    net = task.net(plugin, backbone).to(device)
    return normalise_as(net, model["normalisation"], facts) if model.get("normalisation") else net


def model_plugin(name: str, targets: Mapping[str, str]) -> ModelPlugin:
    """The plugin of a network; of a family, the member that is named, a twin with the network that it is made from."""
    plugin: ModelPlugin = load_target(targets[f"model:{name}"])
    if not isinstance(plugin, ModelFamily):
        return plugin
    member = name.partition(":")[2]
    return plugin.named(name, model_plugin(member, targets) if f"model:{member}" in targets else None)


def load_teacher(task: Task, teacher: Mapping[str, Any], targets: Mapping[str, str], device: torch.device) -> Net:
    """A trained teacher: built as it was, with the weights of its job or of a given file."""
    reseed(device, "teacher", teacher["key"])
    net = make_net(task, teacher, targets, device)
    path = Path(teacher["weights"])
    if not path.exists():
        raise DataError(f"the weights of teacher {teacher['key'][:12]} are not at {path}")
    weights.load_into(net.backbone, path)
    return net.eval().requires_grad_(False)


def make_streams(task: Task, identity: Mapping[str, Any], targets: Mapping[str, str], device: torch.device) -> dict[str, Stream]:
    """The labelled and the distillation stream; one object where they show the same. Stages are the latter's alone."""
    view, recipe, seed = identity["view"], identity["recipe"], identity["seed"]
    view_seed = seed_for("views", task.name) if view["seed"] == "fixed" else seed_for("views", task.name, seed)
    spec = ViewSpec(view["augment"], view["bank"], view_seed)
    order = seed_for(seed, "order")
    sizes = recipe["batch"]
    if isinstance(sizes, int):
        sizes = {"labelled": sizes, "transfer": sizes}
    labelled = Stream(task, view["labelled"], sizes["labelled"], order, spec, device, sampler=view.get("sampler", "shuffled"))
    stages: list[tuple[type[Stage], Config]] = [each for each in stages_of(identity, targets) if issubclass(each[0], Stage)]
    if view["transfer"] in (None, view["labelled"]) and not stages:
        return {"labelled": labelled, "transfer": labelled}
    transfer = view["transfer"] or view["labelled"]
    return {"labelled": labelled, "transfer": Stream(task, transfer, sizes["transfer"], order, spec, device, stages)}


def stages_of(identity: Mapping[str, Any], targets: Mapping[str, str]) -> list[tuple[Any, Config]]:
    """The view's stages with their settings; those of kind After stand behind the source."""
    kinds = [(load_target(targets[f"stage:{stage['name']}"]), stage) for stage in identity["view"].get("stages", ())]
    return [(kind, kind.Config(**stage["params"])) for kind, stage in kinds]


def make_after(identity: Mapping[str, Any], targets: Mapping[str, str], stream: Stream) -> list[After]:
    """The stages behind the source, each with draws of its own."""
    behind = [(kind, config) for kind, config in stages_of(identity, targets) if issubclass(kind, After)]
    return [
        kind(config, Draw(seed_for(stream.draw.seed, number, kind.name, kind.version)))
        for number, (kind, config) in enumerate(behind)
    ]


def make_source(task: Task, job: Mapping[str, Any], nets: Sequence[Net], stream: Stream, signals: Path) -> Source | None:
    """The source of the signal, bound to the distillation stream; None for a run without a teacher."""
    given = job["spec"].get("source")
    if given is None:
        return None
    kind = load_target(job["targets"]["source"])
    source: Source = kind(kind.Config(**given["params"]), task, tuple(nets))
    source.arithmetic = arithmetic(job["spec"]["recipe"])
    source.attach(stream, [teacher["key"] for teacher in job["teachers"]], signals)
    return source


def make_method(job: Mapping[str, Any]) -> Method:
    """The method, inside its wrappers: the first one named is the outermost."""
    given = job["spec"]["method"]
    kind = load_target(job["targets"]["method"])
    method: Method = kind(kind.Config(**given["params"]))
    for wrap in reversed(given.get("wrap", [])):
        wrapper = load_target(job["targets"][f"wrapper:{wrap['name']}"])
        method = wrapper(wrapper.Config(**wrap["params"]), method)
    return method


def specs_of(net: Net, teachers: Sequence[Net], stream: Stream) -> Specs:
    """Shapes of all taps, from one forward of two samples in evaluation mode."""
    batch = stream.show(torch.arange(2, device=stream.device), torch.zeros(2, dtype=torch.long, device=stream.device))
    specs = tuple(spec_of(t, batch) for t in teachers)
    return Specs(spec_of(net, batch), specs, len(stream.samples), stream.samples.fields.get("label"), batch)


def spec_of(net: Net, batch: Batch) -> NetSpec:
    training = net.training
    with torch.no_grad():
        outputs = net.eval()(batch)
    net.train(training)
    taps = {name: tuple(tap.shape[1:]) for name, tap in outputs.taps.items()}
    return NetSpec(taps, outputs.values.shape[1], probe.parameters(net))


def cost_of(net: Net, stream: Stream) -> dict[str, int]:
    """Parameters and multiply-adds for one sample of the distillation set."""
    first = torch.zeros(1, dtype=torch.long, device=stream.device)
    batch = stream.show(first, first)
    inputs = [batch[name] for name in net.reads]
    if net.prepare is not None:
        inputs = [net.prepare(x) for x in inputs]
    cost = probe.count(net.backbone, *inputs)
    # All that leaves counts, frozen or not: a borrowed classifier has to be stored and run like the rest.
    return {"parameters": sum(p.numel() for p in net.backbone.parameters()), "macs": cost.macs}
