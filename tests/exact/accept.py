"""`python -m tests.exact.accept [NAME ...]`: store today's metric values and loss traces, and say what changed.

With names only the traces of these plugins are made anew. Read the diff before you commit it: a line is one value or one term.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import exact_metrics
import exact_traces


def main(names: list[str]) -> int:
    if not names:
        accept_metrics()
    kind, old = exact_traces.stored()
    known = {plugin.name for plugin in exact_traces.registered()[1]}
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no plugin {', '.join(unknown)}", file=sys.stderr)
        return 2
    new = {row: trace for row, trace in old.items() if names and row[0] not in names}
    if new and kind != exact_traces.machine():
        print(f"the file was made on {kind}: accept everything here, not some", file=sys.stderr)
        return 2
    broken = []
    for plugin, family, registry in exact_traces.pairs():
        if names and plugin.name not in names:
            continue
        try:
            new |= exact_traces.trace(plugin, family, registry)
        except Exception as error:
            broken.append(f"{plugin.name} {family.name}: {type(error).__name__}: {error}")
            new |= {row: trace for row, trace in old.items() if row[:2] == (plugin.name, family.name)}
    for line in exact_traces.differences(old, new, exact=True):
        print(line)
    exact_traces.FILE.write_text(exact_traces.written(new), encoding="utf-8")
    print(f"{exact_traces.FILE.name}: {len(new)} lines")
    for line in broken:
        print(f"no trace: {line}", file=sys.stderr)
    return 1 if broken else 0


def accept_metrics() -> None:
    old = exact_metrics.stored() if exact_metrics.VALUES.exists() else {}
    new = exact_metrics.computed()
    for row in sorted(old.keys() | new.keys()):
        if old.get(row) != new.get(row):
            print(f"{' '.join(row)}: {old.get(row, 'new')} -> {new.get(row, 'gone')}")
    exact_metrics.VALUES.write_text(exact_metrics.written(new), encoding="utf-8")
    print(f"{exact_metrics.VALUES.name}: {len(new)} lines")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
