"""A made-up report that looks like a real one: three variants, three layers, numbers of the right size."""

from __future__ import annotations

from typing import Any

import numpy as np

from intspike.measure import firing_report, wilson
from intspike.study.report import MembraneTrace, QuantizerPicture, Raster, ReportContent, Table, Variant

T, IMAGES = 25, 2000
LAYERS = {"lif1": 2304, "lif2": 1024, "lif3": 10}
NAMES = ("fp32", "ptq-w8u8", "qat-w4u4")
LEVELS = np.concatenate([[-1, -0.75, -0.5, -0.25, 0], np.arange(1, 12) / 12])  # 4 bits, stored after reset
EDGES = (LEVELS[1:] + LEVELS[:-1]) / 2


def rates(rng: np.random.Generator) -> dict[str, dict[str, np.ndarray]]:
    """Firing rates of each variant and layer: the quantized ones drift, some of their neurons die."""
    made: dict[str, dict[str, np.ndarray]] = {name: {} for name in NAMES}
    for layer, neurons in LAYERS.items():
        own = rng.beta(1.1, 5.0, neurons) if neurons > 10 else rng.uniform(0.05, 0.25, neurons)
        made["fp32"][layer] = own
        made["ptq-w8u8"][layer] = np.clip(own + rng.normal(0, 0.012, neurons), 0, 1)
        drifted = np.clip(0.9 * own + rng.normal(0, 0.045, neurons), 0, 1)
        made["qat-w4u4"][layer] = np.where((rng.random(neurons) < 0.04) & (neurons > 10), 0, drifted)
    return made


def membrane(rng: np.random.Generator) -> MembraneTrace:
    """One neuron by the equation of the numeric contract, with and without its 4-bit code."""
    current = rng.normal(0.33, 0.3, T)
    real, codes = np.zeros((2, T)), np.zeros((2, T))
    u = v = s = q = 0.0
    for t in range(T):
        u = 0.75 * (u - s) + current[t]
        s = float(u >= 1)
        x = 0.75 * v + current[t]
        q = float(x >= 1)
        v = float(LEVELS[np.searchsorted(EDGES, x - q, "right")])
        real[:, t], codes[:, t] = (u, s), (v + q, q)
    return MembraneTrace(
        "lif2", (17, 2, 3), 4, ("fp32", "qat-w4u4"), real[0], codes[0], real[1], codes[1], LEVELS, LEVELS + 1
    )


def quantizer(guaranteed: bool) -> QuantizerPicture:
    """The 4-bit codec; with nearest rounding of the decay, codes near rest are stuck."""
    rest = 4
    silent = [int(c) for c in np.searchsorted(EDGES, 0.75 * LEVELS, "right")]
    if guaranteed:
        silent = [c - (c > rest) + (c < rest) if after == c else after for c, after in enumerate(silent)]
    return QuantizerPicture(
        "qat-w4u4" if guaranteed else "ptq-w8u8", "lif2", 17, LEVELS, EDGES, rest, "after reset", silent
    )


def content(**changes: Any) -> ReportContent:
    """The whole report; `changes` replace fields."""
    rng = np.random.default_rng(7)
    steps, fired = T * IMAGES, rates(rng)
    counted = {
        v: {k: np.round(r * steps).astype(np.int64) for k, r in layers.items()} for v, layers in fired.items()
    }
    words = ("full precision", "8-bit weights and states, post-training", "4-bit weights and states, trained")
    sizes: tuple[dict[str, int], ...] = (
        {"weights": 32 * 36240, "constants": 32 * 270, "states": 32 * 3338},
        {"weights": 8 * 36240, "constants": 90 * (32 + 11) + 90 * 767 * 11, "states": 9 * 3338},
        {"weights": 4 * 36240, "constants": 90 * (32 + 11) + 90 * 47 * 11, "states": 5 * 3338},
    )
    variants = []
    for k, (name, correct) in enumerate(zip(NAMES, (1735, 1729, 1718), strict=True)):
        at = wilson(correct, IMAGES)
        epochs = np.arange(1, 7) if k != 1 else np.arange(0)
        operations = {
            "conv1": 211_000.0,
            "conv2": 4.1e6 * (1, 0.99, 0.86)[k],
            "dense": 25_600.0 * (1, 1.01, 0.8)[k],
        }
        variants.append(
            Variant(
                name,
                at.value,
                at.low,
                at.high,
                at.n,
                words[k],
                size=sizes[k],
                synops=operations,
                multiplies=("conv1",),
                exact="exact" if k else "",
                train_loss=list(0.9 * np.exp(-epochs / 2.2) + 0.33 + 0.05 * k),
                validation_accuracy=list(0.87 - 0.16 * np.exp(-epochs / 1.6) - 0.004 * k),
                rates=fired[name],
                firing=firing_report(counted["fp32"], counted[name], steps) if k else None,
            )
        )
    rasters = []
    for layer, neurons in LAYERS.items():
        a, b = (rng.random((T, neurons)) < fired[name][layer] for name in ("fp32", "qat-w4u4"))
        rasters.append(Raster(layer, 4, ("fp32", "qat-w4u4"), a, b))
    everything: dict[str, Any] = {
        "title": "Fashion-MNIST, from training to exact integers",
        "summary": "4-bit weights and membranes keep 85.9 % of full precision's 86.8 % in 6.0 times less memory, and "
        "torch, the reference, the native engine and the exported C agree in every spike.",
        "variants": variants,
        "membranes": [membrane(rng)],
        "rasters": rasters,
        "quantizers": [quantizer(True)],
        "lowering": [
            Table(
                "qat-w4u4",
                ("node", "parameter", "verdict", "largest snap (LSB)", "what to do"),
                [
                    ["conv1", "weight", "exact", "0", "–"],
                    ["lif1", "theta", "exact: rounded in training", "0", "–"],
                    ["lif1", "bias", "snapped", "0.48", "–"],
                    ["lif2", "beta 0.75", "exact", "0", "–"],
                    [
                        "lif3",
                        "norm gain",
                        "refused",
                        "–",
                        "channel 3 has a gain near zero: make it a constant neuron",
                    ],
                ],
            )
        ],
        "exact": [
            {
                "variant": "qat-w4u4",
                "a": "torch",
                "b": "reference",
                "samples": 64,
                "compared": 10_681_600,
                "mismatches": 0,
            },
            {
                "variant": "qat-w4u4",
                "a": "torch",
                "b": "native",
                "samples": 2000,
                "compared": 333_800_000,
                "mismatches": 0,
            },
            {
                "variant": "qat-w4u4",
                "a": "reference",
                "b": "exported C",
                "samples": 64,
                "compared": 10_681_600,
                "mismatches": 0,
            },
        ],
        "listings": {
            "qat-w4u4": "program\n" + "\n".join(f"line {k}: conv(x) -> 16x24x24" for k in range(60))
        },
        "environment": {
            "seed": "0",
            "intspike": "0.1.0",
            "torch": "2.13.0",
            "processor": "2 cores",
            "timesteps": "25",
        },
        "command": "intspike run fashion-mnist --seed 0 --out runs/demo",
        "notes": [
            "Embedded sample of Fashion-MNIST: 10,000 training and 2,000 test images. "
            "Each model was chosen on a validation split."
        ],
    }
    return ReportContent(**(everything | changes))
