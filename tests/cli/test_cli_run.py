"""`kdbench run`: from nothing, again, after a change, in part, inline, and for programs."""

from __future__ import annotations

import json

from cli_bench import Bench, Done

from kdbench.results.source_digests import source_digest


def test_from_nothing(first_run, finished: Bench):
    done: Done = first_run[1]
    assert "tiny: 7 jobs: 7 to run" in done.out
    assert "7 jobs in" in done.out and "7 done" in done.out
    for word in ("digits", "teacher", "none", "kd"):
        assert word in done.out
    assert "report: reports/tiny/index.html" in done.out
    assert (finished.folder / "reports/tiny/index.html").stat().st_size > 1000
    assert (finished.folder / "reports/tiny/report.md").read_text().count("kd") > 1
    records = finished.records()
    assert sorted(r.kind for r in records.values()) == ["student"] * 5 + ["teacher"] * 2
    assert all(r.status == "done" and r.metrics["truth"]["accuracy"] > 0 for r in records.values())
    assert all(r.metrics["fidelity"]["agreement"] > 0 for r in records.values() if r.labels["method"] == "kd")
    # Seed s learns from teacher s.
    taught = {r.labels["seed"]: r.teachers for r in records.values() if r.labels["cell"] == "kd[weight=0.8]"}
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
    assert "7 jobs: 7 cached" in again.out
    assert again.err == ""  # no job, no progress
    assert finished.stamps() == before
    assert tables(again.out) == tables(first_run[1].out)


def test_a_changed_weight_and_damaged_files_run_only_their_jobs(finished: Bench):
    """In this process, and for a program: the records are those that own processes made, and stdout is nothing but JSON."""
    whole, before = finished.comparable(), finished.stamps()
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("weight: 0.8}", "weight: [0.8, 0.7]}"))
    keys = {(r.labels["cell"], r.labels["seed"]): key for key, r in finished.records().items()}
    cut, garbage, gone = keys["kd[weight=0.8]", 0], keys["none", 1], keys["teacher", 1]
    path = finished.path_of(cut)
    path.write_text(path.read_text()[:200])
    finished.path_of(garbage).write_bytes(b"\xff\x00 no record")
    finished.path_of(gone).unlink()
    foreign = finished.write("results/digits/kd/notes.json", "my own notes")

    status, planned = finished.many("status tiny.yaml", "plan tiny.yaml --json")
    assert status.code == 3 and str(path.relative_to(finished.folder)) in status.err and "cut short" in status.err
    assert path.exists()  # looking changes nothing
    states = {(job["cell"], job["seed"]): job["state"] for job in json.loads(planned.out)["jobs"]}
    run = {("kd[weight=0.7]", 0), ("kd[weight=0.7]", 1), ("kd[weight=0.8]", 0), ("none", 1), ("teacher", 1)}
    assert {place for place, state in states.items() if state == "run"} == run

    done = finished("run", "tiny.yaml", "--executor", "inline", "--no-track", "--json", code=0)
    events = [json.loads(line) for line in done.out.splitlines()]
    assert {event["kind"] for event in events} >= {"begin", "queued", "started", "progress", "finished", "published", "end"}
    assert [e["state"] for e in events if e["kind"] == "finished"] == ["done"] * 5
    assert events[-1]["exit_code"] == 0
    assert sorted(events[-1]["states"].values()) == ["cached"] * 4 + ["done"] * 5
    assert "5 to run, 4 cached" in done.err and "report:" in done.err
    assert done.err.count("set aside as .kdbench/broken/") == 2
    aside = sorted(p.name for p in (finished.folder / ".kdbench/broken").iterdir())
    assert len(aside) == 4 and any(cut in name for name in aside) and sum(name.endswith(".why") for name in aside) == 2

    assert foreign.read_text() == "my own notes" and str(foreign.relative_to(finished.folder)) in done.err
    foreign.unlink()

    assert whole.items() <= finished.comparable().items()
    untouched = before.keys() - {cut, garbage, gone}
    assert {key: stamp for key, stamp in finished.stamps().items() if key in untouched} == {key: before[key] for key in untouched}


def test_only_and_profile(tiny: Bench):
    tiny.write("tiny.yaml", (tiny.folder / "tiny.yaml").read_text() + "profiles:\n  smoke: {seeds: 1, recipe: {steps: 5}}\n")
    smoke, whole, part, wrong, unknown = tiny.many(
        "plan tiny.yaml --json --profile smoke",
        "plan tiny.yaml --json",
        "plan tiny.yaml --json --only method=kd,seed=1",
        "plan tiny.yaml --only method=dk",
        "run tiny.yaml -p smok",
    )
    jobs = [{job["key"]: (job["cell"], job["seed"]) for job in json.loads(plan.out)["jobs"]} for plan in (smoke, whole, part)]
    assert set(jobs[0].values()) >= {("teacher", 0), ("none", 0), ("kd[weight=0.8]", 0)}
    assert {seed for _, seed in jobs[0].values()} == {0}
    assert not jobs[0].keys() & jobs[1].keys()  # fewer steps are other jobs
    assert set(jobs[2].values()) == {("teacher", 1), ("kd[weight=0.8]", 1)}
    assert wrong.code == 2 and "matches no arm" in wrong.err and "'kd'" in wrong.err
    assert unknown.code == 2 and "did you mean 'smoke'?" in unknown.err


def test_a_failed_claim_is_exit_code_1(finished: Bench):
    suite = finished.folder / "tiny.yaml"
    suite.write_text(suite.read_text().replace("at_least: -1", "at_least: 0.99"))
    done, report = finished.many("run tiny.yaml --no-track", "report tiny.yaml")
    assert done.code == report.code == 1
    assert "7 cached" in done.out and report.out.count("reports/tiny/") == 2


def test_older_results_can_be_reported_from_another_folder(finished: Bench):
    (finished.folder / "results").rename(finished.folder / "elsewhere")
    here, there, report = finished.many(
        "plan tiny.yaml", "plan tiny.yaml --results elsewhere", "report tiny.yaml --results elsewhere --reports pages"
    )
    assert "7 to run" in here.out and "7 cached" in there.out and report.code == 0
    assert (finished.folder / "pages/tiny/index.html").exists()


def test_a_reader_that_leaves_is_no_failure(tiny: Bench):
    tiny.write("tiny.yaml", (tiny.folder / "tiny.yaml").read_text().replace("seeds: 2", "seeds: 2000"))
    process = tiny.start("plan", "tiny.yaml")
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline().startswith("run ")
    process.stdout.close()
    assert process.wait(100) == 0
    assert process.stderr.read() == ""
