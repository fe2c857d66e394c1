"""Options that other tools have and kdbench says elsewhere: what a person typed by habit is answered with the way here."""

from __future__ import annotations

RECIPE = "how long and how fast is trained stands in the suite, `recipe: {{steps: 2000, lr: 0.05, batch: 64}}`"
SEEDS = "seeds stand in the suite, `seeds: 3`; `--only seed=0` takes one of them"
DEVICE = "`--device cuda:0` or `--device cpu`"
NAMES = "what is compared stands in the suite; `--only method=kd` takes a part of it, and kdbench list tells what there is"
SUITE = "the suite is named without an option: kdbench {verb} suite.yaml"
LIST = "kdbench list methods, or tasks, models, suites"

HABITS = {
    **dict.fromkeys(("--epochs", "--epoch", "--steps", "--lr", "--learning-rate", "--batch", "--batch-size", "--wd"), RECIPE),
    **dict.fromkeys(("--seed", "--seeds"), SEEDS),
    **dict.fromkeys(("--gpu", "--gpus", "--cuda", "--cpu"), DEVICE),
    **dict.fromkeys(("--method", "--methods", "--model", "--task", "--tasks", "--dataset", "--data"), NAMES),
    **dict.fromkeys(("-c", "--config", "-f", "--suite"), SUITE),
    **dict.fromkeys(("--list", "-l"), LIST),
    **dict.fromkeys(("-o", "--output", "--out"), "`--results FOLDER` says where results go; reports lie in reports/"),
    **dict.fromkeys(("-v", "--verbose"), "`--debug` shows tracebacks; each job writes its log into .kdbench/jobs"),
    **dict.fromkeys(("-n", "--dry-run"), "kdbench plan suite.yaml tells what would be run"),
    **dict.fromkeys(("-r", "--resume", "--continue"), "the same `kdbench run` again goes on where it stopped"),
}


def meant(option: str, verb: str) -> str | None:
    """What to type instead of an option that there is not; None where nobody knows."""
    told = HABITS.get(option)
    return told and f"there is no option {option}: {told.format(verb=verb)}"
