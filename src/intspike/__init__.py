"""intspike: quantized spiking neural networks, from training to exact integers.

    from intspike import data, models, train
    from intspike.nn import calibrate, quantize
    from intspike.quant import QuantConfig, ThresholdCentred, Uniform
    from intspike.lower import lower, verify

`intspike.ir`, `engine`, `export`, `measure` and `dynamics` work without torch; what trains needs the extra
`intspike[torch]`.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__version__ = "0.1.0"

_PARTS = (
    "data", "dynamics", "encode", "engine", "errors", "export", "interop", "ir", "kernels", "lower", "measure",
    "models", "native", "neuron", "nn", "ops", "pretrained", "quant", "study", "train",
)  # fmt: skip
_NEED_TORCH = ("encode", "interop", "kernels", "lower", "models", "nn", "quant", "train")


def __getattr__(name: str) -> Any:
    """Parts are imported when they are first used, so that what needs no torch does without it."""
    if name not in _PARTS:
        raise AttributeError(f"module 'intspike' has no attribute {name!r}")
    if name in _NEED_TORCH and importlib.util.find_spec("torch") is None:
        from .errors import MissingDependency

        raise MissingDependency(
            f"intspike.{name} needs torch, which is not installed; run: pip install 'intspike[torch]'"
        )
    return importlib.import_module(f".{name}", __name__)
