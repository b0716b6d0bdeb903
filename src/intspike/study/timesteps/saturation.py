"""From which timestep on more of them no longer pay, with the interval that the test samples allow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..networks import right_of
from ..rows import Row
from .cells import TimestepCell

Rows = Mapping[str, Row[TimestepCell]]
RESAMPLES = 1000


def spiking(rows: Rows) -> Rows:
    """Without artificial networks, which have no timesteps."""
    return {name: r for name, r in rows.items() if r.cell.trained}


@dataclass(frozen=True)
class Saturation:
    """The smallest T whose accuracy is within so many points of the best of all T.

    Attributes:
        curve: how networks were trained ("per-T", or one training), and the bits.
        timesteps: that T.
        low, high: ends of its 95 % interval over resampled test samples.
        accuracy, best: at that T, and the best, in per cent, means over seeds.
    """

    curve: str
    timesteps: int
    low: int
    high: int
    accuracy: float
    best: float


def curves(rows: Rows) -> dict[str, dict[int, Row[TimestepCell]]]:
    """Which row stands for each T: of networks trained at their own T, and of every one training over all T."""
    made: dict[str, dict[int, Row[TimestepCell]]] = {}
    last = max((r.cell.trained for r in spiking(rows).values() if len(r.cell.trained) == 1), default=())
    for r in spiking(rows).values():
        c = r.cell
        bits = f"{c.bits}/{c.bits}" if c.bits else "full precision"
        if len(c.trained) == 1:
            made.setdefault(f"trained per T, {bits}", {})[max(c.trained)] = r
        if len(c.trained) > 1 or c.trained == last:
            made[f"trained at {_words(c)}, {bits}"] = dict.fromkeys(c.tested, r)
    # one training alone makes no curve over its own T
    return {name: by_t for name, by_t in made.items() if len(by_t) > 1 or len(_tested(rows)) == 1}


def one_training(rows: Rows) -> list[Row[TimestepCell]]:
    """Finished networks of the training that stands for all T: at the largest T, else at random T, else at one T."""
    done = [r for r in spiking(rows).values() if r.done]
    largest = max((r.cell.trained for r in done if len(r.cell.trained) == 1), default=())
    single = [r for r in done if r.cell.trained == largest]
    if single and largest == single[0].cell.tested[-1:]:
        return single
    return [r for r in done if len(r.cell.trained) > 1] or single


def _words(c: TimestepCell) -> str:
    return f"T = {c.trained[0]}" if len(c.trained) == 1 else "random T"


def _tested(rows: Rows) -> tuple[int, ...]:
    return next(iter(rows.values())).cell.tested


def saturations(rows: Rows, within: float) -> list[Saturation]:
    """Of every curve."""
    made: list[Saturation] = []
    for name, by_t in curves(rows).items():
        times = sorted(by_t)
        seeds = sorted(set.intersection(*(set(r.done) for r in by_t.values())))
        if seeds:
            rights = [np.stack([_right(by_t[t].record(s), t) for t in times]) for s in seeds]
            made.append(_saturation(name, times, rights, within))
    return made


def _right(record: Mapping[str, Any], t: int) -> NDArray[np.bool_]:
    return right_of({"right": record["right"][str(t)], "n": record["n"]})


def _saturation(
    name: str, times: Sequence[int], rights: Sequence[NDArray[np.bool_]], within: float
) -> Saturation:
    """Of rights [T, samples] of each seed; samples are resampled, alike for every T of a seed."""
    random = np.random.default_rng(0)
    at = _first([r.mean(1) for r in rights], within)
    accuracies = 100 * np.mean([r.mean(1) for r in rights], axis=0)
    found: list[int] = []
    for _ in range(RESAMPLES):
        again = [r[:, random.integers(0, r.shape[1], r.shape[1])].mean(1) for r in rights]
        found.append(times[_first(again, within)])
    low, high = np.percentile(found, [2.5, 97.5], method="closest_observation")
    return Saturation(name, times[at], int(low), int(high), float(accuracies[at]), float(accuracies.max()))


def _first(accuracies: Sequence[NDArray[np.float64]], within: float) -> int:
    mean = 100 * np.mean(accuracies, axis=0)
    return int(np.argmax(mean >= mean.max() - within - 1e-9))


@dataclass(frozen=True)
class Exit:
    """An early exit whose margin was chosen on validation samples.

    Attributes:
        row: of the network.
        margin: spikes by which the winner must lead.
        timesteps, accuracy: means on test samples over seeds, accuracy in per cent.
        full: accuracy of all T timesteps, in per cent.
        seeds: how many.
    """

    row: str
    margin: float
    timesteps: float
    accuracy: float
    full: float
    seeds: int


def chosen_exits(rows: Rows, lose: float) -> list[Exit]:
    """Of every network: the smallest margin that loses at most so many points on its validation samples."""
    made: list[Exit] = []
    for r in spiking(rows).values():
        picked: list[tuple[float, float, float, float]] = []
        for s in sorted(r.done):
            record = r.record(s)
            if record["early_exit"] is None:
                continue
            known, told = record["early_exit"]["validation"], record["early_exit"]["test"]
            whole = known[-1]["accuracy"]
            k = next(k for k, e in enumerate(known) if 100 * e["accuracy"] >= 100 * whole - lose - 1e-9)
            at = told[k]
            picked.append((at["margin"], at["timesteps"], 100 * at["accuracy"], 100 * record["accuracy"]))
        if picked:
            margin, steps, accuracy, full = np.mean(picked, axis=0).tolist()
            made.append(Exit(r.name, margin, steps, accuracy, full, len(picked)))
    return made
