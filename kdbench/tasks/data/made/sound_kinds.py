"""The ten kinds of sound of the built-in clips, each as a formula over all its occurrences at once (numpy only)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RATE = 8000  # samples a second
LONGEST = int(0.7 * RATE)  # samples of the longest sound

Array = NDArray[np.float64]
Wave = NDArray[np.float32]
Noise = Callable[..., Wave]  # () -> plain noise; (taps [E, 1]) -> a moving sum of it
Kind = Callable[[Array, Array, tuple[Array, ...], Noise], NDArray[np.floating]]
# Every kind takes t, seconds since the onset [1, L]; d, durations [E, 1]; u, five uniforms [E, 1] each; and its noise.


def _log(u: Array, low: float, high: float) -> Array:
    return low * (high / low) ** u


def _sine(cycles: Array) -> Wave:
    """sin of a phase in cycles; reduced in double precision, so that single precision is enough for the sine itself."""
    return np.sin(((cycles - np.floor(cycles)) * (2 * np.pi)).astype(np.float32))


def _fade(t: Array, seconds: Array | float) -> Wave:
    return np.exp((-t / seconds).astype(np.float32))


def _rise(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    slope = np.log(2 + 2.5 * u[1]) / d  # of the logarithm of the frequency
    return _sine(_log(u[0], 250, 700) * np.expm1(slope * t) / slope)


def _fall(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    return _rise(d - t, d, u, noise)


def _burst(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    return noise(4 + np.floor(12 * u[1]).astype(np.int64)) * _sine(_log(u[0], 500, 3000) * t + 0.25)


def _pluck(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    """A plucked string (Karplus and Strong) as a quotient of spectra, so that no loop runs over samples.

    The spectra are taken a little outside the unit circle, or the string's ringing would come round to its beginning.
    """
    size = 6000  # LONGEST and a little more; a fast length
    period, gain = RATE / _log(u[0], 110, 500), 0.985 + 0.012 * u[1]
    outside = 1e4 ** (1 / size)  # the ringing that comes round is 1e4 times smaller
    n = np.arange(size)
    delay = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size) / outside  # z^-1 on that circle
    first = noise()[:, :128] * (n[:128] < period) * outside ** -n[:128].astype(np.float64)
    late = np.exp((period - 0.5) * np.log(delay))
    string = np.fft.rfft(first, size) / (1 - gain * 0.5 * (1 + delay) * late)
    return (np.fft.irfft(string, size) * outside ** n.astype(np.float64))[:, : t.shape[1]].astype(np.float32)


def _bell(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    carrier, fade = _log(u[0], 300, 900), _fade(t, 0.08 + 0.22 * u[3])
    ratio = np.choose(np.floor(3 * u[1]).astype(np.int64), [1.4, 2.41, 3.1])
    index = (1.5 + 2.5 * u[2]) / (2 * np.pi)  # in cycles
    return fade * _sine(carrier * t + index * fade * _sine(carrier * ratio * t))


def _clicks(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    rate = 7 + 11 * u[0]
    return noise() * _fade((t * rate + u[2]) % 1.0 / rate, 0.001 + 0.003 * u[1])


def _hum(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    base = (50 + 15 * u[0]) * np.where(u[1] < 0.5, 1, 2)
    harmonics = [_sine(h * (base * t + u[2])) * np.float32(h**-0.7) for h in (1, 2, 3, 4, 5, 7)]
    return np.sum(harmonics, axis=0)


def _tremolo(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    return _sine(_log(u[0], 300, 2200) * t) * (1 + _sine((5 + 9 * u[1]) * t + u[2]))


def _siren(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    centre, rate, depth = _log(u[0], 500, 1400), 1.5 + 3.5 * u[1], 0.2 + 0.3 * u[2]
    return _sine(centre * (t + depth / (2 * np.pi * rate) * _sine(rate * t + u[3])))


def _drum(t: Array, d: Array, u: tuple[Array, ...], noise: Noise) -> Wave:
    low = 60 + 100 * u[0]  # begins at twice this pitch and falls to it within some 30 ms
    skin = _sine(low * (t + 0.03 * -np.expm1(-t / 0.03))) * _fade(t, 0.04 + 0.08 * u[1])
    return skin + np.float32(0.3) * noise() * _fade(t, 0.02)


KINDS: dict[str, Kind] = {
    "rise": _rise,
    "fall": _fall,
    "burst": _burst,
    "pluck": _pluck,
    "bell": _bell,
    "clicks": _clicks,
    "hum": _hum,
    "tremolo": _tremolo,
    "siren": _siren,
    "drum": _drum,
}
TAGS = tuple(KINDS)
RINGING = {"pluck", "bell", "drum"}  # not cut at their nominal duration
