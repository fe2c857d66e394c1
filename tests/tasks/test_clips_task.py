"""Tasks on recorded sound: splits, sets and views are what they say, folds never mix, and networks train on them."""

from __future__ import annotations

from pathlib import Path

import clip_files as files
import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from kdbench.contract.draw import Draw
from kdbench.contract.errors import DataError
from kdbench.contract.task import batches
from kdbench.models.audio import TAGCNN, TagCnnConfig
from kdbench.tasks.audio_sets import AudioSet, Fsd50k, SpeechCommands
from kdbench.tasks.clips import Clips
from kdbench.tasks.data.audio import clip_check, clip_layouts, esc
from kdbench.tasks.data.sets import SETS
from kdbench.tasks.esc import Esc10, Esc50
from kdbench.tasks.tagged_audio import TaggedAudio

# The task, its files, its parameters; clips of train, val and test.
MAKE = {
    "esc10": (Esc10, files.esc, {"seconds": 0.5, "val_fold": 3, "train": 12}, (12, 6, 6)),
    "esc50": (Esc50, files.esc, {"seconds": 0.5, "val_fold": 2}, (24, 8, 8)),
    "fsd50k": (Fsd50k, files.fsd50k, {"seconds": 0.5}, (2, 1, 1)),
    "speech_commands": (SpeechCommands, files.speech_commands, {"seconds": 0.5}, (2, 2, 2)),
    "audioset": (AudioSet, files.audioset, {"seconds": 0.5, "lists": "both", "val": 1}, (2, 1, 2)),
    "tagged_audio": (TaggedAudio, files.tagged, {"seconds": 0.5, "val": 2}, (6, 2, 4)),
}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "clips-cache"))


def made(kind: type[Clips], root: Path, **params: object) -> Clips:
    """The task on the clips that its own error names."""
    with pytest.raises(DataError, match="say which clips are meant") as told:
        kind(kind.Config(root=str(root))).clips()
    content = str(told.value).split("content: ")[1].rstrip("}")
    return kind(kind.Config(root=str(root), content=content, **params))


@pytest.mark.parametrize("name", MAKE)
def test_every_set_is_a_task_with_splits_that_share_nothing(name: str, tmp_path: Path):
    kind, make, params, sizes = MAKE[name]
    task = made(kind, make(tmp_path), **params)
    parts = {split: task.part(split) for split in ("train", "val", "test")}
    assert tuple(map(len, parts.values())) == sizes
    every = [path for part in parts.values() for path in part.files]
    assert len(set(every)) == len(every)
    for split in parts:
        samples = task.data(split)
        assert samples.fields["image"].shape == (len(parts[split]), 1, *task.facts.size)
        assert samples.fields["label"].shape == (len(parts[split]), task.facts.outputs)
    assert set(task.data("pool").fields) == {"image"}
    backbone = TAGCNN.build(task.facts, TagCnnConfig(size="tiny")).eval()
    with torch.no_grad():
        outputs = task.evaluate(task.net(TAGCNN, backbone), "test")
    assert outputs["logits"].shape == outputs["labels"].shape and np.isfinite(outputs["logits"]).all()
    assert task.describe()["sizes"] == {split: len(part) for split, part in parts.items()}


def test_a_fold_is_in_one_split_only_and_may_be_any(tmp_path: Path):
    files.esc(tmp_path)
    task = made(Esc10, tmp_path, seconds=0.5)
    for test in range(1, 6):
        for val in range(6):
            one = Esc10(task.config.model_copy(update={"test_fold": test, "val_fold": val}))
            if val == test:
                with pytest.raises(DataError, match=f"test_fold and val_fold are both {test}"):
                    one.part("train")
                continue
            folds = {split: {path.name[0] for path in one.part(split).files} for split in ("train", "val", "test")}
            assert folds["test"] == {str(test)} and folds["val"] == ({str(val)} if val else set())
            assert folds["train"] == set("12345") - folds["test"] - folds["val"]
    assert task.evaluate(lambda batch: None, "val") == {}


def test_mixtures_stay_in_their_folds_and_have_the_tags_of_their_clips(tmp_path: Path):
    task = made(Esc10, files.esc(tmp_path), seconds=0.5, most=3, each=5, val_fold=2)
    assert {split: len(task.data(split)) for split in ("train", "val", "test")} == {"train": 90, "val": 30, "test": 30}
    sizes = [task.data(split).fields["label"].sum(1).tolist() for split in ("val", "test")]
    assert sizes[0] != sizes[1], "splits have draws of their own"
    labels = task.data("train").fields["label"]
    assert set(labels.sum(1).tolist()) == {1.0, 2.0, 3.0}
    assert len(task.data("test").blocks.unique()) == 6, "a recording is a unit, however often it is mixed"
    bright = task.data("train").fields["image"].float()[:, 0].mean(-1)
    mels = {tag: bright[(labels[:, tag] == 1) & (labels.sum(1) == 1)].mean(0).argmax().item() for tag in range(3)}
    assert len(set(mels.values())) == 3
    for tag, mel in mels.items():
        on, off = (bright[labels[:, tag] == side][:, mel] for side in (1, 0))
        assert on.min() > off.max(), "each tag's own tone is heard exactly where its label says"


def views(task: Clips, policy: str, size: int, view: int) -> Tensor:
    return torch.cat([task.augment(policy, part, Draw(7))["image"] for part in batches(task.data("train"), size, view)])


def test_views_are_levelled_and_the_same_at_any_batch_size(tmp_path: Path):
    task = made(TaggedAudio, files.tagged(tmp_path), seconds=1)
    stored = task.data("train").fields["image"]
    assert stored.dtype == torch.float16
    plain = views(task, "none", 8, 0)
    assert plain.dtype == torch.float32
    assert plain.mean().item() == pytest.approx(0, abs=1e-4) and plain.std().item() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(plain, task.prepare(TAGCNN)(stored))
    assert torch.equal(task.prepare(TAGCNN)(plain), plain), "a view is not levelled twice"
    assert torch.equal(views(task, "roll_mask", 1, 3), views(task, "roll_mask", 8, 3))
    assert not torch.equal(views(task, "roll_mask", 8, 3), views(task, "roll_mask", 8, 4))
    blank = torch.cat([views(task, "roll_mask", 8, view) for view in range(40)]) == 0
    frames, mels = blank.all(2).sum(-1).max().item(), blank.all(3).sum(-1).max().item()
    assert (frames, mels) == (round(0.2 * 51), round(0.19 * 32))


@pytest.mark.parametrize("front_end", ["tiny8k", "ced", "panns"])
def test_networks_hear_the_difference(front_end: str, tmp_path: Path):
    """A few steps suffice to tell three tones that no training clip had exactly."""
    torch.manual_seed(0)
    task = made(Esc10, files.esc(tmp_path, each=4), seconds=0.5, front_end=front_end)
    net = task.net(TAGCNN, TAGCNN.build(task.facts, TagCnnConfig(size="small")))
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-2)
    for epoch in range(12):
        for batch in batches(task.data("train"), 16, epoch):
            optimiser.zero_grad()
            task.loss(task.decide(net(task.augment("none", batch, Draw(1))).values, batch)).backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        outputs = task.evaluate(net, "test")
    assert (outputs["logits"].argmax(1) == outputs["labels"].argmax(1)).mean() > 0.9
    assert len(outputs["blocks"]) == 12


def test_what_is_held_out_is_the_end_and_something_is_left(tmp_path: Path):
    task = made(TaggedAudio, files.tagged(tmp_path))
    whole = task.part("train").files
    held = TaggedAudio(task.config.model_copy(update={"val": 3, "train": 4}))
    assert held.part("train").files == whole[:4] and held.part("val").files == whole[-3:]
    assert held.part("test").files == task.part("test").files
    with pytest.raises(DataError, match="holds out 7 of 8 training clips; two must be left"):
        TaggedAudio(task.config.model_copy(update={"val": 7})).part("train")


def test_too_few_clips_are_refused(tmp_path: Path):
    task = made(AudioSet, files.audioset(tmp_path), lists="unbalanced")
    with pytest.raises(DataError, match="1 clips for train, expected 2 at least"):
        task.data("train")


def test_a_root_is_no_identity_and_the_content_is(tmp_path: Path):
    from kdbench.jobs.parts import task_identity
    from kdbench.registry import Registry

    info = Registry(packages=False).task("esc10")
    here, there = ({"params": {"root": place, "content": "ab", "test_fold": 2}} for place in ("/a", "/b"))
    assert task_identity(here, info) == task_identity(there, info)
    assert task_identity(here, info)["params"] == {"content": "ab", "test_fold": 2}


def findings(name: str, folder: Path) -> dict[str, tuple[str, bool | None]]:
    clip_layouts.clip_set.listed.cache_clear()
    layout = clip_layouts.LAYOUTS[name]
    lines = clip_check.findings(layout.listed(folder), layout.known, layout.clips, layout.tags)
    return {line.what: (line.found, line.right) for line in lines}


def test_the_check_counts_what_is_wrong(tmp_path: Path):
    files.tagged(tmp_path)
    good = findings("tagged_audio", tmp_path)
    assert good["train"] == ("8 clips, 2 tags, 5 to 6 each, 1.38 a clip", None) and good["files"] == ("all can be read", True)
    assert good["seconds"][0].startswith("0.20 to 1.30, median 0.75") and "8,000 Hz: 4" in good["rates"][0]
    assert good["leaks"][1] and good["recordings"][1] and good["silent"] == ("none", True)
    (tmp_path / "clips/9.wav").write_bytes((tmp_path / "clips/1.wav").read_bytes())
    (tmp_path / "clips/5.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "clips/6.wav", np.zeros(800), 8000)
    text = (tmp_path / "clips.csv").read_text(encoding="utf-8-sig")
    (tmp_path / "clips.csv").write_text(text.replace("test,4", "test,0"))
    bad = findings("tagged_audio", tmp_path)
    assert bad["leaks"] == ("clips in two parts: 1 in test and train (clips/1.wav = clips/9.wav)", False)
    assert bad["labels"] == ("1 times the same clip with other tags: clips/1.wav = clips/9.wav", False)
    assert "labels" not in good
    assert bad["recordings"] == ("with clips in two parts: 1 in test and train (0)", False)
    assert bad["silent"] == ("1: clips/6.wav", False)
    assert bad["files"][0].startswith("1 unreadable") and "5.wav" in bad["files"][0]


def test_the_check_knows_the_published_folds_and_the_gaps_of_a_copy(tmp_path: Path):
    small = findings("esc10", files.esc(tmp_path / "esc"))
    assert small["1"] == ("6 clips, 3 tags, 2 each", False) and small["clips"] == ("30", False)
    gaps = findings("audioset", files.audioset(tmp_path / "audioset"))
    assert gaps["coverage"][0] == "eval: 2 listed, 2 found (100.0 %)" and gaps["tags"] == ("3", False)


def test_samples_are_heard_and_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    task = made(TaggedAudio, files.tagged(tmp_path))
    task.sample(tmp_path / "some.wav")
    wave, rate = soundfile.read(tmp_path / "some.wav")
    assert rate == 16_000 and len(wave) == 4 * int(5.3 * rate)
    lines = capsys.readouterr().out.splitlines()
    hot = task.part("test").hot
    assert [line.split("s  ")[1] for line in lines] == [", ".join(np.array(["bird", "wind"])[row]) for row in hot]
    task.sample(tmp_path / "some.png")
    assert (tmp_path / "some.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(DataError, match=r"some\.mp3: expected a name that ends in \.wav or \.png"):
        task.sample(tmp_path / "some.mp3")


@pytest.mark.slow
def test_the_real_esc10_is_what_is_known_of_it():
    """Needs KDBENCH_DATA."""
    try:
        folder = esc.find("esc10")
    except DataError:
        pytest.skip("ESC-10 is not under KDBENCH_DATA")
    found = findings("esc10", folder)
    assert all(found[fold] == ("80 clips, 10 tags, 8 each", True) for fold in esc.FOLDS)
    assert found["clips"] == ("400", True) and all(right is not False for _, right in found.values())


def test_esc_50_says_of_a_folder_of_esc_10_what_it_is(tmp_path: Path):
    files.esc(tmp_path)
    fifty = SETS["esc50"]
    assert "set" not in {line.what for line in fifty.check(tmp_path)}, "there is a class that is not of ESC-10"
    table = tmp_path / "meta" / "esc50.csv"
    table.write_text("".join(line for line in table.open() if "hand_saw" not in line))
    clip_layouts.clip_set.listed.cache_clear()
    [line] = fifty.check(tmp_path)
    assert line.right is False and line.found.startswith("this is esc10: `kdbench data check esc10`")
