"""What `intspike dynamics analyse` is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import BadInput
from ...ir import Program
from .sweep_options import parse_axis


@dataclass(frozen=True)
class Options:
    """Options of an analysis.

    Attributes:
        artifact: a stored program.
        drive: an input code, or a .npy file [*shape] or [P, *shape].
        data: a data set whose test samples are the stimuli; None draws random input codes.
        samples: stimuli.
        timesteps: of a stimulus; None is the data set's, else 25.
        states: how many states are drawn.
        budget: longest transient and period that are resolved.
        steps: timesteps after a kick, and after a stimulus in pictures.
        exhaustive: enumerate every state; None where there are at most 2^20.
        seconds: after which it stops with what it has; None: never.
        seed: of states and random stimuli.
        ramp: input codes that the drive rises and falls through, such as 0..8:9; empty: none.
    """

    artifact: Path
    drive: str = "0"
    data: str | None = None
    samples: int = 20
    timesteps: int | None = None
    states: int = 200
    budget: int = 100_000
    steps: int = 300
    exhaustive: bool | None = None
    seconds: float | None = None
    seed: int = 0
    ramp: str = ""

    def __post_init__(self) -> None:
        for name, least, most in (
            ("samples", 1, 10**5), ("states", 1, 10**7), ("budget", 1, 10**8), ("steps", 1, 10**5), ("seed", 0, 2**63),
        ):  # fmt: skip
            if not least <= getattr(self, name) <= most:
                raise BadInput(f"--{name} must be in {least}..{most:,}, not {getattr(self, name)}")
        if self.timesteps is not None and not 1 <= self.timesteps <= 10**5:
            raise BadInput(f"--timesteps must be in 1..100,000, not {self.timesteps}")
        if self.seconds is not None and not self.seconds > 0:
            raise BadInput(f"--seconds must be positive, not {self.seconds}")

        if self.ramp and len(self.levels) < 2:
            raise BadInput(f"--ramp must be at least two different input codes, not {self.ramp!r}")

    @property
    def levels(self) -> tuple[int, ...]:
        """The drives of the ramp, rising."""
        return tuple(sorted(parse_axis("ramp", self.ramp, int))) if self.ramp else ()

    @property
    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["intspike dynamics analyse", str(self.artifact)]
        for name in (
            "drive",
            "data",
            "samples",
            "timesteps",
            "states",
            "budget",
            "steps",
            "seconds",
            "seed",
            "ramp",
        ):
            value = getattr(self, name)
            if value != type(self).__dataclass_fields__[name].default:
                words.append(f"--{name} {value}")
        if self.exhaustive is not None:
            words.append("--exhaustive" if self.exhaustive else "--sampled")
        return " ".join(words)

    def frames(self, program: Program) -> NDArray[np.int64]:
        """The drive, as `ProgramMap` takes it.

        Raises:
            BadInput: neither a number nor such a file.
        """
        text = self.drive
        if text.removeprefix("-").isdecimal():
            return np.array(int(text))
        if not text.endswith(".npy"):
            raise BadInput(f"--drive must be an integer or a .npy file, not {text!r}")
        try:
            return np.load(text, allow_pickle=False)
        except (OSError, ValueError) as e:
            shape = ", ".join(map(str, program.input.shape))
            raise BadInput(
                f"--drive must be a .npy file of integers [{shape}] or [P, {shape}], but {text} cannot be read: {e}"
            ) from e
