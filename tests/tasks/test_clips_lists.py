"""Readers of audio sets: published layouts as they are, and every damage told with its file and line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import clip_files as files
import numpy as np
import pytest

from kdbench.contract.errors import DataError
from kdbench.tasks.data.audio import audioset, clip_set, esc, fsd50k, speech_commands, tagged_csv
from kdbench.tasks.data.audio.clip_list import ClipList


def told(found: ClipList) -> dict[str, tuple[str, list[str], str]]:
    names = [[tag for tag, there in zip(found.tags, hot, strict=True) if there] for hot in found.hot]
    rows = zip(found.files, found.part.tolist(), names, found.source.tolist(), strict=True)
    return {file.stem: (part, tags, source) for file, part, tags, source in rows}


def test_esc_keeps_its_folds_and_orders_classes_by_their_published_numbers(tmp_path: Path):
    files.esc(tmp_path)
    ten, fifty = esc.read(tmp_path, "esc10"), esc.read(tmp_path, "esc50")
    assert ten.tags == files.CATEGORIES and fifty.tags == (*files.CATEGORIES, "hand_saw")
    assert len(ten) == 30 and len(fifty) == 40 and (ten.hot.sum(1) == 1).all()
    assert told(ten)["4-4011-A-10"] == ("4", ["rain"], "4011")


def test_fsd50k_has_names_that_are_no_numbers_and_its_own_splits(tmp_path: Path):
    found = told(fsd50k.read(files.fsd50k(tmp_path)))
    assert found == {
        "64760": ("train", ["Bark", "Dog"], "64760"),
        "007": ("train", ["Rain"], "007"),
        "16399": ("val", ["Dog"], "16399"),
        "37199": ("test", ["Rain"], "37199"),
    }


def test_speech_commands_are_held_out_by_their_lists_and_noise_is_no_word(tmp_path: Path):
    found = speech_commands.read(files.speech_commands(tmp_path))
    assert found.tags == ("no", "yes")
    parts = dict(zip(found.source.tolist(), found.part.tolist(), strict=True))
    assert parts == {"0a7c2a8d": "train", "1b2f": "val", "c0ffee": "test"} and len(found) == 6


def test_audioset_is_found_under_every_name_and_its_gaps_are_counted(tmp_path: Path):
    found = audioset.read(files.audioset(tmp_path))
    assert found.tags == ("Speech", "Male speech, man speaking", "Dog")
    assert found.listed == {"balanced_train": 3, "unbalanced_train": 1, "eval": 2}
    rows = {source: (part, tags) for part, tags, source in told(found).values()}
    assert rows == {
        files.VIDEOS[0]: ("balanced_train", ["Speech", "Male speech, man speaking"]),
        files.VIDEOS[1]: ("balanced_train", ["Dog"]),
        files.VIDEOS[2]: ("unbalanced_train", ["Male speech, man speaking"]),
        files.VIDEOS[3]: ("eval", ["Dog"]),
        files.VIDEOS[4]: ("eval", ["Speech"]),
    }


def test_audioset_is_the_same_in_another_encoding_and_not_with_another_clip(tmp_path: Path):
    one = clip_set.listed(files.audioset(tmp_path / "a"), audioset.read)
    files.audioset(tmp_path / "b")
    lost = tmp_path / "b" / "audios" / "part0" / f"Y{files.VIDEOS[0]}.wav"
    lost.rename(lost.with_name(f"{files.VIDEOS[0]}.flac"))
    files.tone(tmp_path / "b" / "audios" / "part1" / f"{files.VIDEOS[1]}.flac", 999)
    other = clip_set.listed(tmp_path / "b", audioset.read)
    assert one.fingerprint == other.fingerprint
    (tmp_path / "b" / "audios" / "part1" / f"{files.VIDEOS[1]}.flac").unlink()
    clip_set.listed.cache_clear()
    assert clip_set.listed(tmp_path / "b", audioset.read).fingerprint != one.fingerprint


def test_your_csv_may_come_from_a_spreadsheet(tmp_path: Path):
    found = tagged_csv.read(files.tagged(tmp_path))
    assert found.tags == ("bird", "wind") and found.hot[:3].tolist() == [[True, False], [True, True], [False, True]]
    assert told(found)["a, b 3"] == ("train", ["bird"], "1") and found.part.tolist() == ["train"] * 8 + ["test"] * 4


def changed(path: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / path).read_text(encoding="utf-8")
        assert old in text
        (folder / path).write_text(text.replace(old, new, 1), encoding="utf-8", newline="")

    return change


ESC, DEV, SEGMENTS = "meta/esc50.csv", "FSD50K.ground_truth/dev.csv", "metadata/eval_segments.csv"
WRONG = [
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, "1-1000-A-0.wav,1", "1-1000-A-0.wav,6"), r"csv:2: fold '6'"),
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, "1,0,dog", "1,99,dog"), r"csv:2: target '99', expected 0 to 49"),
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, "1,0,dog", "1,0,cat"), r"csv:3: target 0 is 'dog' here and 'cat'"),
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, "1-1000-A-0", "../../1-1000"), r"csv:2: .* is no plain file name"),
    (
        files.esc,
        lambda p: esc.read(p, "esc10"),
        changed(ESC, "1-1001-A-0", "1-1000-A-0"),
        r"csv:3: .* a second time, first at .*:2",
    ),
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, "1-1001-A-0", "lost"), r"csv:3: no file .*lost\.wav"),
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, ",1000,A", ",1000"), r"csv:2: 6 columns, expected 7"),
    (
        files.esc,
        lambda p: esc.read(p, "esc10"),
        changed(ESC, "src_file", "src_fil"),
        r"csv:1: no column 'src_file' \(is 'src_fil' meant",
    ),
    (files.esc, lambda p: esc.read(p, "esc10"), changed(ESC, "1,0,dog", '1,0,"dog'), r"csv:\d+: unexpected end of data"),
    (files.fsd50k, fsd50k.read, changed(DEV, "Rain", "Snow"), r"dev\.csv:3: tag 'Snow' is not in vocabulary\.csv"),
    (files.fsd50k, fsd50k.read, changed(DEV, ",val", ",valid"), r"dev\.csv:4: split 'valid'"),
    (files.fsd50k, fsd50k.read, changed(DEV, "Rain", ""), r"dev\.csv:3: 007\.wav has no tag"),
    (files.fsd50k, fsd50k.read, changed("FSD50K.ground_truth/vocabulary.csv", "2,Rain", "3,Rain"), r":3: number '3', expected 2"),
    (
        files.speech_commands,
        speech_commands.read,
        changed("testing_list.txt", "yes/c", "../c"),
        r"testing_list\.txt:1: .*expected <w",
    ),
    (
        files.speech_commands,
        speech_commands.read,
        changed("testing_list.txt", "c0ffee", "c0f"),
        r"list\.txt:1: no file .*yes/c0f_",
    ),
    (
        files.speech_commands,
        speech_commands.read,
        changed("testing_list.txt", "c0ffee", "1b2f"),
        r"is also in validation_list\.txt",
    ),
    (
        files.audioset,
        audioset.read,
        changed(SEGMENTS, "/m/09x0r", "/m/zzz"),
        r"segments\.csv:5: label '/m/zzz' is not in class_l",
    ),
    (
        files.audioset,
        audioset.read,
        changed(SEGMENTS, ' "/m/09x0r"', " /m/09x0r,/m/0bt9lr"),
        r"segments\.csv:5: 5 columns, expected 4",
    ),
    (files.audioset, audioset.read, changed(SEGMENTS, files.VIDEOS[4], "short"), r"'short' is no id of a video"),
    (files.audioset, audioset.read, changed(SEGMENTS, files.VIDEOS[4], files.VIDEOS[0]), r"a second time, first at .*balanced"),
    (
        files.audioset,
        audioset.read,
        lambda p: files.tone(p / f"{files.VIDEOS[0]}.mp3", 50, rate=16_000),
        r"a second file of clip '--aaa",
    ),
    (
        files.tagged,
        tagged_csv.read,
        changed("clips.csv", "clips/0.wav", "/etc/passwd"),
        r"csv:2: file '/etc/passwd', expected a path below",
    ),
    (
        files.tagged,
        tagged_csv.read,
        changed("clips.csv", "clips/0.wav", "clips/../../0.wav"),
        r"csv:2: file .*expected a path below",
    ),
    (files.tagged, tagged_csv.read, changed("clips.csv", "bird,train", " ; ,train"), r"csv:2: 0\.wav has no tag"),
    (
        files.tagged,
        tagged_csv.read,
        changed("clips.csv", "bird,train", "bird,dev"),
        r"csv:2: split 'dev', expected train, val or test",
    ),
    (files.tagged, lambda p: tagged_csv.read(p, "clips.txt"), lambda p: (p / "clips.txt").write_bytes(b"\xff\xfe"), "not UTF-8"),
    (
        files.tagged,
        lambda p: tagged_csv.read(p, "clips.txt"),
        lambda p: (p / "clips.txt").write_bytes(b""),
        "empty, expected a first",
    ),
]


@pytest.mark.parametrize(("make", "read", "damage", "message"), WRONG)
def test_what_is_wrong_has_its_place(tmp_path: Path, make, read, damage, message: str):
    make(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("stem", "first"),
    [
        ("abcdefghijk", "abcdefghijk"),
        ("Yabcdefghijk", "abcdefghijk"),
        ("abcdefghijk_30", "abcdefghijk"),
        ("-bcdefg_ijk_30.5_40.5", "-bcdefg_ijk"),
        ("Yabcdefghijk_30.000", "abcdefghijk"),
        ("abcdefghijkl", None),
        ("abcdefghijk_30_40_50", None),
    ],
)
def test_names_of_audioset_files(stem: str, first: str | None):
    assert next(iter(audioset.candidates(stem)), None) == first


def test_the_order_and_the_fingerprint_are_of_the_content(tmp_path: Path):
    one = clip_set.listed(files.esc(tmp_path / "a"), esc.read, "esc10")
    files.esc(tmp_path / "b")
    path = tmp_path / "b" / ESC
    head, *lines = path.read_text().splitlines()
    path.write_text("\n".join([head, *reversed(lines)]) + "\n")
    two = clip_set.listed(tmp_path / "b", esc.read, "esc10")
    assert one.fingerprint == two.fingerprint
    for fold, part in one.parts.items():
        assert [file.name for file in part.files] == [file.name for file in two.parts[fold].files]
        assert part.hot[:3].sum(0).tolist() == [1, 1, 1], "tags take turns"
    text = path.read_text()
    path.write_text(text.replace("sea_waves", "waves"))
    clip_set.listed.cache_clear()
    assert clip_set.listed(tmp_path / "b", esc.read, "esc10").fingerprint != one.fingerprint
    joined = one.joined(["2", "4"])
    assert len(joined) == 12 and np.isin(joined.source, np.concatenate([one.parts[f].source for f in "24"])).all()
    with pytest.raises(DataError, match="say which clips are meant"):
        clip_set.load("", tmp_path / "a", esc.read, "esc10")
    with pytest.raises(DataError, match="these are not the clips of param `content`"):
        clip_set.load("0" * 64, tmp_path / "a", esc.read, "esc10")
