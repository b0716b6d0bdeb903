"""The cells of the neuron study: which neurons a network has, and at how many bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from ... import nn
from ...quant import QuantConfig, ThresholdCentred, weight_of
from ..models import LANGUAGE

# of beta, the leak, and D, the largest output
KINDS: Mapping[str, Callable[[float, int], nn.Neuron]] = {
    "IF": lambda beta, D: nn.IF(),
    "LIF": lambda beta, D: nn.LIF(beta=beta),
    "PLIF": lambda beta, D: nn.PLIF(beta=beta),
    "I-LIF": lambda beta, D: nn.ILIF(D, beta=beta),
    "NI-LIF": lambda beta, D: nn.NILIF(D, beta=beta),
    "ASN": lambda beta, D: nn.ASN(D, beta=beta),
    "NASN": lambda beta, D: nn.NASN(D, beta=beta),
}
ORDINARY = ("IF", "LIF", "PLIF")
# what is trained beside spiking networks, on which data set, and its learning rate
BASELINES: Mapping[str, Mapping[str, float]] = {
    LANGUAGE: {"GRU": 1e-2, "transformer": 3e-3},
    "text-classification": {"bag of words": 1e-2},
}


@dataclass(frozen=True)
class NeuronCell:
    """One network of the study.

    Attributes:
        neuron: of `KINDS`; all layers have it. Or a baseline, of `BASELINES`.
        spikes: D of integer neurons.
        timesteps: T, in training and in the test.
        bits: of weights and membrane potentials; None: full precision.
        beta: leak that neurons start from, in layers that remember.
        seed: of weights, sample order and validation split.
        dataset, data, model: its registered name, a fingerprint of the samples, and the network.
        epochs: of each of the trainings, in full precision and quantized.
        batch_size: samples a training step.
        learning_rate, quantized_learning_rate: at the start of each; the second is 0 in full precision.
        subset: training samples used; None is all.
        augmented: whether training samples are augmented, as `models.DATASETS` says.
    """

    neuron: str
    spikes: int
    timesteps: int
    bits: int | None
    beta: float
    seed: int
    dataset: str
    data: str
    model: str
    epochs: int
    batch_size: int
    learning_rate: float
    quantized_learning_rate: float
    subset: int | None = None
    augmented: bool = False

    @property
    def parent(self) -> NeuronCell | None:
        """The full-precision network; it has none itself."""
        return None if self.bits is None else replace(self, bits=None, quantized_learning_rate=0.0)

    @property
    def substeps(self) -> int:
        """Substeps of a timestep when all spikes are binary."""
        return 1 if self.neuron in ORDINARY else self.spikes

    @property
    def language(self) -> bool:
        """Whether it predicts the next character of a text."""
        return self.dataset == LANGUAGE

    @property
    def baseline(self) -> bool:
        """Whether it is no spiking network."""
        return self.neuron not in KINDS

    @property
    def row(self) -> str:
        """DATASET/NEURON/WEIGHTBITS-STATEBITS; 32 bits are float32. Cells of one row differ in their seed."""
        bits = self.bits or 32
        return f"{self.dataset}/{self.neuron}/{bits}-{bits}"

    @property
    def name(self) -> str:
        return f"{self.row} seed {self.seed}"

    @property
    def cost(self) -> float:
        """Roughly in epochs of one timestep."""
        return float(self.epochs * self.timesteps)

    @property
    def integer(self) -> bool:
        """Whether it has an integer program."""
        return self.bits is not None

    def config(self) -> QuantConfig:
        """How it is quantized; the levels are finest at the threshold, so that they can reach far below rest."""
        if self.bits is None:
            return QuantConfig()
        return QuantConfig(weight_of(self.bits), ThresholdCentred(self.bits, spacing="compander"))


def grid(
    base: NeuronCell,
    seeds: int,
    neurons: Sequence[str],
    bits: Sequence[int | None],
    learning_rate: float,
    ordinary_timesteps: int,
    baselines: Mapping[str, float] | None = None,
) -> list[NeuronCell]:
    """All cells, one seed after the other.

    Args:
        base: what all cells share, in full precision.
        learning_rate: of quantized training.
        ordinary_timesteps: T of neurons that send one spike.
        baselines: learning rates of what is trained beside them.
    """
    made: list[NeuronCell] = []
    for seed in range(seeds):
        for neuron in neurons:
            timesteps = ordinary_timesteps if neuron in ORDINARY else base.timesteps
            full = replace(base, seed=seed, neuron=neuron, timesteps=timesteps)
            quantized = replace(full, quantized_learning_rate=learning_rate)
            made += [full if b is None else replace(quantized, bits=b) for b in bits]
        for name, rate in (baselines or {}).items():
            made.append(replace(base, seed=seed, neuron=name, learning_rate=rate))
    return made
