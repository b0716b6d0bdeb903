"""What `intspike dynamics trained` is asked for, and what it finds of one network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

from ... import nn
from ...errors import BadInput

NEURONS: dict[str, Callable[[], nn.Neuron]] = {
    "LIF": lambda: nn.LIF(beta=0.9),
    "CubaLIF": lambda: nn.CubaLIF(alpha=0.5, beta=0.9, learn_alpha=True),
    "AdaptiveLIF": lambda: nn.AdaptiveLIF(rho=0.9, jump=0.2, beta=0.9, learn_rho=True, learn_jump=True),
}


@dataclass(frozen=True)
class Options:
    """Options of the study.

    Attributes:
        neurons: of the recurrent layer, names in `NEURONS`.
        bits: of weights and of every state, 2..8.
        hidden: recurrent neurons.
        samples: of the training split; the test split has a fifth of that.
        epochs, coded_epochs: in full precision, then quantized.
        stimuli: streams of test samples, each as long as `steps`.
        steps: timesteps of a stream, and after a kick.
        budget: longest transient and period that are resolved after a stimulus.
        seeds: networks of each kind, from seed 0.
    """

    neurons: tuple[str, ...] = tuple(NEURONS)
    bits: tuple[int, ...] = (8, 4)
    hidden: int = 50
    samples: int = 1000
    epochs: int = 8
    coded_epochs: int = 3
    stimuli: int = 20
    steps: int = 180
    budget: int = 20_000
    seeds: int = 3

    def __post_init__(self) -> None:
        for name in self.neurons:
            if name not in NEURONS:
                raise BadInput(f"--neurons must be among {', '.join(NEURONS)}, not {name!r}")
        if not self.bits or any(not 2 <= b <= 8 for b in self.bits):
            raise BadInput(f"--bits must be widths in 2..8, not {','.join(map(str, self.bits)) or 'none'}")
        limits = {"hidden": (2, 4096), "samples": (50, 10**6), "seeds": (1, 10**4)}
        for name in (f.name for f in fields(self) if isinstance(f.default, int)):
            least, most = limits.get(name, (1, 10**6))
            if not least <= getattr(self, name) <= most:
                flag = name.replace("_", "-")
                raise BadInput(f"--{flag} must be in {least}..{most:,}, not {getattr(self, name)}")

    @property
    def command(self) -> str:
        """The command line that asks for the same."""
        words = ["intspike dynamics trained"]
        for name, value in asdict(self).items():
            if value != type(self).__dataclass_fields__[name].default:
                given = ",".join(map(str, value)) if isinstance(value, tuple) else value
                words.append(f"--{name.replace('_', '-')} {given}")
        return " ".join(words)


@dataclass(frozen=True)
class Trained:
    """One network and what was found of it; shares are in 0..1, times in timesteps.

    Attributes:
        neuron, bits, seed: which.
        accuracy, full: of the program, and of the network in full precision, on test samples.
        rate: spikes per neuron and timestep of the recurrent layer under a stream of samples.
        merged, washout: share of streams under which two states, rest and a random one, became one, and the median time
            until then (None: never).
        silent, quiet_after: share of streams after which the network falls silent, and the median time until it is.
        goes_on: share of streams after which spikes go on for ever; what is missing to 1 is not resolved in the budget.
        proved: whether it is proved that silence lasts, whatever the codes.
        slope, healed, plateau: of +1 LSB in one neuron under a stream (`Damage`).
    """

    neuron: str
    bits: int
    seed: int
    accuracy: float
    full: float
    rate: float
    merged: float
    washout: float | None
    silent: float
    quiet_after: float | None
    goes_on: float
    proved: bool
    slope: float
    healed: float
    plateau: float


def of(rows: Sequence[Trained], neuron: str, bits: int) -> list[Trained]:
    """The networks of a kind."""
    return [r for r in rows if (r.neuron, r.bits) == (neuron, bits)]
