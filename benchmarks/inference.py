"""Inference of the 4/4 Fashion-MNIST network: the native engine against torch, interleaved in one process.

    OMP_NUM_THREADS=2 python benchmarks/inference.py --rounds 7

Distinct images; the first layer's work counts. The readout of every engine must be equal in the same run. The peer in
full precision is the same network in torch.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from intspike import data, encode, models
from intspike.engine import native
from intspike.lower import lower
from intspike.nn import calibrate, quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--timesteps", type=int, default=25)
    a = parser.parse_args()
    torch.manual_seed(0)
    images = data.fashion_mnist()
    full = calibrate(models.squat_fmnist(), images, batches=2, timesteps=a.timesteps)
    four = calibrate(quantize(full, QuantConfig(Uniform(4), ThresholdCentred(4))), images, batches=2)
    program = lower(four)
    results: list[dict[str, Any]] = []
    for batch in (1, 128):
        x = images.test.images
        at = iter(range(0, 10**9, batch))

        def chosen(batch: int = batch, at: Any = at, x: Any = x) -> Any:
            first = next(at) % (len(x) - batch)
            return x[first : first + batch]

        def in_torch(net: Any) -> Callable[[Any], Any]:
            def run(image: Any) -> Any:
                with torch.no_grad():
                    return net(encode.direct(torch.from_numpy(image), a.timesteps)).sum(0).numpy()

            return run

        engines: dict[str, Callable[[Any], Any]] = {
            "native": lambda f: native.run(program, f, a.timesteps, record=False).readout,
            "torch 4/4": in_torch(four),
            "torch float": in_torch(full),
        }
        first = chosen()
        same = bool(np.array_equal(engines["native"](first), engines["torch 4/4"](first)))
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(a.rounds):
            frame = chosen()
            for name, engine in engines.items():
                began = time.perf_counter()
                engine(frame)
                seconds[name].append(time.perf_counter() - began)
        median = {k: 1000 * statistics.median(s) for k, s in seconds.items()}
        results.append(
            {
                "batch": batch,
                "timesteps": a.timesteps,
                "readouts_equal": same,
                "median_ms": {k: round(v, 3) for k, v in median.items()},
                "times_native": {k: round(v / median["native"], 2) for k, v in median.items()},
            }
        )
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
