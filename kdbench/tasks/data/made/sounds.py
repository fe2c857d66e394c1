"""The built-in clips: one second at 8 kHz with one to three of ten kinds of sound, made from numbers (numpy only).

Everything random about clip `i` of a split lies in row `i` of one table of uniforms, read from the raw bits of a Philox
counter: a clip is the same however many clips are made, and its parameters are the same in every version of numpy. The
waves may differ in their last bits between versions and machines (FFT, sine), so the fingerprint is the parameters'.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kdbench.tasks.data.made.sound_kinds import KINDS, LONGEST, RATE, RINGING, TAGS, Array, Wave
from kdbench.tasks.data.random_numbers import philox

VERSION = 1
SAMPLES = 8000  # of a clip
SPLITS = {"train": 1, "val": 2, "test": 3}  # second half of a split's Philox key
KEY = 0x5B1D_7C3E_90A4  # first half, for everything in this file
MOST = 3  # sounds in a clip

RAMP = 0.010  # seconds in which a sound comes and goes
ENERGY = 0.3 * RATE  # energy of a sound of 0 dB: that of 300 ms at a level of 1
RING = 1 << 20  # noise samples of a split, read as a ring
SNR = (-5.0, 15.0)  # dB, of the background
GAIN = -18.0  # dB, of the quietest sound
ROOMS = 64
TAIL = int(0.25 * RATE)  # samples of a room's tail
WET = 0.6  # amplitude of the tail to that of the direct sound
WIDTH = 48  # uniforms of a clip: 17 of its own, 9 a sound, 4 spare
Whole = NDArray[np.int64]


@dataclass(frozen=True)
class Events:
    """What is heard in the clips of a split: a row a clip for the clip's own numbers, a row a sound for the sounds'."""

    room: Whole
    snr: Array  # dB
    level: Array  # dB
    colour: Array  # share of the slow noise in the background
    background: Whole  # [clips, 2] places in the ring
    clip: Whole  # from here on: one row a sound, in the order of clips
    tag: Whole
    onset: Array  # seconds
    duration: Array  # seconds; nominal for sounds that ring on
    gain: Array  # dB
    own: Array  # [sounds, 5] uniforms, read by the kind of sound
    noise: Whole  # place in the ring

    def labels(self) -> NDArray[np.float32]:
        """[clips, tags] of 0 and 1."""
        hot = np.zeros((len(self.room), len(TAGS)), np.float32)
        hot[self.clip, self.tag] = 1
        return hot

    def fingerprint(self) -> str:
        """A hash of all parameters, rounded so that a last bit does not matter."""
        digest = hashlib.sha256(f"sounds {VERSION}".encode())
        for name, value in vars(self).items():
            whole = value if value.dtype.kind == "i" else np.rint(value * 1e6).astype(np.int64)
            digest.update(name.encode() + whole.astype("<i8").tobytes())
        return digest.hexdigest()


def _uniforms(split: int, first: int, count: int) -> Array:
    """`count` numbers in [0, 1); `first` tells apart what is drawn for a split."""
    return philox(KEY, split * 16 + first, count)


def _normals(split: int, first: int, count: int) -> Array:
    u = _uniforms(split, first, count)  # Box and Muller, in pairs
    radius, angle = np.sqrt(-2 * np.log1p(-u[0::2])), 2 * np.pi * u[1::2]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)


def events(split: str, count: int) -> Events:
    """The parameters of the first `count` clips of a split."""
    u = _uniforms(SPLITS[split], 0, count * WIDTH).reshape(count, WIDTH)
    number = 1 + np.floor(u[:, 0] * MOST).astype(np.int64)
    tags = np.argsort(u[:, 1:11], 1, kind="stable")[:, :MOST]  # distinct, every tag as likely as any other
    clip, slot = np.nonzero(np.arange(MOST) < number[:, None])
    sound = u[:, 17 : 17 + 9 * MOST].reshape(count, MOST, 9)[clip, slot]
    duration = 0.25 + 0.45 * sound[:, 0]
    return Events(
        room=np.floor(u[:, 11] * ROOMS).astype(np.int64),
        snr=SNR[0] + (SNR[1] - SNR[0]) * u[:, 12],
        level=12 * u[:, 13] - 6,
        colour=u[:, 14],
        background=np.floor(u[:, 15:17] * RING).astype(np.int64),
        clip=clip,
        tag=tags[clip, slot],
        duration=duration,
        onset=sound[:, 1] * (1 - 0.8 * duration),
        gain=GAIN * sound[:, 2],
        own=sound[:, 3:8],
        noise=np.floor(sound[:, 8] * RING).astype(np.int64),
    )


class Ring:
    """The noise of a split: a circle of normals, read from any place, plain or as a moving sum of the same level."""

    def __init__(self, split: str) -> None:
        plain = _normals(SPLITS[split], 1, RING)
        circle = np.concatenate([plain, plain[: SAMPLES + 64]])
        self.plain = circle.astype(np.float32)
        self.sums = np.concatenate([[0.0], np.cumsum(circle)])

    def read(self, place: Whole, length: int) -> Wave:
        return self.plain[place[:, None] + np.arange(length)]

    def moving(self, place: Whole, length: int, taps: Whole) -> Wave:
        at = place[:, None] + np.arange(length)
        return ((self.sums[at + taps] - self.sums[at]) / np.sqrt(taps)).astype(np.float32)


def _sounds(e: Events, tag: int, rows: Whole, ring: Ring) -> Wave:
    """The sounds of one kind, dry, at their gains: [rows, LONGEST], beginning at their onsets."""
    t, d = np.arange(LONGEST)[None] / RATE, e.duration[rows, None]

    def noise(taps: Whole | None = None) -> Wave:
        return ring.read(e.noise[rows], LONGEST) if taps is None else ring.moving(e.noise[rows], LONGEST, taps)

    wave = KINDS[TAGS[tag]](t, d, tuple(e.own[rows, k, None] for k in range(5)), noise)
    end = LONGEST / RATE if TAGS[tag] in RINGING else d
    wave = wave * np.clip(np.minimum(t, end - t) / RAMP, 0, 1).astype(np.float32)
    scale = np.sqrt(ENERGY / np.square(wave, dtype=np.float64).sum(1)) * 10 ** (e.gain[rows] / 20)
    return wave * scale[:, None].astype(np.float32)


def _reverberate(dry: Wave, room: Whole) -> Wave:
    size = SAMPLES + TAIL
    decay = 0.02 + 0.1 * _uniforms(0, 0, ROOMS)[:, None]  # seconds
    tails = _normals(0, 1, ROOMS * TAIL).reshape(ROOMS, TAIL) * np.exp(-np.arange(TAIL) / RATE / decay)
    tails *= WET / np.sqrt(np.square(tails).sum(1, keepdims=True))
    tails[:, 0] += 1  # the direct sound
    rooms = np.fft.rfft(tails.astype(np.float32), size)
    wet = np.empty_like(dry)
    for at in range(0, len(dry), 64):  # a cache's worth of clips at a time
        part = slice(at, at + 64)
        wet[part] = np.fft.irfft(np.fft.rfft(dry[part], size) * rooms[room[part]], size)[:, :SAMPLES]
    return wet


def waves(split: str, count: int) -> Wave:
    """The first `count` clips of a split: [count, SAMPLES] in single precision, not limited to ±1."""
    e, ring = events(split, count), Ring(split)
    dry = np.zeros((count, SAMPLES), np.float32)
    for tag in range(len(TAGS)):  # always in this order: float sums depend on it
        rows = np.flatnonzero(e.tag == tag)
        starts = np.rint(e.onset[rows] * RATE).astype(np.int64)
        for clip, start, sound in zip(e.clip[rows], starts, _sounds(e, tag, rows, ring), strict=True):
            dry[clip, start : start + LONGEST] += sound[: SAMPLES - start]
    wet = _reverberate(dry, e.room)
    slow = ring.moving(e.background[:, 0], SAMPLES, np.full((count, 1), 32))
    noise = ring.read(e.background[:, 1], SAMPLES) * np.sqrt(1 - e.colour)[:, None].astype(np.float32)
    noise += slow * np.sqrt(e.colour)[:, None].astype(np.float32)
    power = np.square(wet, dtype=np.float64).mean(1) / np.square(noise, dtype=np.float64).mean(1)
    noise *= np.sqrt(power * 10 ** (-e.snr / 10))[:, None].astype(np.float32)
    return (wet + noise) * (0.1 * 10 ** (e.level / 20))[:, None].astype(np.float32)
