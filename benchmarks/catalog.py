"""What is measured, against whom, and the goals: ratios of the peer's time (or memory) to ours."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from intspike.errors import BadInput, did_you_mean

SNNTORCH = "snnTorch + Brevitas"
SNNTORCH_FLOAT = "snnTorch float"
STATE_QUANT = "snnTorch state_quant"
SPIKINGJELLY = "SpikingJelly float, static first layer"


@dataclass(frozen=True)
class Goal:
    """One row of the table.

    Attributes:
        peer: whom ours is compared with.
        goal: the ratio to reach; None where there is none.
        limit: the ratio that the machine allows, as estimated.
    """

    peer: str
    goal: float | None
    limit: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """One piece of work, measured by the function `measure(name, rounds, tell)` of a module of this folder.

    Attributes:
        name: short and stable.
        what: the work, for the table.
        module: the file that measures it.
        goals: one row each.
        rounds: how often ours and the peers take turns.
        unit: what the ratio compares.
    """

    name: str
    what: str
    module: str
    goals: tuple[Goal, ...]
    rounds: int = 7
    unit: Literal["ms", "MB"] = "ms"


PEAK_LAYERS = ("conv1", "conv2", "dense 1024-10", "dense 700-1000", "dense 1000-20")
SWITCH_LAYERS = ("conv2", "dense 700-1000")
SWITCH_RATES = (0.02, 0.05, 0.1, 0.2, 0.4)


def peak_of(layer: str) -> str:
    """The peer of a layer: as many multiplications at the measured peak."""
    return f"int8 peak, {layer}"


def better_of(layer: str, rate: float) -> str:
    """The peer of a layer at a firing rate: the better of its two paths."""
    return f"better path, {layer} at {round(100 * rate)} %"


NUMPY = "numpy"
DYNAMICS_NEURONS = (32, 64, 128)


def naive_of(neurons: int) -> str:
    """The peer of a network of so many neurons: numpy, one state at a time."""
    return f"numpy, N = {neurons}"


_NET = "SQUAT Fashion-MNIST net, T = 25"

BENCHMARKS = (
    Benchmark(
        "train-fmnist",
        f"training step, {_NET}, B = 128, 4/4 bits",
        "train_fmnist",
        (Goal(SNNTORCH, 25, "30-35"), Goal(SPIKINGJELLY, 6, "7.5")),
    ),
    Benchmark(
        "memory-fmnist",
        "peak memory growth of that step",
        "memory_fmnist",
        (Goal(SNNTORCH, 12, "20"),),
        rounds=3,
        unit="MB",
    ),
    Benchmark(
        "train-fmnist-float",
        "the same step in full precision",
        "train_fmnist",
        (Goal(SNNTORCH_FLOAT, 5),),
    ),
    Benchmark(
        "train-shd",
        "training step, dense 700-1000-20, T = 25, B = 256, 3 % input spikes, 4/4 bits",
        "train_shd",
        (Goal(SNNTORCH, 30, "65"),),
    ),
    Benchmark(
        "infer-b1",
        f"inference, {_NET}, B = 1, 4/4 bits, hidden layers fire at 8 %",
        "infer",
        (Goal(SNNTORCH, 500, "sparse"), Goal(SPIKINGJELLY, 30, "sparse")),
    ),
    Benchmark(
        "infer-b128",
        f"inference, {_NET}, B = 128, 4/4 bits, ordinary firing",
        "infer",
        (Goal(SNNTORCH, 105, "dense 121"), Goal(SPIKINGJELLY, 14)),
        rounds=5,
    ),
    Benchmark(
        "infer-b128-sparse",
        "the same, hidden layers fire at 2 %",
        "infer",
        (Goal(SNNTORCH, 250), Goal(SPIKINGJELLY, None)),
        rounds=5,
    ),
    Benchmark(
        "codec-4bit",
        "store 10^7 values in 4-bit threshold-centred codes, and the gradient through it",
        "codec",
        (Goal(STATE_QUANT, 150, "250"),),
        rounds=5,
    ),
    Benchmark(
        "codec-4bit-memory",
        "peak memory growth of that",
        "codec",
        (Goal(STATE_QUANT, 40),),
        rounds=3,
        unit="MB",
    ),
    Benchmark(
        "emd-counts",
        "earth mover's distance of 10^6 and 10^6 spike counts",
        "emd",
        (Goal("scipy", 300, "1000"),),
    ),
    Benchmark(
        "emd-rates",
        "earth mover's distance of 10^6 and 10^6 firing rates",
        "emd",
        (Goal("scipy", 45, "100"),),
    ),
    Benchmark(
        "peak-int8",
        "dense path of a layer, as a share of the int8 peak",
        "peak",
        tuple(Goal(peak_of(layer), 0.85, "1") for layer in PEAK_LAYERS),
    ),
    Benchmark(
        "switch",
        "a layer's own choice of its path",
        "switch",
        # at most 5 % slower than the better path
        tuple(Goal(better_of(layer, rate), 0.952, "1") for layer in SWITCH_LAYERS for rate in SWITCH_RATES),
        rounds=11,
    ),
    Benchmark(
        "dynamics-batch",
        "a million timesteps of a recurrent network, 8 bits, a fifth of the connections, many states at once",
        "dynamics",
        tuple(Goal(naive_of(n), g) for n, g in zip(DYNAMICS_NEURONS, (10_000, 5_000, 2_500), strict=True)),
        rounds=5,
    ),
    Benchmark(
        "dynamics-one",
        "a million timesteps of one state of 64 neurons, by the search for its cycle",
        "dynamics",
        (Goal(NUMPY, 300),),
        rounds=5,
    ),
    Benchmark(
        "dynamics-graph",
        "every attractor, basin and transient of 2^20 states",
        "dynamics",
        (Goal(NUMPY, None),),
        rounds=3,
    ),
)


def chosen(name: str | None) -> tuple[Benchmark, ...]:
    """The benchmark of a name, or all.

    Raises:
        BadInput: there is none of that name.
    """
    if name is None:
        return BENCHMARKS
    if found := tuple(b for b in BENCHMARKS if b.name == name):
        return found
    raise BadInput(f"there is no benchmark {name!r}; {did_you_mean(name, names(BENCHMARKS))}")


def names(benchmarks: Iterable[Benchmark]) -> list[str]:
    return [b.name for b in benchmarks]
