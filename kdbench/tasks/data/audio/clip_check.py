"""Looks at audio sets: counts, balance, lengths, rates, files that cannot be read or are silent, leaks between parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path

import numpy as np

from kdbench.contract.errors import DataError
from kdbench.tasks.data import canonical, twins
from kdbench.tasks.data.audio import clip_sample
from kdbench.tasks.data.audio.audio_files import Heard, hear
from kdbench.tasks.data.audio.clip_set import ClipSet, Part
from kdbench.tasks.data.findings import Finding, against, identified
from kdbench.tasks.data.threads import each

SHOWN = 5  # files or tags that are named
LISTENED = 20_000  # clips that are heard in full, evenly spread: all but those of AudioSet and the like
SILENT = 1e-4  # peak of a clip in which nothing is heard (-80 dB of full scale)


def _balance(part: Part) -> str:
    """How many clips, and how evenly the tags are spread."""
    counts = part.hot.sum(0)
    low, high = int(counts.min()), int(counts.max())
    spread = f"{low:,} each" if low == high else f"{low:,} to {high:,} each"
    several = f", {part.hot.sum() / len(part):.2f} a clip" if (part.hot.sum(1) != 1).any() else ""
    return f"{len(part):,} clips, {len(counts):,} tags, {spread}{several}"


def findings(found: ClipSet, known: Mapping[str, str] | None = None, clips: int = 0, tags: int = 0) -> list[Finding]:
    """A set beside what is known of the published one: each part's balance, and how many clips and tags there are in all."""
    lines = [Finding("layout", found.layout)]
    for name, part in found.parts.items():
        lines.append(against(name, _balance(part), known[name]) if known and name in known else Finding(name, _balance(part)))
    missing = sorted(set(known or ()) - set(found.parts))
    lines += [Finding(name, "no clip", (known or {})[name], False) for name in missing]
    total = sum(map(len, found.parts.values()))
    lines.append(against("clips", f"{total:,}", f"{clips:,}") if clips else Finding("clips", f"{total:,}"))
    if tags:
        lines.append(against("tags", f"{len(found.tags):,}", f"{tags:,}"))
    for name, count in found.listed.items():
        own = len(found.parts.get(name, ()))
        lines.append(Finding("coverage", f"{name}: {count:,} listed, {own:,} found ({100 * own / max(count, 1):.1f} %)"))
    never = np.flatnonzero(~np.logical_or.reduce([part.hot.any(0) for part in found.parts.values()]))
    if len(never):
        lines.append(Finding("no clip", f"{len(never):,} tags: {_some(found.tags[tag] for tag in never)}", right=False))
    lines += _listened(found)
    lines += _leaks(found)
    return [*lines, identified(found.fingerprint)]


def _listened(found: ClipSet) -> list[Finding]:
    """What the files themselves hold."""
    files = [file for part in found.parts.values() for file in part.files]
    some = files[:: -(-len(files) // LISTENED)]
    bad: list[str] = []
    good: list[tuple[Path, Heard]] = []
    for path, one in zip(some, each(_heard, some), strict=True):
        if isinstance(one, str):
            bad.append(one)
        else:
            good.append((path, one))
    lines = [] if len(some) == len(files) else [Finding("listened to", f"{len(some):,} of {len(files):,} files")]
    told = f"{len(bad):,} unreadable: {_some(bad, '; ')}" if bad else "all can be read"
    lines.append(Finding("files", told, right=not bad, names=tuple(bad)))
    if good:
        seconds = np.array([one.seconds for _, one in good])
        low, middle, high = np.quantile(seconds, [0, 0.5, 1])
        lines.append(Finding("seconds", f"{low:.2f} to {high:.2f}, median {middle:.2f}, {seconds.sum() / 3600:,.2f} h in all"))
        lines.append(Finding("rates", _counted(f"{one.rate:,} Hz" for _, one in good)))
        lines.append(Finding("channels", _counted(str(one.channels) for _, one in good)))
        silent = [str(path.relative_to(found.folder)) for path, one in good if one.peak < SILENT]
        told = f"{len(silent):,}: {_some(silent)}" if silent else "none"
        lines.append(Finding("silent", told, right=not silent, names=tuple(silent)))
    return lines


def _leaks(found: ClipSet) -> list[Finding]:
    """Clips that are there twice, in one part or (which flatters a test) in two, and recordings that have clips in two parts."""
    parts, base = found.parts, found.folder
    marks, files = {name: part.marks for name, part in parts.items()}, {name: part.files for name, part in parts.items()}
    tags = {name: part.hot for name, part in parts.items()}
    lines = twins.doubles(marks, files, base) + twins.contradictory("the same clip with other tags", marks, tags, files, base)
    leaks: list[str] = []
    named: list[str] = []
    sources: list[str] = []
    for one, other in combinations(parts, 2):
        both = canonical.distinct(marks[one]) & canonical.distinct(marks[other])
        same = set(parts[one].source.tolist()) & set(parts[other].source.tolist())
        if both:
            leaks.append(f"{len(both):,} in {one} and {other}")
            named += twins.names({name: marks[name] for name in (one, other)}, files, base)
        sources += [f"{len(same):,} in {one} and {other} ({_some(sorted(same))})"] if same else []
    told = f"clips in two parts: {', '.join(leaks) or 'none'}" + (f" ({_some(named)})" if named else "")
    lines.append(Finding("leaks", told, right=not leaks, names=tuple(named)))
    lines.append(Finding("recordings", f"with clips in two parts: {', '.join(sources) or 'none'}", right=not sources))
    return lines


def sample(found: ClipSet, path: Path) -> None:
    """Clips of the part that is tested on: the set's own test, or else its last part."""
    part = next((found.parts[name] for name in ("test", "eval") if name in found.parts), None) or list(found.parts.values())[-1]
    clip_sample.write(part.files, part.hot, found.tags, path)


def _heard(path: Path) -> Heard | str:
    try:
        return hear(path)
    except DataError as error:
        return str(error)


def _counted(values: Iterable[str]) -> str:
    return ", ".join(f"{value}: {count:,}" for value, count in Counter(values).most_common(SHOWN))


def _some(values: Iterable[str], between: str = ", ") -> str:
    found = list(values)
    return between.join(found[:SHOWN]) + (f"{between}and {len(found) - SHOWN:,} more" if len(found) > SHOWN else "")
