"""What jobs say of task, network and view: as identity has it, and as the training side reads it, every default filled in."""

from __future__ import annotations

from typing import Any

from kdbench.registry import PluginInfo


def task_identity(task: dict[str, Any], info: PluginInfo) -> dict[str, Any]:
    """Without the params that only say where the data lie: a set is the same wherever it is."""
    marks = info.schema.get("properties", {})
    params = {name: value for name, value in task["params"].items() if marks.get(name, {}).get("identity", True)}
    return {"name": info.name, "version": info.version, "params": params, "fingerprint": info.facts["fingerprint"]}


def task_spec(task: dict[str, Any], info: PluginInfo) -> dict[str, Any]:
    return {**task_identity(task, info), "params": task["params"]}


def network_identity(network: dict[str, Any]) -> dict[str, Any]:
    return {"model": network["model"], "version": network["version"], "params": network["params"]}


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
