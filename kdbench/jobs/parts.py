"""What jobs say of task, network and view: as identity has it, and as the training side reads it, every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdbench.registry import PluginInfo


def full_params(params: Mapping[str, Any], plugin: PluginInfo) -> dict[str, Any]:
    """Params as a key has them. Those of built-in plugins stand without defaults, which the lock guards: a changed one needs
    a new version. Nothing guards the defaults of others' plugins, so theirs are written out: a changed default is another job."""
    return dict(params) if plugin.built_in else {**plugin.defaults, **params}


def task_identity(task: dict[str, Any], info: PluginInfo) -> dict[str, Any]:
    """Without the params that only say where the data lie: a set is the same wherever it is."""
    marks = info.schema.get("properties", {})
    params = {
        name: value for name, value in full_params(task["params"], info).items() if marks.get(name, {}).get("identity", True)
    }
    return {"name": info.name, "version": info.version, "params": params, "fingerprint": info.facts["fingerprint"]}


def task_spec(task: dict[str, Any], info: PluginInfo) -> dict[str, Any]:
    return {**task_identity(task, info), "params": full_params(task["params"], info)}


def network_identity(network: dict[str, Any], model: PluginInfo) -> dict[str, Any]:
    return {"model": network["model"], "version": network["version"], "params": full_params(network["params"], model)}


def view_spec(view: dict[str, Any], task: PluginInfo) -> dict[str, Any]:
    """A view as the training side reads it: sets by name, the policy, and the bank (None: a new view each epoch)."""
    roles, policies = task.facts["roles"], list(task.facts["augments"])
    bank = view.get("bank")
    return {
        "labelled": view.get("labelled") or roles["labelled"],
        "transfer": view.get("transfer") or roles["transfer"],
        "augment": view.get("augment") or policies[0],
        "bank": task.facts["bank"] if bank is None else bank or None,
        "stages": view.get("stages", []),
        "sampler": view.get("sampler", "shuffled"),
        "seed": view.get("seed", "fixed"),
    }
