"""What `intspike dynamics random` is asked for: axes of a grid, and the cells of that."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, get_args

from ...dynamics import Ensemble
from ...dynamics.network import Overflow, Reset
from ...dynamics.random_networks import Threshold
from ...errors import BadInput

BLOCK = 20  # seeds of a cell: a study with more seeds keeps those it has


@dataclass(frozen=True)
class RandomCell:
    """Networks of one ensemble, from consecutive seeds.

    Attributes:
        first, count: seeds.
        steps: timesteps whose spikes are counted.
        budget: the longest transient and period that are resolved.
        (the others are those of `dynamics.Ensemble`)
    """

    neurons: int
    density: float
    bits: int
    overflow: Overflow
    reset: Reset
    signed: bool
    leak: int | None
    threshold: Threshold
    gain: float
    inhibition: float
    steps: int
    budget: int
    first: int
    count: int

    @property
    def ensemble(self) -> Ensemble:
        return Ensemble(*(getattr(self, f.name) for f in fields(Ensemble)))

    @property
    def name(self) -> str:
        sign = "signed" if self.signed else "unsigned"
        leak = "no leak" if self.leak is None else f"leak {self.leak}"
        return (
            f"N={self.neurons} density={self.density:g} {self.bits} bits {sign} {self.overflow}, reset {self.reset}, "
            f"{leak}, threshold {self.threshold}, seeds {self.first}..{self.first + self.count - 1}"
        )

    @property
    def parent(self) -> None:
        return None

    @property
    def cost(self) -> float:
        return self.count * self.neurons * (self.steps + self.budget)


@dataclass(frozen=True)
class Options:
    """Options of `intspike dynamics random`: each tuple is an axis of the grid.

    Attributes:
        leak: "none" or "shift"; with shift each k of leak_shift.
        seeds: networks of each ensemble, from seed 0.
        (the others are those of `RandomCell`)
    """

    neurons: tuple[int, ...] = (30, 55, 80, 105, 130)
    density: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7, 0.9)
    bits: tuple[int, ...] = (2, 3, 4, 6, 8, 16)
    overflow: tuple[Overflow, ...] = ("saturate",)
    reset: tuple[Reset, ...] = ("none",)
    signed: bool = False
    leak: str = "shift"
    leak_shift: tuple[int, ...] = (3,)
    threshold: tuple[Threshold, ...] = ("fixed", "scaled")
    gain: float = 0.5
    inhibition: float = 0.5
    steps: int = 1000
    budget: int = 20_000
    seeds: int = 20

    def __post_init__(self) -> None:
        for name, known in (("overflow", Overflow), ("reset", Reset), ("threshold", Threshold)):
            given = getattr(self, name)
            if not given or not set(given) <= set(get_args(known)):
                raise BadInput(
                    f"--{name} must be one or more of {', '.join(get_args(known))}, not {','.join(given)}"
                )
        for f in fields(self):
            axis = getattr(self, f.name)
            if isinstance(axis, tuple) and not 0 < len(axis) == len(
                set(axis)
            ):  # one twice counts networks twice
                listed = ",".join(map(str, axis)) or "none"
                raise BadInput(
                    f"--{f.name.replace('_', '-')} must be different values, at least one, not {listed}"
                )
        if self.leak not in ("none", "shift"):
            raise BadInput(f"--leak must be none or shift, not {self.leak!r}")
        for name, least, most in (
            ("steps", 1, 10**6),
            ("budget", 1, 10**8),
            ("seeds", 1, 10**6),
        ):
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"--{name} must be in {least}..{most:,}, not {getattr(self, name)}")
        check_shares(self.density, self.inhibition, self.gain)
        for n in self.neurons:
            if not 1 <= n <= 4096:
                raise BadInput(f"--neurons must be in 1..4096, not {n}")
        for e in (c.ensemble for c in cells_of(self)):  # widths, densities and shifts are checked there
            assert e.theta >= 1

    @property
    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["intspike dynamics random"]
        for f in fields(self):
            value = getattr(self, f.name)
            if value == f.default:
                continue
            if f.name == "signed":
                words.append("--signed" if value else "--unsigned")
                continue
            listed = ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in _tuple(value))
            words.append(f"--{f.name.replace('_', '-')} {listed}")
        return " ".join(words)


def _tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def cells_of(options: Options) -> list[RandomCell]:
    """The grid; blocks of seeds outermost, so that every ensemble has some networks early."""
    leaks: tuple[int | None, ...] = (None,) if options.leak == "none" else options.leak_shift
    return [
        RandomCell(
            n, d, b, overflow, reset, options.signed, leak, threshold, options.gain, options.inhibition, options.steps,
            options.budget, first, min(BLOCK, options.seeds - first),
        )
        for first in range(0, options.seeds, BLOCK)
        for threshold, overflow, reset, leak, b, n, d in itertools.product(
            options.threshold, options.overflow, options.reset, leaks, options.bits, options.neurons, options.density
        )
    ]  # fmt: skip


def check_shares(densities: Sequence[float], inhibition: float, gain: float) -> None:
    """Check what `Ensemble` checks too, in the words of the command line.

    Raises:
        BadInput: which option, what it must be, and what it is.
    """
    for name, high, values in (
        ("density", 1, densities), ("inhibition", 1, [inhibition]), ("gain", 1000, [gain]),
    ):  # fmt: skip
        for value in values:
            if not 0 <= value <= high:
                raise BadInput(f"--{name} must be in 0..{high}, not {value:g}")


def parse_axis(option: str, words: str, kind: type[int] | type[float]) -> tuple[Any, ...]:
    """Numbers with commas; `low..high` is five values evenly apart, `low..high:count` so many.

    Raises:
        BadInput: anything else.
    """
    made: list[Any] = []
    try:
        for part in words.split(","):
            match = re.fullmatch(r"([^.:]*\.?[^.:]*)\.\.([^:]*)(?::(\d+))?", part)
            if match is None:
                made.append(kind(part))
                continue
            low, high, count = float(match[1]), float(match[2]), int(match[3] or 5)
            places = [low + (high - low) * k / max(1, count - 1) for k in range(count)]
            made += [round(x) if kind is int else round(x, 6) for x in places]
    except ValueError:
        raise BadInput(
            f"--{option} must be numbers with commas, or low..high or low..high:count, not {words!r}"
        ) from None
    return tuple(dict.fromkeys(made))
