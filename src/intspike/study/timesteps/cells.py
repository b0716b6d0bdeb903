"""The cells of the timestep study: at which T a network was trained, and at how many bits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ...quant import QuantConfig, ThresholdCentred, weight_of

Training = Literal["per-T", "fixed-T", "random-T"]
TRAININGS: tuple[Training, ...] = ("per-T", "fixed-T", "random-T")


@dataclass(frozen=True)
class TimestepCell:
    """One network of the study.

    Attributes:
        trained: T of its training; of several, each batch draws one; of none, it is an artificial network (ANN) of the
            same layers, which has no timesteps.
        bits: of weights and membrane potentials; None: full precision.
        tested: each T at which it is tested, increasing.
        seed: of weights, sample order and validation split.
        dataset, data, model: its registered name, a fingerprint of the samples, and the network.
        epochs: of each of the trainings, in full precision and quantized.
        batch_size: samples a training step.
        learning_rate, quantized_learning_rate: at the start of each; the second is 0 in full precision.
        subset: training samples used; None is all.
        augmented: whether training samples are augmented, as `models.DATASETS` says.
        encode: what samples are turned into, of `encodings.ENCODINGS`; rate draws with the seed.
        activations: bits of what an artificial network sends, where they are not those of its weights.
    """

    trained: tuple[int, ...]
    bits: int | None
    tested: tuple[int, ...]
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
    activations: int | None = None
    encode: str = "direct"

    @property
    def parent(self) -> TimestepCell | None:
        """The full-precision network of the same training; it has none itself."""
        return (
            None
            if self.bits is None
            else replace(self, bits=None, quantized_learning_rate=0.0, activations=None)
        )

    @property
    def training(self) -> str:
        """How it was trained, in a word."""
        if not self.trained:
            return "ann"
        return f"T{self.trained[0]}" if len(self.trained) == 1 else "random-T"

    @property
    def row(self) -> str:
        """DATASET/trained-TRAINING/WEIGHTBITS-STATEBITS; 32 bits are float32. Cells of one row differ in their seed.

        The second number of an artificial network is that of its activations; a data set that is not encoded directly
        is called DATASET-ENCODING.
        """
        bits = self.bits or 32
        how = f"trained-{self.training}" if self.trained else self.training
        data = self.dataset if self.encode == "direct" else f"{self.dataset}-{self.encode}"
        return f"{data}/{how}/{bits}-{self.activations or bits}"

    @property
    def activation_bits(self) -> int | None:
        """Bits of what an artificial network sends; None: full precision."""
        return self.activations or self.bits

    @property
    def name(self) -> str:
        return f"{self.row} seed {self.seed}"

    @property
    def cost(self) -> float:
        """Roughly in epochs of one timestep."""
        each = sum(self.trained) / len(self.trained) if self.trained else 1
        return self.epochs * each + 0.3 * self.tested[-1]

    @property
    def integer(self) -> bool:
        """Whether it has an integer program."""
        return self.bits is not None and bool(self.trained)

    def config(self) -> QuantConfig:
        """How it is quantized."""
        if self.bits is None:
            return QuantConfig()
        return QuantConfig(weight_of(self.bits), ThresholdCentred(self.bits))


def grid(
    base: TimestepCell,
    seeds: int,
    bits: Sequence[int | None],
    trainings: Sequence[str],
    learning_rate: float,
    ann: bool = False,
    times: tuple[int, ...] | None = None,
) -> list[TimestepCell]:
    """All cells, one seed after the other.

    Args:
        base: what all cells share, in full precision.
        bits: None is full precision.
        trainings: of `TRAININGS`; "fixed-T" is at the largest T alone.
        times: each T of the trainings; None: those of the tests.
        learning_rate: of quantized training.
        ann: also artificial networks, in full precision, at the same bits and, quantized, with as many levels of
            activation as the largest T of the trainings has counts: ceil(log2(T + 1)) bits.
    """
    learned = times or base.tested
    information = learned[-1].bit_length()

    def of_seed(seed: int) -> Iterator[TimestepCell]:
        for trained in [*_trained(learned, trainings), *([()] if ann else [])]:
            full = replace(base, seed=seed, trained=trained)
            for b in bits:
                made = full if b is None else replace(full, bits=b, quantized_learning_rate=learning_rate)
                yield made
                if not trained and b not in (None, information):
                    yield replace(made, activations=information)

    return [cell for seed in range(seeds) for cell in of_seed(seed)]


def _trained(times: tuple[int, ...], trainings: Sequence[str]) -> list[tuple[int, ...]]:
    made: list[tuple[int, ...]] = []
    if "per-T" in trainings:
        made += [(t,) for t in times]
    elif "fixed-T" in trainings:
        made.append(times[-1:])
    if "random-T" in trainings and len(times) > 1:
        made.append(times)
    return made
