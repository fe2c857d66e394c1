"""What an arm is called: its label says how it differs from the plain method, or from the preset that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdbench.suite.arm import Arm
from kdbench.suite.choice import Choice
from kdbench.suite.entry import FRESH, Entry
from kdbench.suite.entry import Arm as ArmEntry
from kdbench.suite.label import cell_label, changes
from kdbench.suite.params import canonical_params
from kdbench.suite.recipe import merged
from kdbench.suite.resolve import PairPlan, Resolver
from kdbench.suite.shape import same


class Namer:
    """Names the arms of one entry in one pair."""

    def __init__(self, resolver: Resolver, pair: PairPlan, entry: ArmEntry):
        self.resolver, self.pair, self.entry = resolver, pair, entry
        self.name: str | None = entry._preset[0] if entry._preset else None
        self.base: Entry = entry._preset[1] if entry._preset else Entry(method=entry.method)
        self.recipe = merged(pair.recipe, self.base.recipe.given(), resolver.profile.recipe.given())

    def cell(self, last: Arm, choice: Choice) -> str:
        """The label of an arm; `last` is what it comes to, `choice` what it was told."""
        source = last.source["name"] if last.source else self.base.source[0]
        usual = (self.base.source[0], self.base.view[0])
        changed = changes(self.recipe, last.recipe) if not self.name else changes(self.recipe, self.told_recipe(choice))
        if choice.init != self.base.init[0] or ("init" in choice.told and self.pair.init != FRESH and not self.name):
            plain = choice.init.plain()
            changed |= {f"init.{key}": value for key, value in plain.items()} if isinstance(plain, dict) else {"init": plain}
        changed |= self.rounds(choice.count)
        return cell_label(self.method(last, choice), source, last.view["name"], changed, usual)

    def told_recipe(self, choice: Choice) -> dict[str, Any]:
        return merged(self.pair.recipe, choice.recipe, self.resolver.profile.recipe.given())

    def method(self, last: Arm, choice: Choice) -> Mapping[str, Any]:
        """The method as it differs from its defaults, or from the preset."""
        if self.name is None:
            return last.method
        plugin = self.resolver.catalogue.method(choice.method)
        known = {**plugin.defaults, **canonical_params(plugin, self.base.params)}
        now = {**plugin.defaults, **canonical_params(plugin, choice.params)}
        params = {key: value for key, value in now.items() if key not in known or not same(value, known[key])}
        wrap = [] if choice.wrap == self.base.wrap else last.method["wrap"]
        return {"name": self.name, "params": params, "wrap": wrap}

    def rounds(self, count: int | None) -> dict[str, Any]:
        own, usual = self.entry.rounds, self.base.rounds
        if own is None or count is None:
            return {}
        if usual is not None and (own.first, own.each) == (usual.first, usual.each):
            return {} if usual.count == (count,) else {"rounds": count}
        return {"rounds": {**own.model_dump(mode="json", exclude_unset=True), "count": count}}
