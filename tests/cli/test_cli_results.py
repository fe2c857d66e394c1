"""kdbench results import at the command line: the template, and what a wrong file is told."""

from __future__ import annotations

from cli_bench import Bench

RUNS = """\
task,method,seed,accuracy,source
digits,kd,0,0.91,torchdistill
digit,kd,1,0.93,torchdistill
digits,~sskd,0,95,its own code
"""


def test_the_template_and_wrong_files(bench: Bench) -> None:
    template, without, nowhere = bench.many("results import --template", "results import", "results import nowhere.csv")
    assert template.code == 0 and template.out.startswith("task,method,")
    assert without.code == 2 and "which file?" in without.err
    assert nowhere.code == 2 and "nowhere.csv" in nowhere.err
    bench.write("template.csv", template.out)
    bench.write("wrong.csv", RUNS)
    dry, wrong = bench.many("results import template.csv --dry", "results import wrong.csv")
    assert dry.code == 0 and "2 runs to add" in dry.out
    assert wrong.code == 2 and "wrong.csv:3: task: no task 'digit'; did you mean 'digits'?" in wrong.err
    assert "wrong.csv:4: accuracy: 95 is no share" in wrong.err and "did you mean 0.95?" in wrong.err
    assert not (bench.folder / "results").exists()
