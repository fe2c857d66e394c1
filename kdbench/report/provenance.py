"""Where a report's results come from, in a few lines, saying so where they do not all come from the same code or machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from kdbench.results.record import Record

NAMED = 3  # source files named in one sentence


def provenance(records: Mapping[str, Record]) -> list[tuple[str, str]]:
    """Label and text of each line; of unlike results, every variant with its count."""
    found = [record.provenance for record in records.values() if record.provenance]
    if not found:
        return []
    lines = [
        ("code", variants(commit(entry.get("code") or entry.get("git")) for entry in found)),
        ("suite's checkout", variants(commit(entry["git"]) for entry in found if entry.get("git") and entry.get("code"))),
        ("device", variants(device(entry) for entry in found)),
        ("machine", variants(machine(entry.get("machine") or {}) for entry in found)),
    ]
    packages = sorted({name for entry in found for name in entry.get("versions", {})})
    lines += [(name, variants(entry.get("versions", {}).get(name, "unknown") for entry in found)) for name in packages]
    days = sorted({entry["finished"][:10] for entry in found if isinstance(entry.get("finished"), str)})
    if days:
        lines.append(("results of", days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"))
    return [(label, text) for label, text in lines if text]


def mixed_code(records: Mapping[str, Record]) -> list[str]:
    """One sentence on the source files of which results were made by several versions, by their digests: a commit may change
    without the code, and the code without a commit."""
    digests: dict[str, Counter[str]] = {}
    for record in records.values():
        for name, sha in record.provenance.get("sources", {}).items():
            digests.setdefault(name, Counter())[sha] += 1
    apart = [
        f"{name.removeprefix('kdbench.')} ({' and '.join(str(count) for _, count in found.most_common())} results)"
        for name, found in sorted(digests.items())
        if len(found) > 1
    ]
    if not apart:
        return []
    more = f" and {len(apart) - NAMED} more" if len(apart) > NAMED else ""
    return [f"Results were made by different versions of {', '.join(apart[:NAMED])}{more}: a difference may be that of the code."]


def mixed(records: Mapping[str, Record]) -> list[str]:
    """What else the results do not have in common, of the things that can change a number."""
    found = [record.provenance for record in records.values() if record.provenance]
    packages = sorted({name for entry in found for name in entry.get("versions", {})})
    asked: list[tuple[str, Any]] = [
        ("device", device),
        ("machine", lambda entry: machine(entry.get("machine") or {})),
        *((name, lambda entry, name=name: entry.get("versions", {}).get(name)) for name in packages),
    ]
    return [label for label, read in asked if len({read(entry) for entry in found}) > 1]


def variants(texts: Iterable[str]) -> str:
    """The one text of all results, or each with its count, the most frequent first."""
    counts = Counter(text for text in texts if text)
    if len(counts) <= 1:
        return next(iter(counts), "")
    return "; ".join(f"{text} ({count})" for text, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def commit(state: Mapping[str, Any] | None) -> str:
    if not state:
        return "not in git"
    name = (state.get("commit") or "before the first commit")[:24]
    name = name[:12] if state.get("commit") else name
    return f"{name}{' with uncommitted changes' if state.get('dirty') else ''}"


def device(entry: Mapping[str, Any]) -> str:
    return str(entry.get("device") or "unknown")


def machine(facts: Mapping[str, Any]) -> str:
    cores = facts.get("cores")
    gpus = [gpu.get("name", "GPU") if isinstance(gpu, Mapping) else str(gpu) for gpu in facts.get("gpus") or []]
    parts = [facts.get("cpu"), f"{cores} cores" if cores else None, *gpus, facts.get("platform")]
    return ", ".join(str(part) for part in parts if part)
