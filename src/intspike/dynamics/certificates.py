"""What can be proved of a network for all states at once: frozen claims that `check` verifies on its own.

Each certificate is a small set of integers. Making one may use floating point and guesses; that it is true rests on
`check.flaw` alone, which reads nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from ..errors import BadInput
from .check import flaw
from .network import IntegerNetwork

Box = tuple[tuple[int, ...], tuple[int, ...]]  # lowest and highest code of every neuron, both included


@dataclass(frozen=True)
class Bounded:
    """From rest, and from any state in the box, nothing saturates and nothing wraps: every state stays in the box.

    Attributes:
        box: lowest and highest membrane potential of every neuron.
    """

    box: Box
    kind: Literal["bounded"] = "bounded"

    def plain(self) -> dict[str, Any]:
        return {"kind": self.kind, "box": [list(side) for side in self.box]}

    def __str__(self) -> str:
        return (
            f"bounded: membrane potentials stay in {min(self.box[0])}..{max(self.box[1])}, nothing overflows"
        )


@dataclass(frozen=True)
class Quiescent:
    """Without positive drive activity ends, from every state, with so many spikes at the most.

    The potential Phi = sum_i a_i max(u_i, 0) never rises, and a spike of neuron j lowers it by at least
    decay * a_j * theta_j: the neuron loses theta_j or more, and what it gives, sum_i a_i max(w_ij, 0), is at most
    (1 - decay) a_j theta_j. A timestep without any spike is followed by none, so timesteps with spikes come first.

    Attributes:
        potential: a, positive integers, [N].
        decay: the part of a spike's own loss that is not given away, in 0..1.
        thresholds: theta of every neuron.
        settling: timesteps in which the leak alone, without drive, takes every code into the dead zone.
    """

    potential: tuple[int, ...]
    decay: Fraction
    thresholds: tuple[int, ...]
    settling: int
    kind: Literal["quiescent"] = "quiescent"

    def energy(self, state: ArrayLike) -> int:
        """Phi of a state."""
        return sum(a * max(int(u), 0) for a, u in zip(self.potential, np.asarray(state), strict=True))

    def most_spikes(self, state: ArrayLike) -> int:
        """An upper bound on all spikes that follow a state, those of the state itself included, and on the timesteps
        that have any."""
        least = min(a * theta for a, theta in zip(self.potential, self.thresholds, strict=True))
        return int(Fraction(self.energy(state)) / (self.decay * least))

    def plain(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "potential": list(self.potential),
            "decay": [self.decay.numerator, self.decay.denominator], "settling": self.settling,
        }  # fmt: skip

    def __str__(self) -> str:
        return (
            f"quiescent: every state falls silent; a spike leaves at most {float(1 - self.decay):.3g} of what it "
            f"takes, and {self.settling} timesteps after the last nothing moves"
        )


@dataclass(frozen=True)
class Trap:
    """A state in box t, at phase t of the drive, is in box t + 1 a timestep later, and after the last in the first.

    So what fires in every state of a box fires for ever: activity that persists, or silence, whatever the state in the
    box is. Two traps that do not meet prove that the network is bistable.

    Attributes:
        boxes: p boxes.
        fires: neurons that fire in every state of each box.
        silent: neurons that fire in none.
    """

    boxes: tuple[Box, ...]
    fires: tuple[tuple[int, ...], ...]
    silent: tuple[tuple[int, ...], ...]
    kind: Literal["trap"] = "trap"

    @property
    def active(self) -> bool:
        """Whether some neuron surely fires once a period, for ever."""
        return any(self.fires)

    @property
    def quiet(self) -> bool:
        """Whether no neuron ever fires."""
        return all(len(s) == len(self.boxes[0][0]) for s in self.silent)

    def holds(self, state: ArrayLike, t: int = 0) -> bool:
        """Whether a state is in box t."""
        lows, highs = (np.array(side) for side in self.boxes[t % len(self.boxes)])
        u = np.asarray(state)
        return bool((lows <= u).all() and (u <= highs).all())

    def plain(self) -> dict[str, Any]:
        return {
            "kind": self.kind, "boxes": [[list(side) for side in box] for box in self.boxes],
            "fires": [list(f) for f in self.fires], "silent": [list(s) for s in self.silent],
        }  # fmt: skip

    def __str__(self) -> str:
        fires, silent = ([len(x) for x in side] for side in (self.fires, self.silent))
        if len(self.boxes) > 4:
            span = f"{min(fires)}..{max(fires)} fire, {min(silent)}..{max(silent)} are silent in each"
            return f"trap of period {len(self.boxes)}: {span} timestep for ever"
        counts = ", ".join(f"{f} fire, {s} are silent" for f, s in zip(fires, silent, strict=True))
        return f"trap of period {len(self.boxes)}: {counts} for ever"


@dataclass(frozen=True)
class Rheobase:
    """The smallest constant drive at which every neuron, alone and from rest, ever fires: ceil(theta / 2^k).

    Below it the highest code under the threshold, (theta - 1) - ((theta - 1) >> k) + d, stays under it.

    Attributes:
        drives: of every neuron.
        steps: timesteps until it fires at that drive.
    """

    drives: tuple[int, ...]
    steps: tuple[int, ...]
    kind: Literal["rheobase"] = "rheobase"

    def plain(self) -> dict[str, Any]:
        return {"kind": self.kind, "drives": list(self.drives), "steps": list(self.steps)}

    def __str__(self) -> str:
        return f"rheobase: a neuron alone fires from a drive of {min(self.drives)}..{max(self.drives)} on"


Certificate = Bounded | Quiescent | Trap | Rheobase


def verified(network: IntegerNetwork, certificate: Certificate) -> Certificate:
    """The certificate itself.

    Raises:
        BadInput: the checker finds it false of this network.
    """
    thresholds = tuple(network.threshold.tolist())
    wrong = flaw(network.plain(), certificate.plain())
    if wrong is None and isinstance(certificate, Quiescent) and certificate.thresholds != thresholds:
        wrong = "its thresholds are not the network's"
    if wrong is not None:
        raise BadInput(
            f"a certificate must be true of its network, but this {certificate.kind} one is not: {wrong}"
        )
    return certificate
