"""From files to waves, mixtures and pictures: against independent computations and in every format that is read."""

from __future__ import annotations

from pathlib import Path

import clip_files as files
import numpy as np
import pytest
import soundfile
import torch

from kdbench.contract.errors import DataError
from kdbench.tasks.data.audio import clip_mixtures, clip_pictures
from kdbench.tasks.data.audio.audio_files import decode, hear, resampled
from kdbench.tasks.data.audio.clip_pictures import Look
from kdbench.tasks.data.audio.mel import FRONT_ENDS, log_mel, mel_bank

END = FRONT_ENDS["tiny8k"]


def test_the_middle_or_the_start_is_kept_and_silence_fills_up(tmp_path: Path):
    ramp = (np.arange(1000) / 1000).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", ramp, 8000, subtype="FLOAT")
    assert np.array_equal(decode(tmp_path / "a.wav", 8000, 100, "centre"), ramp[450:550])
    assert np.array_equal(decode(tmp_path / "a.wav", 8000, 100, "start"), ramp[:100])
    assert np.array_equal(decode(tmp_path / "a.wav", 8000, 1003, "centre"), np.pad(ramp, (1, 2)))
    assert np.array_equal(decode(tmp_path / "a.wav", 8000, 1003, "start"), np.pad(ramp, (0, 3)))


def test_channels_are_averaged(tmp_path: Path):
    sides = np.stack([np.full(50, 0.5), np.full(50, -0.25)], 1)
    soundfile.write(tmp_path / "a.wav", sides, 8000, subtype="FLOAT")
    assert (decode(tmp_path / "a.wav", 8000, 50, "start") == 0.125).all()


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (16_000, 32_000), (48_000, 8000), (11_025, 8000)])
def test_resampling_keeps_what_fits_and_lets_nothing_fold(rate: int, wanted: int):
    """A tone below both limits is the same tone at the other rate; one above the lower limit is gone."""
    t = np.arange(rate) / rate
    kept = resampled(np.sin(2 * np.pi * 1000 * t).astype(np.float32), rate, wanted)
    expected = np.sin(2 * np.pi * 1000 * np.arange(wanted) / wanted)
    assert len(kept) == wanted and kept.dtype == np.float32
    assert np.abs(kept - expected)[wanted // 10 : -wanted // 10].max() < 5e-3
    if rate > wanted:
        gone = resampled(np.sin(2 * np.pi * 0.62 * wanted * t).astype(np.float32), rate, wanted)
        assert np.square(gone[100:-100]).mean() < 1e-5


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "mp3"])
def test_every_format_is_read(tmp_path: Path, ending: str):
    path = files.tone(tmp_path / f"a.{ending}", 440, 0.5, 16_000)
    wave = decode(path, 16_000, 8000, "start")
    spectrum = np.abs(np.fft.rfft(wave))
    assert abs(spectrum.argmax() * 2 - 440) <= 2 and 0.3 < np.abs(wave).max() < 0.6
    assert hear(path).rate == 16_000 and abs(hear(path).seconds - 0.5) < 0.1


def test_what_cannot_be_heard_is_named(tmp_path: Path):
    (tmp_path / "text.wav").write_text("no sound")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    soundfile.write(tmp_path / "nan.wav", np.array([0, np.nan]), 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", np.zeros(9), 500)
    for name, message in (
        ("text.wav", "cannot be read as a sound"),
        ("lost.wav", "no such file"),
        ("empty.wav", "holds no sound at all"),
        ("nan.wav", "no finite numbers"),
        ("slow.wav", "rate of 500 Hz"),
    ):
        with pytest.raises(DataError, match=rf"{name}: .*{message}"):
            hear(tmp_path / name)
    whole = files.tone(tmp_path / "a.flac", 440, 3).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cut\.flac: "):
        hear(tmp_path / "cut.flac")


@pytest.mark.parametrize(
    ("name", "tops", "sums"),
    [  # of rows 0, 13, 40, 63 of librosa 0.11: filters.mel, in double precision
        ("panns", [0.0150118, 0.0162209, 0.0047034, 0.0013412], [0.0312039, 0.0318229, 0.0320442, 0.0319938]),
        ("ced", [0.8755919, 0.9009873, 0.9058354, 0.9594272], [0.8755919, 1.5586923, 4.2445468, 10.3708173]),
    ],
)
def test_banks_equal_librosa(name: str, tops: list[float], sums: list[float]):
    bank = mel_bank(FRONT_ENDS[name])[[0, 13, 40, 63]].double()
    assert bank.amax(1).tolist() == pytest.approx(tops, rel=1e-5)
    assert bank.sum(1).tolist() == pytest.approx(sums, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "sweep", "expected"),
    [  # at (mel, frame) of a chirp from 100 Hz: librosa 0.11, power_to_db(melspectrogram), in decibels
        ("panns", 12_000, {(2, 5): -46.59, (20, 20): -85.9331, (63, 95): -91.6436, (30, 100): -31.2924, (10, 50): -100.0}),
        ("ced", 6_000, {(2, 5): -30.1917, (20, 20): -35.5749, (63, 95): -67.4697, (30, 100): -11.1734, (10, 50): -82.5606}),
    ],
)
def test_pictures_equal_librosa(name: str, sweep: int, expected: dict[tuple[int, int], float]):
    """The last value of each is a floor: of the logarithm, or 120 dB below the clip's loudest."""
    end = FRONT_ENDS[name]
    t = torch.arange(end.rate, dtype=torch.float64) / end.rate
    chirp = 0.5 * torch.sin(2 * torch.pi * (100 * t + 0.5 * sweep * t * t))
    quiet = 1e-7 * torch.sin(2 * torch.pi * 500 * t)
    beside, picture = log_mel(torch.stack([quiet, chirp]).float(), end)[:, 0]
    assert torch.allclose(beside, log_mel(quiet[None].float(), end)[0, 0], atol=1e-4), "cut at its own loudest value"
    assert picture.shape == (64, 101)
    for place, value in expected.items():
        assert picture[place].item() == pytest.approx(value, abs=0.02), place


def test_mixtures_are_of_one_split_and_of_different_tags():
    hot = np.eye(5, dtype=bool)[np.arange(40) % 5]
    made = clip_mixtures.draw("train", hot, 3, 10)
    sizes = (made.clip >= 0).sum(1)
    assert np.bincount(sizes, minlength=4)[1:].min() > 100 and sizes.max() == 3
    assert (made.labels(hot).sum(1) == sizes).all(), "no tag twice"
    assert np.array_equal(made.clip[:, 0], np.arange(400) % 40)
    partners = made.clip[:, 1:][made.clip[:, 1:] >= 0]
    assert np.bincount(partners, minlength=40).min() > 0
    assert made.gain.min() >= -6 and made.gain.max() <= 0
    few = clip_mixtures.draw("train", hot, 3, 2)
    assert np.array_equal(few.clip, made.clip[:80]) and np.array_equal(few.turn, made.turn[:80])
    assert not np.array_equal(made.turn, clip_mixtures.draw("test", hot, 3, 10).turn)
    alone = clip_mixtures.draw("train", np.ones((4, 1), bool), 3, 5)
    assert ((alone.clip >= 0).sum(1) == 1).all(), "one tag has no partner"


def test_mixtures_have_the_sound_of_their_clips():
    rng = np.random.default_rng(0)
    clips = (rng.normal(size=(6, 800)) * 10.0 ** -rng.integers(0, 3, (6, 1))).astype(np.float32)
    clips[5] = 0
    made = clip_mixtures.draw("val", np.eye(6, dtype=bool), 4, 30)
    waves = np.concatenate(list(made.waves(clips, 7)))
    for row, wave in enumerate(waves):
        expected = np.zeros(800)
        for slot in range(4):
            clip = made.clip[row, slot]
            if clip >= 0 and clip != 5:
                own = clips[clip].astype(np.float64)
                own *= 0.1 / np.sqrt((own**2).mean()) * 10 ** (made.gain[row, slot] / 20)
                shift = int(made.turn[row, slot] * 800)
                expected += np.concatenate([own[800 - shift :], own[: 800 - shift]])
        assert np.abs(wave - expected).max() < 1e-5


def test_pictures_are_made_once_and_are_those_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KDBENCH_CACHE", str(tmp_path / "cache"))
    paths = [files.tone(tmp_path / f"{n}.wav", 300 + 10 * n) for n in range(70)]
    look = Look(END, 0.4, "centre")
    made = clip_pictures.clips(paths, tmp_path, look)
    assert made.shape == (70, 1, 32, 21) and made.dtype == np.float16
    again = log_mel(torch.from_numpy(look.wave(paths[68]))[None], END)[0]
    assert np.abs(made[68] - again.numpy()).max() < 0.01
    monkeypatch.setattr(clip_pictures, "log_mel", None)
    assert np.array_equal(clip_pictures.clips(paths, tmp_path, look), made)
    with pytest.raises(TypeError):
        clip_pictures.clips(paths, tmp_path, Look(END, 0.4, "start"))
    mean, deviation = clip_pictures.level(made)
    assert (mean, deviation) == pytest.approx((made.astype(np.float64).mean(), made.astype(np.float64).std()), rel=1e-9)
