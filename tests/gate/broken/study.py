"""What the gate sees of deliberately broken methods: runs each file of this folder and writes what was found as a page.

python tests/gate/broken/study.py /tmp/study docs/gate-broken.md
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
HEAD = """\
# What the gate saw of broken methods

Made by `python tests/gate/broken/study.py WORK docs/gate-broken.md` from real runs: distillation (`kd`) on the four built-in sets
with the short runs of `suites/ci.yaml`, a baseline of ten seeds, then the same method broken on purpose under the same name and
version, judged by `kdbench run --decide`: 3 seeds, 6 and 10 where something is undecided. A verdict is followed by what moved
(percentage points; log KL in nats) and by the number of seeds that it took.

"""
TAIL = """
**How to read it.** On the machine that made the baseline an unchanged method repeats every value to the bit, so that any of these
changes shows as a missing `identical`, whatever its size; the last column counts the tasks in which values changed. Verdicts are
for the rest: other machines, other seeds, and the question whether a change does harm.

**What cannot be seen, and why.** Two labels of a hundred on which a tenth of the loss rests, or a few images of each epoch that
are never the same, move these metrics by less than a run scatters: no affordable number of seeds tells them from noise. An
evaluation that loses its last batch is still an unbiased look at the same students. Such bugs are for tests of the parts, and for
`identical`.

**Where nothing changed there was nothing to break.** The rankers of `topics` have no batch statistics, and the one known relevant
document is the first of each list there, so that a shifted label is the same label. The 128 images of `streets` fill their
batches. A teacher that is really left in training mode never reaches the gate: the loop ends with an error, and the results are
missing. T² matters by the weight that it gives to the teacher: less of it was better on `digits`, and worse on `topics`.
"""
UNITS = dict.fromkeys(("accuracy", "ece", "agreement", "miou", "miou_st", "map", "positive_agreement", "ndcg@10"), 100)


@dataclass(frozen=True)
class Case:
    """One run that the gate judges: a plugin file instead of the intact one, and in words what is wrong with it."""

    what: str
    plugin: str
    suite: str = "study"
    profile: str = ""


CASES = (
    Case("nothing: the same seeds once more", "intact"),
    Case("nothing: three seeds that the baseline does not have", "intact", profile="fresh"),
    Case("T² dropped", "no_t_squared"),
    Case("teacher in train mode (its buffers restored)", "teacher_in_train_mode"),
    Case("teacher left in train mode", "teacher_left_in_train_mode"),
    Case("labels shifted by one in 2 % of the data", "shifted_labels"),
    Case("last batch of each epoch lost in training", "last_batch_lost"),
    Case("last batch lost in evaluation (students and teachers)", "last_batch_not_tested", "study_task"),
)


def kdbench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    made = subprocess.run([sys.executable, "-m", "kdbench.cli.app", *words], cwd=folder, capture_output=True, text=True)
    print(f"{made.returncode}  kdbench {' '.join(words)}", flush=True)
    if made.returncode in (2, 70):
        raise SystemExit(made.stdout + made.stderr)
    return made


def baseline(work: Path) -> Path:
    """Ten seeds of the intact method and task, accepted. A second study goes on from the first one's."""
    folder = work / "baseline"
    folder.mkdir(parents=True, exist_ok=True)
    for suite in ("study", "study_task"):
        words = (str(HERE / f"{suite}.yaml"), "--profile", "baseline", "--plugin", str(HERE / "intact.py"))
        if kdbench(folder, "run", *words, "--no-track").returncode:
            raise SystemExit("the baseline did not run")
        kdbench(folder, "baseline", "accept", *words, "--reason", "the intact method")
    return folder


def judged(work: Path, base: Path, case: Case) -> dict[str, Any]:
    """Run one case beside the baseline's teachers and controls, decide, and take the gate's report."""
    folder = work / f"{case.plugin}{case.profile}"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(base, folder)
    for made in ("*/studied", "studied_digits/*"):
        for path in filter(Path.is_dir, (folder / "results").glob(made)):
            shutil.rmtree(path)
    words = [str(HERE / f"{case.suite}.yaml"), "--plugin", str(HERE / f"{case.plugin}.py")]
    words += ["--profile", case.profile] if case.profile else []
    kdbench(folder, "run", *words, "--no-track", "--decide")
    return json.loads(kdbench(folder, "gate", *words, "--json").stdout)


def found(cell: dict[str, Any]) -> str:
    """`regressed: accuracy −4.10 (3 seeds)`"""
    seeds = len(cell["seeds"])
    parts = [part for part in cell["endpoints"] if part["verdict"] == cell["verdict"]]
    loud = cell["verdict"] in ("regressed", "drifted", "improved")
    moved = ", ".join(f"{part['metric']} {signed(part['metric'], part['difference'])}" for part in parts) if loud else ""
    return f"{cell['verdict']}{': ' + moved if moved else ''}" + (f" ({seeds})" if seeds else "")


def signed(metric: str, value: float | None) -> str:
    if value is None:
        return "undefined"
    scale = UNITS.get(metric, 1)
    return f"{value * scale:+.{2 if scale == 100 else 3}f}".replace("-", "−")


def outcome(case: Case, report: dict[str, Any]) -> str:
    """Whether anybody would have noticed, by what, and with how many seeds."""
    if report["exit_code"] == 3:
        return "**caught**: no result (exit code 3)"
    worse = [len(cell["seeds"]) for cell in report["cells"] if cell["verdict"] == "regressed"]
    if worse:
        return f"**caught** with {min(worse)} seeds (exit code 1)"
    if case.plugin == "intact":
        return "no alarm"
    own = [cell for cell in report["cells"] if not (case.suite == "study" and cell["cell"].startswith("none"))]
    changed = {cell["task"] for cell in own if cell["verdict"] != "identical"}
    return f"**not seen**; values changed in {len(changed)} of {len({cell['task'] for cell in own})}"


def tasks_of(report: dict[str, Any], method: str) -> dict[str, dict[str, Any]]:
    return {cell["task"]: cell for cell in report["cells"] if cell["cell"].startswith(method)}


def page(reports: dict[Case, dict[str, Any]]) -> str:
    names = ["digits", "streets", "topics", "sounds"]
    lines = [
        *HEAD.splitlines(),
        "| what is broken | " + " | ".join(names) + " | outcome |",
        "|" + " --- |" * (len(names) + 2),
    ]
    for case, report in reports.items():
        cells = tasks_of(report, "studied" if case.suite == "study" else "kd")
        if case.suite != "study":
            cells = {"digits": cells["studied_digits"]}
        told = [found(cells[name]) if name in cells else "" for name in names]
        lines.append(f"| {case.what} | {' | '.join(told)} | {outcome(case, report)} |")
    lines += [
        "",
        "Controls (`none`), which were not broken: " + controls(reports),
        *TAIL.splitlines(),
        "",
        *sensitivity(reports),
        "",
    ]
    return "\n".join(lines)


def controls(reports: dict[Case, dict[str, Any]]) -> str:
    seen: dict[str, int] = {}
    for case, report in reports.items():
        if case.suite == "study":
            for cell in tasks_of(report, "none").values():
                seen[cell["verdict"]] = seen.get(cell["verdict"], 0) + 1
    return ", ".join(f"{number} {verdict}" for verdict, number in seen.items()) + "."


def sensitivity(reports: dict[Case, dict[str, Any]]) -> list[str]:
    """What three seeds could have shown, from the judgement of fresh seeds of the intact method."""
    report = next(report for case, report in reports.items() if case.profile == "fresh")
    lines = ["The smallest loss that these seeds find four times of five, and the noise of one run:", ""]
    lines += ["| task | metric | seeds | noise | smallest loss found |", "| --- | --- | --- | --- | --- |"]
    for name, cell in tasks_of(report, "studied").items():
        for part in cell["endpoints"]:
            scale = UNITS.get(part["metric"], 1)
            places = 2 if scale == 100 else 3
            least, noise = (f"{part[key] * scale:.{places}f}" for key in ("detectable", "noise"))
            lines.append(f"| {name} | {part['metric']} | {len(cell['seeds'])} against 10 | {noise} | {least} |")
    return lines


def main(work: Path, target: Path) -> None:
    base = baseline(work)
    reports = {case: judged(work, base, case) for case in CASES}
    (work / "reports.json").write_text(json.dumps({case.what: report for case, report in reports.items()}, indent=1))
    target.write_text(page(reports), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
