"""A method file of less than 40 lines is in plan, run, compare, report and gate, and the package is not touched."""

from __future__ import annotations

from cli_bench import Bench

SUITE = """\
version: 1
name: mine
seeds: 2
tasks:
  - task: digits
    recipe: {steps: 12}
    teachers: {recipe: {steps: 12}}
methods:
  - soft_gap
  - {method: soft_gap, params: {weight: 3.0}}
"""


def test_a_users_file_appears_everywhere(bench: Bench):
    """In one process, since every verb would import the same again."""
    bench.write("mine.yaml", SUITE)
    with_file = "mine.yaml --plugin soft_gap.py"
    new, alone, planned, done, accepted, compared, reported, gated = bench.many(
        "new-method soft_gap",
        "check mine.yaml",
        f"plan {with_file}",
        f"run {with_file} --no-track --executor inline",
        f"baseline accept {with_file} --reason 'a first look'",
        "compare mine.yaml soft_gap none --plugin soft_gap.py",
        f"report {with_file}",
        f"gate {with_file}",
    )
    assert new.code == 0 and len((bench.folder / "soft_gap.py").read_text().splitlines()) < 40
    assert alone.code == 2 and "unknown method 'soft_gap'" in alone.err
    assert planned.code == 0 and "digits soft_gap seed 1" in planned.out and "digits soft_gap[weight=3]" in planned.out
    assert done.code == 0 and "failed" not in done.out
    assert accepted.code == 0 and "soft_gap" in (bench.folder / "baselines/mine/digits.csv").read_text()
    assert compared.code == 0 and "soft_gap" in compared.out
    assert reported.code == 0 and "soft_gap[weight=3]" in (bench.folder / "reports/mine/report.md").read_text()
    assert gated.code == 0 and "soft_gap" in gated.out and "identical" in gated.out
