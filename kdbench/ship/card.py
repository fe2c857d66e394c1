"""What goes with a network that leaves: which it is, how its input is made, what its outputs are called, how good it was.

The card is one JSON object under the name `kdbench`, in the metadata of a safetensors file and beside a program.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from kdbench.contract.model import Facts, Net
from kdbench.contract.task import Task
from kdbench.results.record import Record

ENTRY = "kdbench"  # of a safetensors file's metadata
FILE = "kdbench.json"  # inside a program
OUTPUT = {
    "class": "logits; the answer is the largest, a softmax gives probabilities",
    "tag": "logits, one a tag; a sigmoid gives probabilities, a tag is told where its logit is above 0",
    "candidate": "scores, one a candidate; the best come first",
}
STRETCHED = "; maps are stretched to the size of the labels before (bilinear, align_corners=False)"


def of_record(record: Record) -> dict[str, Any]:
    """What the record alone says, which holds wherever the data are."""
    student, task = record.identity["student"], record.identity["task"]
    return {
        "kdbench": version("kdbench"),
        "key": record.key,
        "task": {"name": task["name"], "params": task["params"], "fingerprint": task["fingerprint"]},
        **{name: record.labels.get(name) for name in ("pair", "cell", "seed")},
        "model": student["model"],
        "params": student["params"],
        "weights": record.weights,
        "steps": record.cost.get("steps", 0),
        "metrics": {"test": record.metrics.get("truth", {}), "val": record.metrics.get("val", {})},
    }


def of_task(task: Task, net: Net, example: Mapping[str, Any]) -> dict[str, Any]:
    """What the task adds: inputs by name, with the shape and type of one of them, and the meaning of the outputs."""
    output = OUTPUT[task.axis] + (STRETCHED if task.grid else "")
    inputs = {
        name: {"shape": list(each.shape[1:]), "dtype": str(each.dtype).removeprefix("torch.")} for name, each in example.items()
    }
    return {"axis": task.axis, "reads": list(net.reads), "inputs": inputs, "output": output, **task.usage()}


def facts_of(facts: Facts) -> dict[str, Any]:
    """What the network was built from, without the numbers of its start tables: its weights replace them."""
    tables = {name: list(table.shape) for name, table in facts.tables.items()}
    return {**{name: value for name, value in asdict(facts).items() if name != "tables"}, "tables": tables}


def dumps(card: Mapping[str, Any]) -> str:
    return json.dumps(card, ensure_ascii=False, sort_keys=True)
