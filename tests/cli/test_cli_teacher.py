"""A teacher goes out of kdbench as a file and comes back as one from elsewhere: measured, admitted, used, reported, guarded."""

from __future__ import annotations

import json
from pathlib import Path

from cli_bench import Bench

OWN = """\
version: 1
name: own
tasks:
  - task: digits
    recipe: {steps: 5}
    teachers: {recipe: {steps: 60}}
methods: [kd]
"""
LEARNS = """\
version: 1
name: learns
tasks:
  - task: digits
    recipe: {steps: 5}
    pairs: [{name: outside, teacher: {card: mine}}]
methods: [kd]
"""
ADD = "teacher add {} --task digits --model digit_net --param 'widths=[16,32,64]' --param depth=2 --source 'made next door'"


def test_out_and_back(bench: Bench) -> None:
    bench.write("own.yaml", OWN)
    bench.write("learns.yaml", LEARNS)
    key = next(key for key, job in bench.plan("own.yaml").items() if job["kind"] == "teacher")
    file = bench.folder / "files" / "t.safetensors"
    add = ADD + f" --weights {file} --claims accuracy="
    ran, exported, added, wrong, gone, again, learned = bench.many(
        "run own.yaml --no-track --executor inline",
        f"export {key} --to {file}",
        add.format("mine") + "0.6±0.4",
        add.format("wrong") + "0.03",
        ADD.format("gone") + " --weights none.pth --claims accuracy=0.9",
        add.format("mine") + "0.9",
        "run learns.yaml --no-track --executor inline",
    )
    assert [done.code for done in (ran, exported, added, learned)] == [0, 0, 0, 0], added.text + learned.text
    assert "mine: accuracy 0.6 claimed, ±0.4 allowed; 0." in added.out and "written: teachers/mine.yaml" in added.out
    assert wrong.code == 1 and "wrong: NOT admitted: accuracy" in wrong.out and "it may be: " in wrong.out
    assert gone.code == 2 and "none.pth: No such file" in gone.err
    assert again.code == 2 and "there is a card teachers/mine.yaml; --replace overwrites it" in again.err
    assert [path.name for path in (bench.folder / "teachers").iterdir()] == ["mine.yaml"]
    assert str(bench.folder) not in (bench.folder / "teachers" / "mine.yaml").read_text()

    teacher = bench.records()[key]
    [taken] = [record for record in bench.records().values() if record.provenance.get("teacher")]
    assert taken.metrics == teacher.metrics and taken.provenance["teacher"]["source"] == "made next door"
    score = f"{teacher.metrics['truth']['accuracy']:.5g}"
    page = (bench.folder / "reports" / "learns" / "report.md").read_text()
    assert f"made next door; accuracy on test 0.6 claimed, {score} measured, {score} here" in page

    # The same file elsewhere is the same teacher; another file in its place is not.
    file.rename(elsewhere(bench, "t.safetensors"))
    place = {"KDBENCH_WEIGHTS": str(bench.folder / "elsewhere")}
    card = bench.folder / "teachers" / "mine.yaml"
    card.write_text(card.read_text().replace("../files/", ""))
    kept, listed = bench.many("plan learns.yaml --json", "teacher list --json", **place)
    assert {job["state"] for job in json.loads(kept.out)["jobs"]} == {"cached"}
    assert json.loads(listed.out)["mine"]["state"] == "admitted"
    content = elsewhere(bench, "t.safetensors").read_bytes()
    elsewhere(bench, "t.safetensors").write_bytes(content[:-4] + b"\x00\x00\x80\x3f")
    planned, verified, listed = bench.many("plan learns.yaml", "teacher verify --all", "teacher list", **place)
    for done in (planned, verified):
        assert done.code == 2 and "these are not the weights that were admitted" in done.err
    assert "mine: weights are not those that were admitted" in listed.out
    missing, removed, unknown = bench.many("plan learns.yaml", "teacher remove mine", "plan learns.yaml")
    assert missing.code == 2 and "learns.yaml:6:38: the weights of teacher 'mine' are not at" in missing.err
    assert removed.code == 0 and unknown.code == 2 and "there is no teacher's card teachers/mine.yaml" in unknown.err


def test_what_is_typed_wrong_is_told_without_a_file_that_there_is_not(bench: Bench) -> None:
    elsewhere(bench, "w.pth").write_bytes(b"x")
    add = "teacher add m --weights w.pth --claims accuracy=0.5 --source me --task images --model "
    here, bare, which = bench.many(add + "resnet18", add + "timm:resnet18", add + "resnet8")[:3]
    assert all(done.code == 2 and "w.pth: No such file" in done.err for done in (here, bare, which))
    place = {"KDBENCH_WEIGHTS": str(bench.folder / "elsewhere")}
    bare, typo, which = bench.many(add + "resnet18", add + "timm:resnet18x", add + "timm:resnet18", **place)
    assert "kdbench: unknown model 'resnet18'; did you mean 'timm:resnet18'?" in bare.err and "m.yaml" not in bare.err
    assert "timm has no network 'resnet18x'; did you mean 'timm:resnet18'?" in typo.err
    assert "--task-param content=...: expected the fingerprint of the images" in which.err
    assert [done.code for done in (bare, typo, which)] == [2, 2, 2]


def elsewhere(bench: Bench, name: str) -> Path:
    folder = bench.folder / "elsewhere"
    folder.mkdir(exist_ok=True)
    return folder / name
