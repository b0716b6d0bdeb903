"""One training step of the SQUAT Fashion-MNIST network, ours against peers, interleaved in one process.

    OMP_NUM_THREADS=2 python benchmarks/train_step.py --rounds 7

Peers: a plain torch loop over time on the same bodies (always), snnTorch in full precision and with its 4-bit
threshold-centred `state_quant` (where snnTorch is installed: `pip install snntorch`). snnTorch's weights stay in full
precision, so its quantized row does less than ours. In the same run the spikes of our kernels must equal the plain
loop's. Prints JSON: median and minimum milliseconds, and ratios to ours.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from intspike import encode, kernels, models
from intspike.kernels import conv_pool, oracle
from intspike.nn import Network, quantize
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

Step = Callable[[], float]


def ours(net: Network, x: torch.Tensor, labels: torch.Tensor, timesteps: int) -> Step:
    optimizer = torch.optim.Adam([p for p in net.parameters() if p.requires_grad])

    def step() -> float:
        loss = F.cross_entropy(net(encode.direct(x, timesteps)).mean(0) * 10, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def plain(step: Step) -> Step:
    """The same step with torch loops and torch convolutions instead of generated kernels."""

    def slow() -> float:
        run, applies = kernels.run, conv_pool.applies
        kernels.run, conv_pool.applies = oracle.run, lambda *a: False  # type: ignore[assignment]
        try:
            return step()
        finally:
            kernels.run, conv_pool.applies = run, applies

    return slow


def snntorch_step(x: torch.Tensor, labels: torch.Tensor, timesteps: int, bits: int | None) -> Step:
    import snntorch  # type: ignore[import-not-found]
    from snntorch.functional import quant  # type: ignore[import-not-found]

    def leaky() -> Any:
        state = quant.state_quant(num_bits=bits, uniform=False, thr_centered=True) if bits else False
        return snntorch.Leaky(beta=0.75, state_quant=state)

    conv1, conv2 = torch.nn.Conv2d(1, 16, 5, bias=False), torch.nn.Conv2d(16, 64, 5, bias=False)
    dense = torch.nn.Linear(1024, 10, bias=False)
    norms = [torch.nn.BatchNorm2d(16), torch.nn.BatchNorm2d(64), torch.nn.BatchNorm1d(10)]
    cells = [leaky(), leaky(), leaky()]
    parameters = [p for m in (conv1, conv2, dense, *norms) for p in m.parameters()]
    optimizer = torch.optim.Adam(parameters)
    frame = x.float() / 255

    def step() -> float:
        states = [c.init_leaky() for c in cells]
        count = torch.zeros(len(x), 10)
        for _ in range(timesteps):
            s, states[0] = cells[0](norms[0](F.max_pool2d(conv1(frame), 2)), states[0])
            s, states[1] = cells[1](norms[1](F.max_pool2d(conv2(s), 2)), states[1])
            s, states[2] = cells[2](norms[2](dense(s.flatten(1))), states[2])
            count = count + s
        loss = F.cross_entropy(count / timesteps * 10, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def equal(net: Network, x: torch.Tensor, timesteps: int) -> bool:
    """Whether our kernels and the plain loop give the same spikes in every layer, in evaluation."""
    inputs = encode.direct(x, timesteps)
    a = net.eval().record(inputs).spikes
    found: dict[str, Any] = {}

    def take() -> float:
        found.update(net.record(inputs).spikes)
        return 0.0

    plain(take)()
    net.train()
    return all(torch.equal(a[k], found[k]) for k in a)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--timesteps", type=int, default=25)
    a = parser.parse_args()
    torch.manual_seed(0)
    x = torch.randint(0, 256, (a.batch, 1, 28, 28), dtype=torch.uint8)
    labels = torch.randint(0, 10, (a.batch,))
    full = models.squat_fmnist()
    four = quantize(full, QuantConfig(Uniform(4), ThresholdCentred(4)))
    same = {"float": equal(full, x[:8], a.timesteps), "4/4": equal(four, x[:8], a.timesteps)}
    steps: dict[str, Step] = {
        "intspike float": ours(full, x, labels, a.timesteps),
        "intspike 4/4": ours(four, x, labels, a.timesteps),
    }
    steps["plain torch loop float"] = plain(steps["intspike float"])
    steps["plain torch loop 4/4"] = plain(steps["intspike 4/4"])
    if importlib.util.find_spec("snntorch") is not None:
        steps["snntorch float"] = snntorch_step(x, labels, a.timesteps, None)
        steps["snntorch 4-bit states"] = snntorch_step(x, labels, a.timesteps, 4)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(a.rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - began)
    median = {name: 1000 * statistics.median(s) for name, s in seconds.items()}
    report = {
        "batch": a.batch,
        "timesteps": a.timesteps,
        "threads": torch.get_num_threads(),
        "rounds": a.rounds,
        "spikes_equal_to_plain_loop": same,
        "median_ms": {k: round(v, 1) for k, v in median.items()},
        "min_ms": {k: round(1000 * min(s), 1) for k, s in seconds.items()},
        "times_intspike_4/4": {k: round(v / median["intspike 4/4"], 2) for k, v in median.items()},
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
