"""What `intspike run fashion-mnist` is asked for, the networks it makes, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import data
from ..errors import BadInput
from ..ir import Program
from ..lower import Lowering
from ..measure import Drift, HalvedCounts
from ..nn import Network
from ..quant import QuantConfig, ThresholdCentred, Uniform, UniformState

NAME = "fashion-mnist"
REFERENCE = "fp32"
MAIN = "qat-w4u4"  # the variant whose program the run ships


@dataclass(frozen=True)
class Options:
    """What a run is asked for.

    Attributes:
        epochs: of each training, full precision and quantized.
        seed: of weights, order of images and splits.
        timesteps: T in training and evaluation.
        batch_size: images per step of training.
        data: folder of the full set; None is the embedded sample.
        quick: a first look in a minute: fewer images, timesteps and epochs.
        loss: "counts" or "steps" (SQUAT's printed form).
    """

    epochs: int = 4
    seed: int = 0
    timesteps: int = 25
    batch_size: int = 50
    data: str | None = None
    quick: bool = False
    loss: str = "counts"

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("epochs", self.epochs, 1, 1000),
            ("timesteps", self.timesteps, 1, 1000),
            ("batch-size", self.batch_size, 1, 10000),
            ("seed", self.seed, 0, 2**31 - 1),
        ):
            if not low <= value <= high:
                raise BadInput(f"--{name} must be in {low}..{high}, not {value}")


@dataclass(frozen=True)
class Variant:
    """A quantized network of the run.

    Attributes:
        name, description: for people.
        config: how it is quantized.
        trained: quantization-aware training, or only calibration.
    """

    name: str
    description: str
    config: QuantConfig
    trained: bool


VARIANTS = (
    Variant(
        "ptq-w8u8",
        "8-bit weights and states, calibrated after training",
        QuantConfig(Uniform(8), UniformState(8)),
        trained=False,
    ),
    Variant(
        MAIN,
        "4-bit weights and threshold-centred states, trained",
        QuantConfig(Uniform(4), ThresholdCentred(4)),
        trained=True,
    ),
    Variant(
        "qat-w2u2",
        "2-bit weights and threshold-centred states, trained",
        QuantConfig(Uniform(2), ThresholdCentred(2)),
        trained=True,
    ),
)


@dataclass
class Result:
    """A finished run: its summary, and what the report draws.

    Attributes:
        summary: plain data, as in summary.json.
        networks, programs, lowerings: by variant.
        dataset, options: what it ran on, and what was asked for.
        firing: counts on the test images, by network.
        drift: of each variant against full precision.
    """

    summary: dict[str, Any]
    networks: dict[str, Network]
    programs: dict[str, Program]
    lowerings: dict[str, Lowering]
    dataset: data.Dataset
    options: Options
    firing: dict[str, HalvedCounts]
    drift: dict[str, Drift]
