"""The cells of the drift study: which quantizer, over which range, at how many bits, with which teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...quant import (
    LSQ,
    LearnedLevels,
    LQNet,
    QuantConfig,
    StateQuantizer,
    ThresholdCentred,
    Uniform,
    UniformState,
    WeightQuantizer,
    weight_of,
)

Scheme = Literal["fp", "continued", "ptq", "qat"]
WeightKind = Literal["", "uniform", "lsq", "lq-net"]
StateKind = Literal["", "uniform-signed", "uniform-unsigned", "threshold-centred", "learned"]
Teacher = Literal["", "emd", "paired"]

WEIGHTS: Mapping[WeightKind, tuple[Scheme, ...]] = {
    "uniform": ("ptq", "qat"),
    "lsq": ("qat",),
    "lq-net": ("qat",),
}
STATES: Mapping[StateKind, tuple[Scheme, ...]] = {
    "uniform-signed": ("ptq", "qat"),
    "uniform-unsigned": ("ptq", "qat"),
    "threshold-centred": ("ptq", "qat"),
    "learned": ("qat",),
}
TEACHERS: tuple[Teacher, ...] = ("emd", "paired")
PARTS: Mapping[str, str] = {
    "weights": "weights alone",
    "states": "membrane potentials alone",
    "both": "both at 4 bits",
    "near": "both, trained near full precision",
}
BOTH = 4  # bits of the networks that are compared whole


@dataclass(frozen=True)
class DriftCell:
    """One network of the study.

    Attributes:
        scheme: "fp" (full precision), "continued" (trained on for as long as "qat" is), "ptq" (quantized after
            training, calibrated), "qat" (trained quantized, from full precision).
        weight, weight_bits: quantizer of the weights; "" and None: full precision.
        clip: range of the weights, in standard deviations of a channel; None: as the quantizer finds it.
        state, state_bits: quantizer of the membrane potentials, likewise.
        fitted: how far the levels of each layer reach is found from training samples; with `state` alone.
        teacher, strength: which distance to the rates of full precision is added to the loss, and its weight.
        seed: of weights, sample order and validation split.
        dataset, data, model: its registered name, a fingerprint of the samples, and the network.
        epochs: of each training.
        timesteps: T in training and test.
        batch_size: samples a training step.
        learning_rate, quantized_learning_rate: at the start, in full precision and in the second training.
        stores: states are stored "after reset" or "before reset".
        subset: training samples used; None is all.
        augmented: whether training samples are augmented, as `models.DATASETS` says.
    """

    scheme: Scheme
    seed: int
    dataset: str
    data: str
    model: str
    epochs: int
    timesteps: int
    batch_size: int
    learning_rate: float
    quantized_learning_rate: float
    stores: str
    subset: int | None = None
    augmented: bool = False
    weight: WeightKind = ""
    weight_bits: int | None = None
    clip: float | None = None
    state: StateKind = ""
    state_bits: int | None = None
    teacher: Teacher = ""
    strength: float = 0.0
    fitted: bool = False

    @property
    def parent(self) -> DriftCell | None:
        """The full-precision network of the same seed; it has none itself."""
        return None if self.scheme == "fp" else full_precision(self)

    @property
    def row(self) -> str:
        """DATASET/SCHEME/WEIGHTBITS-STATEBITS; 32 bits are float32. Cells of one row differ in their seed."""
        words = [self.scheme, self.weight, self.state]
        if self.clip is not None:
            words.append(f"clip-{self.clip:g}")
        if self.teacher:
            words.append(f"near-{self.teacher}")
        scheme = "-".join(w for w in words if w)
        return f"{self.dataset}/{scheme}/{self.weight_bits or 32}-{self.state_bits or 32}"

    @property
    def name(self) -> str:
        return f"{self.row} seed {self.seed}"

    @property
    def cost(self) -> float:
        """Roughly in epochs; a test run is about a third of one."""
        return (0.1 if self.scheme == "ptq" else float(self.epochs)) + 0.3

    @property
    def integer(self) -> bool:
        """Whether all of it is quantized, so that it has an integer program."""
        return self.weight_bits is not None and self.state_bits is not None

    def config(self) -> QuantConfig:
        """How it is quantized."""
        return QuantConfig(self._weight(), self._state())

    def _weight(self) -> WeightQuantizer | None:
        bits, clip = self.weight_bits, self.clip
        if bits is None:
            return None
        match self.weight:
            case "lsq":
                return LSQ(bits, clip=clip)
            case "lq-net":
                return LQNet(bits, clip=clip)
            case _:
                return weight_of(bits) if clip is None else Uniform(bits, clip=clip)

    def _state(self) -> StateQuantizer | None:
        bits, stores = self.state_bits, self.stores
        if bits is None:
            return None
        how: Any = {"stores": stores}
        high = 1.0 if stores == "after reset" else 2.0
        match self.state:
            case "uniform-signed":
                return UniformState(bits, -high, high, **how)
            case "uniform-unsigned":
                return UniformState(bits, 0.0, high, **how)
            case "learned":
                return LearnedLevels(bits, **how)
            case _:
                return ThresholdCentred(bits, **how)


def full_precision(cell: DriftCell) -> DriftCell:
    """The same training before anything is quantized."""
    return replace(
        cell, scheme="fp", weight="", weight_bits=None, clip=None, state="", state_bits=None, teacher="", strength=0.0,
        stores="", quantized_learning_rate=0.0, fitted=False,
    )  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What the grid of the study is made of.

    Attributes:
        seeds: how many, from 0.
        weight_bits, state_bits: at which quantizers of weights and of states are compared.
        clips: ranges of weights, in standard deviations; every quantizer is studied at each and at its own.
        strength: weight of the distance in the loss of networks with a teacher.
        parts: of `PARTS`.
        weights, states: of `WEIGHTS` and `STATES`, the quantizers. Networks that are compared whole have uniform
            weights, and those near full precision states around the threshold, whatever is asked for.
    """

    seeds: int
    weight_bits: Sequence[int]
    clips: Sequence[float]
    state_bits: Sequence[int]
    strength: float
    parts: Sequence[str] = tuple(PARTS)
    weights: Sequence[str] = tuple(WEIGHTS)
    states: Sequence[str] = tuple(STATES)


def grid(base: DriftCell, asked: Asked) -> list[DriftCell]:
    """All cells, one seed after the other, from what they share."""
    seeds = (replace(base, seed=seed) for seed in range(asked.seeds))
    return list(dict.fromkeys(cell for own in seeds for cell in _of_seed(own, asked)))


def _of_seed(base: DriftCell, asked: Asked) -> Iterator[DriftCell]:
    yield full_precision(base)
    yield replace(
        full_precision(base), scheme="continued", quantized_learning_rate=base.quantized_learning_rate
    )
    if "weights" in asked.parts:
        yield from _weights(base, asked)
    if "states" in asked.parts:
        yield from _states(base, asked.states, asked.state_bits)
    if "both" in asked.parts:
        whole = replace(base, weight="uniform", weight_bits=BOTH)
        yield from _states(whole, asked.states, (BOTH,))
    if "near" in asked.parts:
        for bits in (BOTH, 2):
            plain = replace(
                base, scheme="qat", weight="uniform", weight_bits=bits, state="threshold-centred", state_bits=bits
            )  # fmt: skip
            yield plain
            yield from (replace(plain, teacher=t, strength=asked.strength) for t in TEACHERS)


def _weights(base: DriftCell, asked: Asked) -> Iterator[DriftCell]:
    for weight, schemes in WEIGHTS.items():
        if weight not in asked.weights:
            continue
        for bits in asked.weight_bits:
            if weight == "lq-net" and bits not in LQNet.WIDTHS:
                continue
            for clip in (None, *asked.clips):
                for scheme in schemes:
                    yield replace(base, scheme=scheme, weight=weight, weight_bits=bits, clip=clip, stores="")


def _states(base: DriftCell, states: Sequence[str], state_bits: Sequence[int]) -> Iterator[DriftCell]:
    for state, schemes in STATES.items():
        if state not in states:
            continue
        for bits in state_bits:
            if state == "uniform-signed" and bits == 1:
                continue  # a code below rest and rest: nothing could integrate
            for scheme in schemes:
                yield replace(base, scheme=scheme, state=state, state_bits=bits, fitted=scheme == "ptq")
