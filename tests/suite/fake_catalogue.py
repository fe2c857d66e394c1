"""A catalogue of made-up plugins, with the JSON schemas that pydantic writes, as the registry's lock file has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from kdbench.suite import Suite, parse_suite
from kdbench.suite.catalogue import find
from kdbench.suite.yaml import loads


class Config(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(Config):
    pass


class Digits(Config):
    labelled: int = Field(default=600, ge=10)
    size: Literal["small", "full"] = "full"


class Net(Config):
    width: int = Field(default=8, ge=1)
    depths: list[int] = [2, 2]


class TimmNet(Config):
    name: str


class Kd(Config):
    T: float = Field(default=4.0, gt=0)
    weight: float = Field(default=0.9, ge=0, le=1)
    squared: bool = True


class Dkd(Config):
    alpha: float = 1.0
    beta: float = 8.0
    steps: int = 3


class Inner(Config):
    tap: str = "stage4"
    scale: float = 1.0


class FitNets(Config):
    hint: Inner = Inner()
    taps: list[str] = ["stage2"]
    share: float | None = None
    shares: dict[str, float] = {}


class Nd(Config):
    weight: float = 1.0


class Live(Config):
    reduce: Literal["prob", "logit"] = "prob"


class Stored(Config):
    targets: Literal["clean", "next_view", "permuted"] = "clean"


@dataclass(frozen=True)
class Plugin:
    name: str
    config: type[Config] = Nothing
    version: int = 1
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def schema(self) -> dict[str, Any]:
        return self.config.model_json_schema()

    @cached_property
    def defaults(self) -> dict[str, Any]:
        fields = self.config.model_fields
        made = {name: f.get_default(call_default_factory=True) for name, f in fields.items() if not f.is_required()}
        return self.config.model_construct(**made).model_dump(mode="json", include=set(made))


def needs(stream: str | None = None, signal: str | None = None, tap: str | None = None) -> dict[str, Any]:
    lists = {"streams": stream, "signal": signal, "teacher_taps": tap}
    return {"needs": {name: [value] if value else [] for name, value in lists.items()}}


TASK = {
    "family": "classification",
    "axis": "class",
    "roles": {"labelled": "train", "transfer": "pool", "teacher": "pool"},
    "sets": {"train": "labelled images", "pool": "all images", "noise": "noise images"},
    "augments": {"mid": "shift and rotate", "none": "as it is"},
    "pair": {
        "teacher": {"model": "net", "params": {"width": 16}, "recipe": {"steps": 300}},
        "student": {"model": "net", "params": {}, "recipe": {"steps": 200, "lr": 0.03}},
    },
    "aliases": {},
}
OWN = {"sets": {**TASK["sets"], "clips": "more"}, "augments": {**TASK["augments"], "slow": "slower"}}
ENSEMBLE = {
    **TASK,
    **OWN,
    "bank": 32,
    "pair": {**TASK["pair"], "teacher": [TASK["pair"]["teacher"], {"model": "vit", "view": "none"}]},
}

SHORT = {
    "path": "short.yaml",
    "text": "source: s\nfamily: classification\ndata: d\nrecipe: {steps: 50, batch: 16, lr: 0.5, optimiser: sgd}\n",
}
LONG = {"path": "long.yaml", "text": SHORT["text"].replace("50", "5000")}

PLUGINS: dict[str, list[Plugin]] = {
    "task": [Plugin("digits", Digits, 3, TASK), Plugin("sounds", Nothing, 1, ENSEMBLE)],
    "method": [
        Plugin("none", facts=needs("labelled")),
        Plugin("kd", Kd, facts=needs("transfer", "probs")),
        Plugin("dkd", Dkd, 2, needs("transfer", "probs")),
        Plugin("fitnets", FitNets, facts=needs("transfer", tap="stage2")),
        Plugin("smoothing", Kd, facts=needs("labelled")),
        Plugin("consistency", facts=needs("transfer")),
    ],
    "model": [Plugin("net", Net), Plugin("vit"), Plugin("timm", TimmNet)],
    "source": [Plugin("live", Live), Plugin("stored", Stored)],
    "stage": [Plugin("mixup"), Plugin("blur", Nd)],
    "preset": [],
    "recipe": [Plugin("short", facts=SHORT), Plugin("long", facts=LONG)],
    "wrapper": [Plugin("logit_std", facts=needs()), Plugin("nd", Nd, facts=needs("transfer", tap="embedding"))],
}
ALIASES = {"source_only": "none"}


class FakeCatalogue:
    def get(self, kind: str, name: str) -> Plugin:
        return {plugin.name: plugin for plugin in PLUGINS[kind]}[name]

    def task(self, name: str) -> Plugin:
        return self.get("task", name)

    def method(self, name: str) -> Plugin:
        return self.get("method", ALIASES.get(name, name))

    def model(self, name: str) -> Plugin:
        return self.get("model", name)

    def source(self, name: str) -> Plugin:
        return self.get("source", name)

    def wrapper(self, name: str) -> Plugin:
        return self.get("wrapper", name)

    def stage(self, name: str) -> Plugin:
        return self.get("stage", name)

    def preset(self, name: str) -> Plugin:
        return self.get("preset", name)

    def recipe(self, name: str) -> Plugin:
        return self.get("recipe", name)

    def names(self, kind: str) -> list[str]:
        return [plugin.name for plugin in PLUGINS[kind]]

    def at_hand(self, kind: str, name: str) -> Any:
        return find(self, kind, name)


CATALOGUE = FakeCatalogue()


def suite_of(text: str) -> Suite:
    """A suite from the lines that matter; version and name are added."""
    return parse_suite(loads("version: 1\nname: test\n" + text, "suite.yaml"), CATALOGUE)
