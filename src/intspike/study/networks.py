"""What a study measures of a network: accuracy, firing, and, where all of it is integers, that engines agree."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save as save_tensors

from ..data import Dataset, Split
from ..ir.artifact import save
from ..lower import lower_with_report, verify
from ..lower.drift import Side
from ..measure import dead, size_bits
from ..nn import Network, fit_ranges
from ..quant import QuantConfig
from .trained_for import noted

NETWORK, PROGRAM = "network.safetensors", "model.intspike"
BY_DEFINITION, BY_NATIVE = 16, 250  # test samples verified by the reference engine, and by compiled code
AT_ONCE = 6250  # samples times timesteps of one test batch


def tested(net: Network, test: Split, timesteps: int) -> tuple[dict[str, Any], Side]:
    """Accuracy by spike counts, which samples are right, how each layer fires; and all that drift is made of."""
    side, right = Side(net), np.zeros(len(test), bool)
    batch = max(1, AT_ONCE // timesteps)
    for at in range(0, len(test), batch):
        index = np.arange(at, min(at + batch, len(test)))
        trace = side.add(test.batch(index, timesteps))
        right[index] = trace.classes == test.labels[index]
    correct = int(right.sum())
    return {
        "accuracy": correct / len(test),
        "correct": correct,
        "n": len(test),
        "right": np.packbits(right).tobytes().hex(),
        "layers": fired(side),
    }, side


def fired(side: Side) -> dict[str, dict[str, Any]]:
    """How each layer fires: its neurons, their mean rate, and how many never do."""
    firing = side.counts.whole
    return {
        name: {"neurons": int(c.size), "rate": float(firing.rates[name].mean()), "dead": int(dead(c).sum())}
        for name, c in firing.counts.items()
    }


def reaching(net: Network, config: QuantConfig, dataset: Dataset, timesteps: int, seed: int) -> QuantConfig:
    """The configuration whose levels reach as far in each layer as training samples ask for."""
    return fit_ranges(
        net, config, dataset, batch_size=min(50, len(dataset.train)), timesteps=timesteps, seed=seed
    )


def right_of(record: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which test samples a network classified rightly, [n]."""
    bits = np.frombuffer(bytes.fromhex(record["right"]), np.uint8)
    return np.unpackbits(bits)[: record["n"]].astype(bool)


def parameters(net: Network) -> bytes:
    """A network's parameters as a file."""
    return save_tensors({k: t.detach().clone().contiguous() for k, t in net.state_dict().items()})


def proved(net: Network, test: Split, timesteps: int, trained: int) -> tuple[dict[str, Any], bytes]:
    """Lower a network and compare every spike and stored code: what was compared, its packed size, and its program.

    Args:
        timesteps: T of the comparison.
        trained: T of the training, the largest of several, which the program's notes name.

    Raises:
        Divergence: an engine disagrees with torch in any of them.
    """
    program, report = lower_with_report(net, input_shape=test.frame)
    compared = verify(
        net, program, test, timesteps=timesteps, samples=BY_DEFINITION, native_samples=BY_NATIVE
    )
    with tempfile.TemporaryDirectory() as scratch:
        save(noted(program, trained), Path(scratch) / PROGRAM)
        artifact = (Path(scratch) / PROGRAM).read_bytes()
    size = size_bits(program, report.packing)
    return {
        "exact": [asdict(c) for c in compared],
        "size_bits": {"total": size.total, **size.parts, "float32": size.float32},
    }, artifact
