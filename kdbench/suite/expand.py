"""From a suite to what it plans: its arms under a profile, without the excluded and the filtered, and the claims about them."""

from __future__ import annotations

from collections.abc import Mapping

from kdbench.suite.arm import Arm, ArmClaim, Expansion, Place
from kdbench.suite.catalogue import Catalogue
from kdbench.suite.claims import resolve_claims
from kdbench.suite.document import Cursor
from kdbench.suite.errors import Problem, SuiteError, listing, nearest
from kdbench.suite.matrix import Planner
from kdbench.suite.only import keep
from kdbench.suite.plugins import plugin_problems
from kdbench.suite.presets import with_presets
from kdbench.suite.recipes import with_recipes
from kdbench.suite.resolve import Resolver
from kdbench.suite.schema import Exclude, Profile, Suite
from kdbench.suite.settle import renamed, settle


def expand(
    suite: Suite,
    catalogue: Catalogue,
    profile: str | None = None,
    only: str | None = None,
    chosen: Mapping[Place, int] | None = None,
) -> Expansion:
    """Everything that the suite plans under a profile, filtered by `only`. Raises SuiteError with every problem found.

    `chosen` says which variant of each tuned cell was chosen; the arms of the others wait.
    """
    problems = plugin_problems(Cursor(suite.document), catalogue)
    if problems:
        raise SuiteError(problems, suite.document.text)
    suite = with_presets(with_recipes(suite, catalogue), catalogue)
    subset = _profile(suite, profile)
    planner = Planner(Resolver(suite, catalogue, subset), f" under profile '{profile}'" if profile else "")
    # Claims and excludes are judged against the whole suite, so that a profile cannot make a sound suite wrong.
    whole = planner.plan(Profile())
    claims = resolve_claims(suite, catalogue, whole, planner.resolver.problems)
    if profile is None:
        _report_idle_rules(planner, whole)
    if planner.resolver.problems:
        raise SuiteError(planner.resolver.problems, suite.document.text)

    arms, left_out = _without_excluded(planner.plan(subset) if profile else whole, suite, catalogue)
    claims, lost = _judgeable(claims, arms)
    settled = settle(arms, planner.tunings, chosen or {})
    kept = keep([*settled.arms, *settled.waiting], only)
    unready = set(map(id, settled.waiting))
    waiting = [arm for arm in kept if id(arm) in unready]
    ready = [arm for arm in kept if id(arm) not in unready]
    left_out += [*lost, *settled.doubles.items()]
    unsettled = {arm.place for arm in waiting}
    left_out += [
        (f"claim {claim.id}", "waits for a setting to be chosen") for claim in claims if not unsettled.isdisjoint(claim.places())
    ]
    claims = _judgeable([renamed(claim, settled.cells) for claim in claims], ready)[0]
    tuned = dict.fromkeys(arm.place._replace(cell=arm.written) for arm in (kept if only else arms) if arm.written)
    return Expansion(ready, claims, left_out, {place: planner.tunings[place] for place in tuned}, waiting)


def _report_idle_rules(planner: Planner, arms: list[Arm]) -> None:
    """Excludes and tunings that are about none of the arms."""
    resolver, tuner = planner.resolver, planner.tuner
    for i, rule in enumerate(resolver.suite.exclude):
        if not any(_excludes(rule, arm, resolver.catalogue) for arm in arms):
            resolver.report(("exclude", i), "excludes nothing: no arm has all of this")
    for i, _, loc in tuner.entries():
        if i not in tuner.used:
            resolver.report((*loc, "methods"), "tunes nothing: no arm has all of this")


def _without_excluded(arms: list[Arm], suite: Suite, catalogue: Catalogue) -> tuple[list[Arm], list[tuple[str, str]]]:
    """The arms that no rule excludes, and for each other cell its seeds and the reason."""
    kept: list[Arm] = []
    excluded: dict[tuple[str, str], list[int]] = {}
    for arm in arms:
        reason = next((rule.reason for rule in suite.exclude if _excludes(rule, arm, catalogue)), None)
        if reason is None:
            kept.append(arm)
        else:
            excluded.setdefault((str(arm), reason), []).append(arm.seed)
    return kept, [(f"{arm} (seed {', '.join(map(str, seeds))})", reason) for (arm, reason), seeds in excluded.items()]


def _profile(suite: Suite, name: str | None) -> Profile:
    if name is None:
        return Profile()
    if name not in suite.profiles:
        known = f"one of {listing(suite.profiles)}" if suite.profiles else "no profile: the suite has none"
        problem = Problem("--profile", None, None, name, f"unknown profile '{name}'", known, nearest(name, suite.profiles))
        raise SuiteError([problem])
    return suite.profiles[name]


def _excludes(rule: Exclude, arm: Arm, catalogue: Catalogue) -> bool:
    names = arm.names()
    for key in rule.model_fields_set - {"reason"}:
        want = getattr(rule, key)
        if want is None:
            continue
        aliased = catalogue.at_hand("method", want) if key == "method" else None
        if str(want) not in names[key] and not (aliased and aliased.name == arm.called):
            return False
    return True


def _judgeable(claims: list[ArmClaim], arms: list[Arm]) -> tuple[list[ArmClaim], list[tuple[str, str]]]:
    """The claims whose cells are among the arms, and for each other one what is missing."""
    there = {arm.place for arm in arms}
    kept, lost = [], []
    for claim in claims:
        missing = [place.cell for place in claim.places() if place not in there]
        if missing:
            lost.append((f"claim {claim.id}", f"{' and '.join(missing)} of {claim.task} not among the arms"))
        else:
            kept.append(claim)
    return kept, lost
