"""`kdbench data` on folders of a person's own: what is there, what is wrong with it, and that nothing in it is ever run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_bench import Bench
from PIL import Image

SUITE = """\
version: 1
name: own
tasks:
  - task: images
    params: {{root: {root}, content: {content}, size: 16, train: 40}}
    pairs:
      - name: small
        teacher: {{model: resnet8, recipe: {{steps: 2, batch: 8}}}}
        student: {{model: resnet8, recipe: {{steps: 2, batch: 8}}}}
methods: [kd]
"""


@pytest.fixture
def folder(bench: Bench) -> Path:
    rng = np.random.default_rng(1)
    for split, count in (("train", 20), ("test", 5)):
        for label in ("cat", "dog", "eel"):
            for n in range(count):
                path = bench.folder / "set" / split / label / f"{n}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    return bench.folder / "set"


def test_what_there_is_and_what_is_missing(bench: Bench, folder: Path):
    listed, found, wrong, missing, *last = bench.many(
        "data list",
        f"data list --root {folder} --json",
        "data check cifar",
        "data check cifar100 --root nowhere",
        "data check svhn",
        "data check scenes",
        "data check digits",
        "describe task scenes --sample x.png",
        "describe task cifar10 --sample x.png",
    )
    nowhere, scenes, digits, several, one = last
    described = bench("describe", "task", "cifar100", code=0)
    assert "params" in described.out and "set KDBENCH_DATA" in described.out
    assert listed.code == 0 and "cifar-100-python.tar.gz" in listed.out and "https://" in listed.out
    assert json.loads(found.out)["images"]["found"] == str(folder)
    assert wrong.code == 2 and "did you mean 'cifar10'?" in wrong.err
    assert missing.code == 2 and "it is not in nowhere or in cifar-100-python" in missing.err
    assert nowhere.code == 2 and "set KDBENCH_DATA" in nowhere.err
    assert "task 'scenes' reads 'cityscapes', " in scenes.err and "'pairs'; kdbench data list" in scenes.err
    assert "task 'digits' brings its own: kdbench describe task digits" in digits.err
    assert "`kdbench data sample NAME x.png --root FOLDER` shows files of yours; NAME is cityscapes, " in several.err
    assert "`kdbench data sample cifar10 x.png --root FOLDER` shows files of yours\n" in one.err
    assert {done.code for done in last} == {2}


def test_a_folder_is_checked_and_then_runs_by_its_fingerprint(bench: Bench, folder: Path):
    cache = str(bench.folder / "cache")
    done = bench("data", "check", "images", "--root", str(folder), "--json", code=0, KDBENCH_CACHE=cache)
    findings = {line["what"]: line["found"] for line in json.loads(done.out)["findings"]}
    assert findings["train"] == "60 images, 3 classes, 20 each" and findings["leaks"] == "0 of test are also in train"
    content = findings["fingerprint"].split(":")[0]
    bench.write("own.yaml", SUITE.format(root=folder, content=content))
    keys = set(bench.plan("own.yaml"))
    bench("run", "own.yaml", code=0, KDBENCH_CACHE=cache)
    moved = folder.rename(bench.folder / "elsewhere")
    bench.write("own.yaml", SUITE.format(root=moved, content=content))
    assert set(bench.plan("own.yaml")) == keys and set(bench.states("own.yaml").values()) == {"cached"}
    bench("data", "sample", "images", "look.png", "--root", str(moved), code=0, KDBENCH_CACHE=cache)
    assert (bench.folder / "look.png").read_bytes()[:4] == b"\x89PNG"


def test_what_is_wrong_is_named_and_nothing_is_run(bench: Bench, folder: Path):
    (folder / "test" / "cat" / "0.png").write_bytes(b"\x89PNG")
    python = bench.folder / "cifar-100-python"
    python.mkdir()
    for name in ("train", "test", "meta"):
        (python / name).write_bytes(b"\x80\x02cposix\nsystem\n(X\x09\x00\x00\x00touch rantR.")
    bad, evil = bench.many(f"data check images --root {folder}", "data check cifar100 --root .", KDBENCH_CACHE="cache")
    assert bad.code == 1 and "NOT files" in bad.out and "0.png: cannot be read as an image" in bad.out
    assert evil.code == 2 and "asks for posix.system" in evil.err and not (bench.folder / "ran").exists()


def test_the_split_is_written_and_the_fingerprint_only_where_nothing_is_wrong(bench: Bench, folder: Path):
    for split in ("train", "test"):  # folders of classes alone: the split is made here
        for label in (folder / split).iterdir():
            for n, path in enumerate(sorted(label.iterdir())):
                target = folder / label.name / f"{split}{n}.png"
                target.parent.mkdir(exist_ok=True)
                path.rename(target)
            label.rmdir()
        (folder / split).rmdir()
    printed, written, good, own = bench.many(
        f"data split images --root {folder}",
        f"data split images --root {folder} --to split.csv",
        f"data check images --root {folder} --fingerprint",
        "data split svhn",
        KDBENCH_CACHE="cache",
    )
    assert printed.out.splitlines()[0] == "path,label,split" and printed.out == (bench.folder / "split.csv").read_text()
    assert written.out == "split.csv: 60 train, 15 test\n"
    assert len(good.out) == 65 and good.code == 0
    assert own.code == 2
    (folder / "cat" / "train0.png").write_bytes(b"\x89PNG")
    bad = bench("data", "check", "images", "--root", str(folder), "--fingerprint", KDBENCH_CACHE="cache")
    assert bad.code == 1 and bad.out == "" and "train0.png: cannot be read" in bad.err


def test_data_that_are_not_those_that_are_meant_are_told_before_any_job(bench: Bench, folder: Path):
    bench.write("blank.yaml", SUITE.format(root=folder, content='""'))
    bench.write("away.yaml", SUITE.format(root="nowhere", content='""'))
    bench.write("other.yaml", SUITE.format(root=folder, content="a" * 64))
    bench.write("words.yaml", SUITE.format(root=folder, content="PUT_IT_HERE"))
    verbs = ("run blank.yaml", "run away.yaml", "run other.yaml", "check words.yaml", "check away.yaml", "plan away.yaml")
    blank, away, other, words, checked, planned = bench.many(*verbs, KDBENCH_CACHE="cache")
    assert blank.code == 2 and "say which images are meant: params: {content: " in blank.err.replace("\n         ", " ")
    assert away.code == 2 and "no data  images: images: it is not in nowhere" in away.err
    assert other.code == 2 and "put this into your suite" in other.err.replace("\n         ", " ")
    assert words.code == 2 and "words.yaml:5:" in words.err and "as `kdbench data check images` prints it" in words.err
    for told in (checked, planned):  # a suite may be written where its data are not
        assert told.code == 0 and "it is not in nowhere" in told.err and "`kdbench run` would not begin" in told.err
    assert not (bench.folder / "results").exists() or not any((bench.folder / "results").rglob("*.json"))
    assert not any((bench.folder / ".kdbench").rglob("log.txt"))
