"""The built-in clips: the same whatever their number, as frequent and loud as they were, physically what they say."""

from __future__ import annotations

import numpy as np
import pytest

from kdbench.tasks.data.made import sound_kinds, sounds


@pytest.fixture(scope="module")
def clips() -> np.ndarray:
    return sounds.waves("train", 160)


@pytest.mark.parametrize("count", [1, 7, 65])
def test_a_clip_is_the_same_whatever_the_number_of_clips(clips: np.ndarray, count: int) -> None:
    few, many = sounds.events("train", count), sounds.events("train", 160)
    assert np.array_equal(few.labels(), many.labels()[:count])
    assert np.array_equal(sounds.waves("train", count), clips[:count])


def test_parameters_are_those_of_version_1() -> None:
    """Integers and uniforms only, so this holds on every machine; a change here is a new VERSION."""
    assert sounds.VERSION == 1
    prints = {split: sounds.events(split, 600).fingerprint()[:16] for split in sounds.SPLITS}
    assert prints == {"train": "f1c10857d3b0025f", "val": "a020e27627f6fd47", "test": "9290d533e8b7f0cf"}


def test_waves_are_as_loud_as_those_of_version_1(clips: np.ndarray) -> None:
    level = np.sqrt(np.square(clips, dtype=np.float64).mean(1))
    assert level[:6] == pytest.approx([0.0167657, 0.0381837, 0.0428374, 0.0466095, 0.008593, 0.0228118], rel=1e-4)
    assert level.mean() == pytest.approx(0.05234627, rel=1e-4)


def test_tags_are_one_to_three_a_clip_and_equally_frequent() -> None:
    labels = sounds.events("train", 1200).labels()
    assert set(labels.sum(1)) == {1, 2, 3}
    assert labels.mean(0).min() > 0.17 and labels.mean(0).max() < 0.23
    assert len({sounds.events(split, 50).labels().tobytes() for split in sounds.SPLITS}) == 3


def dry(tag: str, count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """The sounds of one kind before room and noise, and their durations in samples."""
    events = sounds.events("val", count)
    rows = np.flatnonzero(events.tag == sounds.TAGS.index(tag))
    waves = sounds._sounds(events, sounds.TAGS.index(tag), rows, sounds.Ring("val"))
    assert waves.shape == (len(rows), sound_kinds.LONGEST) and len(rows) > 30
    energy = np.square(waves, dtype=np.float64).sum(1)
    assert 10 * np.log10(energy / sounds.ENERGY) == pytest.approx(events.gain[rows], abs=1e-3)
    return waves, np.rint(events.duration[rows] * sound_kinds.RATE).astype(int)


@pytest.mark.parametrize("tag", sounds.TAGS)
def test_sounds_have_their_gain_and_end_where_the_events_say(tag: str) -> None:
    waves, durations = dry(tag)
    after = np.arange(waves.shape[1]) > durations[:, None]
    assert np.any(waves * after) == (tag in sound_kinds.RINGING)
    assert np.any(waves * ~after, axis=1).all()


@pytest.mark.parametrize(("tag", "sign"), [("rise", 1), ("fall", -1)])
def test_sweeps_go_their_way(tag: str, sign: int) -> None:
    """Zero crossings of the first and the last third."""
    waves, durations = dry(tag)
    for wave, duration in zip(waves, durations):
        third = duration // 3
        first, last = (np.count_nonzero(np.diff(np.signbit(part))) for part in (wave[:third], wave[duration - third : duration]))
        assert sign * (last - first) > 0.2 * (first + last)


def test_pluck_is_the_string_that_a_loop_over_samples_computes() -> None:
    """Karplus and Strong with a period of m + 1/2 samples: y[n] = x[n] + g (y[n-m] + y[n-m-1]) / 2."""
    period, rate = 40.5, sound_kinds.RATE
    u0 = np.log(rate / period / 110) / np.log(500 / 110)
    burst = np.random.default_rng(0).normal(size=(1, sound_kinds.LONGEST)).astype(np.float32)
    t = np.arange(sound_kinds.LONGEST)[None] / rate
    u = tuple(np.full((1, 1), x) for x in (u0, 0.5, 0, 0, 0))
    got = sound_kinds.KINDS["pluck"](t, np.full((1, 1), 0.5), u, lambda taps=None: burst)[0]
    x = np.where(np.arange(sound_kinds.LONGEST) < period, burst[0], 0)
    y, m = np.zeros(len(x) + 41), 40
    for n in range(len(x)):
        y[n + 41] = x[n] + 0.991 / 2 * (y[n + 41 - m] + y[n + 41 - m - 1])
    assert np.abs(got - y[41:]).max() < 2e-3 * np.abs(y).max()


def test_background_has_the_noise_that_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips with and without noise differ by a noise of the drawn level."""
    events, noisy = sounds.events("test", 40), sounds.waves("test", 40)
    monkeypatch.setattr(sounds, "SNR", (200.0, 200.0))
    clean = sounds.waves("test", 40)
    snr = 10 * np.log10(np.square(clean).mean(1, dtype=np.float64) / np.square(noisy - clean).mean(1, dtype=np.float64))
    assert snr == pytest.approx(events.snr, abs=0.01)
