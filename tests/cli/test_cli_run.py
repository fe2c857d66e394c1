"""`kdbench run`: from nothing, again, after a change, in part, inline, and for programs."""

from __future__ import annotations

import json

from cli_bench import Bench, Done

from kdbench.results.provenance import source_digest


def test_from_nothing(first_run, finished: Bench):
    done: Done = first_run[1]
    assert "tiny: 6 jobs: 6 to run" in done.out
    assert "6 jobs in" in done.out and "6 done" in done.out
    for word in ("digits", "teacher", "none", "kd"):
        assert word in done.out
    assert "report: reports/tiny/index.html" in done.out
    assert (finished.folder / "reports/tiny/index.html").stat().st_size > 1000
    assert (finished.folder / "reports/tiny/report.md").read_text().count("kd") > 1
    records = finished.records()
    assert sorted(r.kind for r in records.values()) == ["student"] * 4 + ["teacher"] * 2
    assert all(r.status == "done" and r.metrics["truth"]["accuracy"] > 0 for r in records.values())
    assert all(r.metrics["fidelity"]["agreement"] > 0 for r in records.values() if r.labels["method"] == "kd")
    # Seed s learns from teacher s.
    taught = {r.labels["seed"]: r.teachers for r in records.values() if r.labels["method"] == "kd"}
    assert {s: records[t].labels["seed"] for s, (t,) in taught.items()} == {0: 0, 1: 1}
    assert (finished.folder / ".kdbench/.gitignore").read_text() == "*\n"


def test_records_know_the_code_that_made_them(finished: Bench):
    kd = next(r for r in finished.records().values() if r.labels["method"] == "kd")
    assert kd.provenance["sources"].items() >= source_digest(["kdbench.methods.kd", "kdbench.train.loop"]).items()


def tables(text: str) -> list[str]:
    """What follows the line that counts the jobs, without the addresses at the end."""
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.strip() == "digits")
    return [line for line in lines[start:] if not line.startswith(("report:", "mlflow:"))]


def test_again_everything_is_cached(first_run, finished: Bench):
    before = finished.stamps()
    again = finished("run", "tiny.yaml", code=0)
    assert "6 jobs: 6 cached" in again.out
    assert again.err == ""  # no job, no progress
    assert finished.stamps() == before
    assert tables(again.out) == tables(first_run[1].out)


def test_a_changed_weight_runs_only_its_jobs_and_json_is_json(finished: Bench):
    before = finished.stamps()
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("weight: 0.8", "weight: 0.7"))
    assert finished.states("tiny.yaml") == {
        **{f"{cell} {seed}": "cached" for cell in ("teacher", "none") for seed in (0, 1)},
        **{f"kd[weight=0.7] {seed}": "run" for seed in (0, 1)},
    }
    done = finished("run", "tiny.yaml", "--json", code=0)
    events = [json.loads(line) for line in done.out.splitlines()]  # nothing but JSON on stdout
    assert {event["kind"] for event in events} >= {"begin", "queued", "started", "progress", "finished", "published", "end"}
    assert [e["state"] for e in events if e["kind"] == "finished"] == ["done", "done"]
    assert {e["title"] for e in events if e["kind"] == "started"} == {f"digits kd[weight=0.7] seed {s}" for s in (0, 1)}
    assert events[-1]["exit_code"] == 0
    assert sorted(events[-1]["states"].values()) == ["cached"] * 4 + ["done"] * 2
    assert "2 to run, 4 cached" in done.err and "report:" in done.err
    after = finished.stamps()
    assert {key: stamp for key, stamp in after.items() if key in before} == before
    assert len(after) == len(before) + 2


def test_a_damaged_file_is_told_set_aside_and_made_again_and_inline_is_local(finished: Bench):
    """Three kinds of damage at once. The jobs run again in one process, and give the records that their own processes gave."""
    whole = finished.comparable()
    keys = {(r.labels["method"], r.labels["seed"]): key for key, r in finished.records().items()}
    cut, garbage, gone = keys["kd", 0], keys["none", 1], keys["teacher", 1]
    finished.path_of(cut).write_text(finished.path_of(cut).read_text()[:200])
    finished.path_of(garbage).write_bytes(b"\xff\x00 no record")
    finished.path_of(gone).unlink()
    path = finished.path_of(cut)

    status = finished("status", "tiny.yaml", code=3)
    assert str(path.relative_to(finished.folder)) in status.err and "cut short" in status.err
    assert path.exists()  # looking changes nothing
    assert finished.states("tiny.yaml")["kd[weight=0.8] 0"] == "run"

    done = finished("run", "tiny.yaml", "--executor", "inline", "--no-track", code=0)
    assert done.err.count("set aside as") == 2
    assert "3 to run, 3 cached" in done.out
    aside = sorted(p.name for p in (finished.folder / ".kdbench/broken").iterdir())
    assert len(aside) == 4 and any(cut in name for name in aside) and sum(name.endswith(".why") for name in aside) == 2
    assert finished.comparable() == whole


def test_only_and_profile(tiny: Bench):
    tiny.write("tiny.yaml", (tiny.folder / "tiny.yaml").read_text() + "profiles:\n  smoke: {seeds: 1, recipe: {steps: 5}}\n")
    smoke = tiny.plan("tiny.yaml", "--profile", "smoke")
    assert {(job["cell"], job["seed"]) for job in smoke.values()} == {("teacher", 0), ("none", 0), ("kd[weight=0.8]", 0)}
    assert not smoke.keys() & tiny.plan("tiny.yaml").keys()
    part = tiny.plan("tiny.yaml", "--only", "method=kd,seed=1")
    assert {(job["cell"], job["seed"]) for job in part.values()} == {("teacher", 1), ("kd[weight=0.8]", 1)}
    wrong = tiny("plan", "tiny.yaml", "--only", "method=dk", code=2)
    assert "matches no arm" in wrong.err and "'kd'" in wrong.err
    assert "did you mean 'smoke'?" in tiny("run", "tiny.yaml", "-p", "smok", code=2).err


def test_a_failed_claim_is_exit_code_1(finished: Bench):
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("at_least: -1", "at_least: 0.99"))
    done = finished("run", "tiny.yaml", "--no-track", code=1)
    assert "cached" in done.out
    assert finished("report", "tiny.yaml", code=1).out.count("reports/tiny/") == 2


def test_older_results_can_be_reported_from_another_folder(finished: Bench):
    (finished.folder / "results").rename(finished.folder / "elsewhere")
    assert finished.states("tiny.yaml")["none 0"] == "run"
    assert finished.states("tiny.yaml", "--results", "elsewhere")["none 0"] == "cached"
    finished("report", "tiny.yaml", "--results", "elsewhere", "--reports", "pages", code=0)
    assert (finished.folder / "pages/tiny/index.html").exists()
