"""The cells of the SQUAT study (arXiv 2404.19668): what is quantized, how, to how many bits, and from which seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...errors import BadInput
from ...quant import (
    ComparisonState,
    LQNet,
    PerForwardRange,
    QuantConfig,
    SnnTorchState,
    StateQuantizer,
    ThresholdCentred,
    UniformState,
    WeightQuantizer,
    weight_of,
)
from ...quant.state.base import Gradient

Scheme = Literal["fp", "continued", "ptq", "qat"]
Comparison = Literal["snntorch-uniform", "snntorch", "per-forward-uniform", "per-forward-threshold-centred"]
Spacing = Literal["", "uniform", "threshold-centred"] | Comparison
Weights = Literal["uniform", "lq-net"]
WEIGHTS: tuple[Weights, ...] = ("uniform", "lq-net")
GRADIENTS: tuple[Gradient, ...] = ("block saturated", "block ends", "pass")
COMPARISONS: Mapping[Spacing, Callable[[int], ComparisonState]] = {  # other tools' ways, in floating point
    "snntorch-uniform": SnnTorchState,
    "snntorch": lambda bits: SnnTorchState(bits, uniform=False),
    "per-forward-uniform": PerForwardRange,
    "per-forward-threshold-centred": lambda bits: PerForwardRange(bits, "threshold-centred"),
}
TRAINED_TWICE = ("continued", "qat")
SPACINGS: tuple[Spacing, ...] = ("threshold-centred", "uniform")
HIGH = 2.5  # end of the range of levels around the threshold, where some lie above it


@dataclass(frozen=True)
class Setting:
    """What all cells of a study share.

    Attributes:
        dataset: its registered name, or what the user's data set calls itself.
        data, model: fingerprints of the samples and of the user's model ("" for the data set's own model).
        epochs: of each training.
        timesteps, test_timesteps: T in training, and in validation and test.
        batch_size: samples a training step.
        learning_rate, quantized_learning_rate: at the start, in full precision and quantized.
        beta: leak of every neuron; None is what the model says.
        loss: "counts", "steps" or "mse".
        subset: training samples used; None is all.
        folds: seed s is tested on fold s of so many; None: on the data set's own test split.
        low: lowest level of a state, in thresholds.
        weights: how they are quantized; those of more bits than LQ-Net knows are uniform, and 1 bit is always binary.
        gradient: where that of trained states is blocked.
    """

    dataset: str
    data: str
    model: str
    epochs: int
    timesteps: int
    test_timesteps: int
    batch_size: int
    learning_rate: float
    quantized_learning_rate: float
    beta: float | None
    loss: str
    subset: int | None
    folds: int | None
    low: float = -1.0
    weights: Weights = "uniform"
    gradient: Gradient = "block saturated"


@dataclass(frozen=True)
class SquatCell:
    """One network of the study.

    Attributes:
        scheme: "fp" (full precision), "continued" (trained on for as long as "qat" is), "ptq" (quantized after
            training, calibrated), "qat" (trained quantized, from full precision).
        memory: False is the control: every timestep starts at rest (beta = 0), so time is ignored.
        weight_bits, state_bits: None is full precision.
        spacing, stores: of the state's levels; "" where states are in full precision.
        seed: of weights, sample order, validation split and fold.
        quantized_learning_rate: of the second training; None where there is none, so that it does not tell cells apart.
        reach: uniform levels cover -reach..reach thresholds; None: see `uniform_range`.
        gradient: where that of a trained state is blocked.
        low: lowest level, in thresholds; with less than 4 bits that of the measured sets around the threshold.
        fitted: how far the levels of each layer reach is found from training data.
        weights: how they are quantized; "uniform" also where they are in full precision.
        (the others are those of Setting)
    """

    scheme: Scheme
    memory: bool
    weight_bits: int | None
    state_bits: int | None
    spacing: Spacing
    stores: str
    seed: int
    dataset: str
    data: str
    model: str
    epochs: int
    timesteps: int
    test_timesteps: int
    batch_size: int
    learning_rate: float
    quantized_learning_rate: float | None
    beta: float | None
    loss: str
    subset: int | None
    folds: int | None
    reach: float | None = None
    gradient: Gradient = "pass"
    low: float = -1.0
    fitted: bool = False
    weights: Weights = "uniform"

    @property
    def parent(self) -> SquatCell | None:
        """The full-precision network of the same seed; it has none itself."""
        if self.scheme == "fp":
            return None
        return replace(
            self, scheme="fp", weight_bits=None, state_bits=None, spacing="", stores="", quantized_learning_rate=None,
            reach=None, gradient="pass", low=-1.0, fitted=False, weights="uniform",
        )  # fmt: skip

    @property
    def row(self) -> str:
        """DATASET/SCHEME/WEIGHTBITS-STATEBITS; 32 bits are float32. Cells of one row differ in their seed."""
        scheme = self.scheme if self.memory else f"memoryless-{self.scheme}"
        if self.spacing:
            scheme += f"-{self.spacing}" + ("" if self.reach is None else f"-range-{self.reach:g}")
        if self.weights != "uniform":
            scheme += f"-{self.weights}"
        if (
            self.scheme == "qat"
            and self.spacing not in ("", *COMPARISONS)
            and self.gradient != "block saturated"
        ):
            scheme += f"-{self.gradient.replace(' ', '-')}"
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
        both = self.weight_bits is not None and self.state_bits is not None
        return both and self.spacing not in COMPARISONS

    def config(self) -> QuantConfig:
        """How it is quantized."""
        weight = None if self.weight_bits is None else self._weight(self.weight_bits)
        if self.state_bits is None:
            return QuantConfig(weight)
        return QuantConfig(weight, self._state(self.state_bits))

    def _weight(self, bits: int) -> WeightQuantizer:
        return LQNet(bits) if self.weights == "lq-net" else weight_of(bits)

    def _state(self, bits: int) -> StateQuantizer | ComparisonState:
        """Levels around the threshold, or evenly spaced.

        Uniform levels end at theta where they are stored after the reset, because nothing above it is left; one bit
        cannot hold a negative level and still integrate, so its range starts at rest.
        """
        if self.spacing in COMPARISONS:
            return COMPARISONS[self.spacing](bits)
        how: Any = {"stores": self.stores, "gradient": self.gradient}
        if self.spacing == "threshold-centred":
            if self.low == -1 or bits < 4:
                return ThresholdCentred(bits, **how)
            return ThresholdCentred(bits, spacing="exponential", ends=(self.low, HIGH), **how)
        if self.spacing != "uniform":
            raise BadInput(
                f"the spacing of a state must be 'uniform' or 'threshold-centred', not {self.spacing!r}"
            )
        low, high = uniform_range(self.stores, self.low) if self.reach is None else (-self.reach, self.reach)
        return UniformState(bits, 0.0 if bits == 1 else low, high, **how)


def weights_of(asked: Weights, bits: int | None) -> Weights:
    """How weights of so many bits are quantized, where LQ-Net may be asked for."""
    return asked if bits in LQNet.WIDTHS and bits != 1 else "uniform"


def uniform_range(stores: str, low: float) -> tuple[float, float]:
    """The range of uniform states, in thresholds."""
    return low, 1.0 if stores == "after reset" else max(2.0, -low)


def grid(setting: Setting, seeds: int, bits: tuple[int, ...], stores: str) -> list[SquatCell]:
    """All cells, one seed after the other, so that every seed is whole before the next begins."""
    return [cell for seed in range(seeds) for cell in _of_seed(setting, seed, bits, stores)]


def _of_seed(setting: Setting, seed: int, bits: tuple[int, ...], stores: str) -> Iterator[SquatCell]:
    s = setting

    def cell(
        scheme: Scheme, weight: int | None, state: int | None, spacing: Spacing = "", memory: bool = True
    ) -> SquatCell:
        return SquatCell(
            scheme, memory, weight, state, spacing, stores if spacing else "", seed, s.dataset, s.data, s.model,
            s.epochs, s.timesteps, s.test_timesteps, s.batch_size, s.learning_rate,
            s.quantized_learning_rate if scheme in TRAINED_TWICE else None, s.beta, s.loss, s.subset, s.folds,
            gradient=s.gradient if scheme == "qat" and spacing else "pass",
            low=s.low if scheme == "qat" and spacing else -1.0, fitted=scheme == "ptq" and bool(spacing),
            weights=weights_of(s.weights, weight),
        )  # fmt: skip

    yield cell("fp", None, None)
    yield cell("continued", None, None)
    yield cell("fp", None, None, memory=False)
    schemes: tuple[Scheme, ...] = ("ptq", "qat")
    for scheme in schemes:
        for b in bits:
            yield cell(scheme, b, None)  # weights alone have no spacing, so this is one cell for both
            yield cell(scheme, b, None, memory=False)
            for spacing in SPACINGS:
                yield cell(scheme, None, b, spacing)
                yield cell(scheme, b, b, spacing)
