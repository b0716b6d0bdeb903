"""Sound to spikes of an auditory nerve: a bank of filters, compression, adaptation and a spiking neuron a channel.

For utterance x, normalised to unit power and with each sample less 0.97 of the one before, in steps of 1 ms:

    E_t[k] = sum over f of w_k(f) |STFT_t(f)|^2          w_k(f) = exp(-pi ((f - f_k) / ERB(f_k))^2) to 3 ERB, of sum 1
    c_t[k] = log(1 + E_t[k] / floor)                     compression
    a_t[k] = a_{t-1}[k] + (c_t[k] - a_{t-1}[k]) / tau_a  what the hair cell has grown used to
    u_t[k] = beta u_{t-1}[k] + gain max(0, c_t[k] - adaptation a_{t-1}[k]);   u >= 1 fires and takes 1 off

Centre frequencies f_k stand evenly on the scale of equivalent rectangular bandwidths (Glasberg and Moore 1990):
ERB(f) = 24.7 (1 + 0.00437 f) and number 21.4 log10(1 + 0.00437 f). Gaussian bands on a short-time spectrum take the
place of gammatone filters, for a thirtieth of the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInput
from .events import Bins

Reals = NDArray[np.float64]
STEP = 1e-3  # seconds of the filter bank and of its neurons
EMPHASIS = 0.97  # of the sample before, taken off: speech falls towards high frequencies
REACH = 3.0  # of a band to either side, in ERB
BLOCK = 50  # channels whose bands are summed together
MOST_SECONDS = 60  # of one recording: nothing longer is transformed


@dataclass(frozen=True)
class Cochlea:
    """Parameters of the encoder; a value, and everything is deterministic.

    Attributes:
        channels: how many frequencies, and so inputs of a network.
        low, high: their range in Hz; below half the sampling rate.
        window: seconds of the Hann window of the spectrum.
        floor: power below which compression is linear, relative to the mean power of a band.
        adaptation, tau_adaptation: how much of the slow mean is taken off, 0..1, and its time constant in seconds.
        beta, gain: leak of a neuron a millisecond, and the weight of its input.
    """

    channels: int = 700
    low: float = 60.0
    high: float = 3800.0
    window: float = 0.025
    floor: float = 0.1
    adaptation: float = 0.5
    tau_adaptation: float = 0.05
    beta: float = 0.9
    gain: float = 0.07

    def __post_init__(self):
        fits = (
            isinstance(self.channels, int) and 1 <= self.channels <= 4096  # pyright: ignore[reportUnnecessaryIsInstance]
            and 0 < self.low < self.high
            and 2 * STEP <= self.window <= 0.5
            and self.floor > 0
            and 0 <= self.adaptation <= 1
            and self.tau_adaptation >= STEP
            and 0 <= self.beta < 1
            and 0 < self.gain < float("inf")
        )  # fmt: skip
        if not fits:
            raise BadInput(
                f"a cochlea must have 1..4096 channels, 0 < low < high, a window of 0.002..0.5 s, floor > 0, "
                f"adaptation in 0..1, tau_adaptation >= 0.001 s, 0 <= beta < 1 and gain > 0, not {self}"
            )

    def drive(self, audio: NDArray[np.generic], rate: int) -> Reals:
        """What drives each neuron at each millisecond: [steps, channels], at least 0.

        Args:
            audio: samples [n] of one channel, in any unit: loudness is normalised.
            rate: samples a second, more than twice `high`.
        """
        x = np.asarray(audio, np.float64)
        if x.ndim != 1:
            raise BadInput(f"audio must be the samples [n] of one channel, not {list(x.shape)}")
        if not 2 * self.high < rate:
            raise BadInput(
                f"the rate must be above twice high, which is {self.high:g} Hz, not {rate}; lower high"
            )
        if len(x) > MOST_SECONDS * rate:
            raise BadInput(f"audio must last at most {MOST_SECONDS} s, not {len(x) / rate:.0f} s; cut it")
        if not np.isfinite(x).all():
            raise BadInput("audio must be finite numbers; repair the recording")
        size, hop = round(self.window * rate), max(1, round(STEP * rate))
        steps = len(x) // hop
        x = np.diff(x, prepend=0.0) + (1 - EMPHASIS) * np.concatenate(([0.0], x[:-1])) if len(x) else x
        mean = float(np.square(x).mean()) if len(x) else 0.0
        if not steps or mean == 0:
            return np.zeros((steps, self.channels))
        padded = np.pad(x / np.sqrt(mean), (size // 2, size))
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[: steps * hop : hop]
        window, blocks = _bank(self, rate)
        spectrum = np.fft.rfft(frames * window, _transform(size))
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        c = np.empty((steps, self.channels))
        for first, frequencies, weights in blocks:
            last = first + weights.shape[1]
            np.matmul(power[:, frequencies], weights, out=c[:, first:last])
        return self._adapted(np.log1p(c, out=c))

    def _adapted(self, c: Reals) -> Reals:
        rate, used = STEP / self.tau_adaptation, np.zeros(c.shape[1])
        out = np.empty_like(c)
        for t in range(len(c)):
            np.subtract(c[t], self.adaptation * used, out=out[t])
            used += rate * (c[t] - used)
        return np.maximum(out, 0, out=out)

    def spikes(self, audio: NDArray[np.generic], rate: int) -> NDArray[np.uint8]:
        """Spikes 0 or 1 of every channel at every millisecond, [steps, channels]; see `drive`."""
        drive = self.drive(audio, rate)
        drive *= self.gain
        u, fired = np.zeros(drive.shape[1]), np.zeros(drive.shape, np.bool_)
        for t in range(len(drive)):
            u *= self.beta
            u += drive[t]
            np.greater_equal(u, 1, out=fired[t])
            u -= fired[t]
        return fired.view(np.uint8)

    def frames(self, audio: NDArray[np.generic], rate: int, bins: Bins) -> NDArray[np.uint8]:
        """Spikes counted in bins of time, [T, channels]; a bin's length is whole milliseconds."""
        per_bin = bins.dt // round(STEP * 1e6)
        if per_bin * round(STEP * 1e6) != bins.dt:
            raise BadInput(f"dt must be whole milliseconds, not {bins.dt} microseconds; round it")
        spikes = self.spikes(audio, rate)[: bins.timesteps * per_bin]
        padded = np.zeros((bins.timesteps * per_bin, self.channels), np.uint8)
        padded[: len(spikes)] = spikes
        counts = padded.reshape(bins.timesteps, per_bin, self.channels).sum(1)
        return np.minimum(counts, bins.high).astype(np.uint8)


def centres(cochlea: Cochlea) -> Reals:
    """Centre frequency of every channel in Hz, [channels]."""
    low, high = (21.4 * np.log10(1 + 0.00437 * f) for f in (cochlea.low, cochlea.high))
    return (10 ** (np.linspace(low, high, cochlea.channels) / 21.4) - 1) / 0.00437


def _transform(size: int) -> int:
    """Points of the transform: the next power of two."""
    return 1 << (size - 1).bit_length()


@lru_cache(maxsize=8)
def _bank(cochlea: Cochlea, rate: int) -> tuple[Reals, list[tuple[int, slice, Reals]]]:
    """The window [size], and the bands in blocks: first channel, frequencies, weights [frequencies, channels].

    White noise of unit power has the mean energy 1 / floor in every band.
    """
    size = round(cochlea.window * rate)
    window = np.hanning(size)
    f = np.fft.rfftfreq(_transform(size), 1 / rate)
    middle = centres(cochlea)
    off = np.abs(f[:, None] - middle) / (24.7 * (1 + 0.00437 * middle))
    bands = np.where(off < REACH, np.exp(-np.pi * np.square(off)), 0)
    bands /= bands.sum(0) * np.square(window).sum() * cochlea.floor
    blocks: list[tuple[int, slice, Reals]] = []
    for first in range(
        0, cochlea.channels, BLOCK
    ):  # most of a band is zero: a block leaves out what all its bands do
        block = bands[:, first : first + BLOCK]
        at = np.flatnonzero(block.any(1))
        frequencies = slice(int(at[0]), int(at[-1]) + 1)
        blocks.append((first, frequencies, np.ascontiguousarray(block[frequencies])))
    return window, blocks
