"""Bits for every layer under a budget: a search over post-training quantizations, judged on validation data.

Two aims at once, accuracy and cost, by optuna (the extra `[search]`). Every candidate is quantized, calibrated and
lowered; its cost is that of its integer program, its accuracy that of its integers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..data import Dataset
from ..data.dataset import stratified
from ..engine import native
from ..errors import BadInput, MissingDependency
from ..lower import lower_with_report
from ..measure import size_bits, synops
from ..nn import Network, calibrate, quantize
from ..quant import QuantConfig, ThresholdCentred, weight_of

Cost = Literal["bits", "synops"]


@dataclass(frozen=True)
class LayerBits:
    """Bits of one layer's weights and of its membrane potentials."""

    layer: str
    weight: int
    state: int


@dataclass(frozen=True)
class Candidate:
    """One quantization that was measured.

    Attributes:
        layers: bits of every layer.
        accuracy: on validation samples, 0..1.
        bits: packed size of the program, constants and states.
        synops: synaptic operations of one inference.
    """

    layers: tuple[LayerBits, ...]
    accuracy: float
    bits: int
    synops: float

    def cost(self, kind: Cost) -> float:
        return float(self.bits) if kind == "bits" else self.synops

    @property
    def config(self) -> QuantConfig:
        """What `quantize` takes."""
        return config_of(self.layers)

    def __str__(self) -> str:
        return " ".join(f"{x.layer}={x.weight}/{x.state}" for x in self.layers)


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        candidates: all that were measured, in order.
        cost: what the budget limits.
        budget: the most it may be.
    """

    candidates: tuple[Candidate, ...]
    cost: Cost
    budget: float

    @property
    def front(self) -> tuple[Candidate, ...]:
        """Candidates that no other beats in accuracy and cost, cheapest first."""
        made: list[Candidate] = []
        for c in sorted(set(self.candidates), key=lambda c: (c.cost(self.cost), -c.accuracy)):
            if not made or c.accuracy > made[-1].accuracy:
                made.append(c)
        return tuple(made)

    @property
    def best(self) -> Candidate:
        """The most accurate within the budget; of equals the cheapest.

        Raises:
            BadInput: none is within it.
        """
        within = [c for c in self.front if c.cost(self.cost) <= self.budget]
        if not within:
            least = self.front[0].cost(self.cost)
            raise BadInput(
                f"a budget must allow at least the cheapest candidate, {least:,.0f} {self.cost}, but is "
                f"{self.budget:,.0f}; raise it, or allow fewer bits"
            )
        return within[-1]


def config_of(layers: Sequence[LayerBits]) -> QuantConfig:
    """Quantizers of so many bits, layer by layer."""
    return QuantConfig(
        overrides={
            x.layer: {"weight": weight_of(x.weight), "state": ThresholdCentred(x.state)} for x in layers
        }
    )


def evaluate(
    net: Network, data: Dataset, layers: Sequence[LayerBits], *, timesteps: int, samples: int, seed: int
) -> Candidate:
    """Quantize, calibrate, lower and run one choice of bits on validation samples."""
    made = calibrate(quantize(net, config_of(layers)), data, batches=5, timesteps=timesteps, seed=seed)
    program, report = lower_with_report(made, input_shape=data.frame)
    index = stratified(data.validation.labels, min(samples, len(data.validation)))
    right, total = 0, None
    for k in range(0, len(index), 250):
        part = index[k : k + 250]
        inputs = data.validation.batch(part, timesteps)
        inputs = inputs if data.timed else inputs[0]
        trace = native.run(program, inputs, timesteps)
        right += int((trace.classes == data.validation.labels[part]).sum())
        counted = synops(program, trace, inputs)
        total = counted if total is None else total + counted
    assert total is not None
    return Candidate(
        tuple(layers), right / len(index), size_bits(program, report.packing).total, total.per_inference
    )


def search(
    net: Network,
    data: Dataset,
    *,
    budget: float,
    cost: Cost = "bits",
    weight_bits: Sequence[int] = (1, 2, 3, 4, 5, 6, 8),
    state_bits: Sequence[int] = (1, 2, 3, 4, 5, 6, 8),
    trials: int = 60,
    timesteps: int = 25,
    samples: int = 1000,
    seed: int = 0,
    journal: Path | None = None,
    progress: Callable[[int, int, Candidate], None] | None = None,
) -> Found:
    """Search the bits of every layer.

    Equal bits in all layers are measured first, so the front is never worse than theirs.

    Args:
        net: trained in full precision.
        data: its training samples calibrate, its validation samples judge; test samples are not touched.
        budget: the most a candidate may cost.
        cost: "bits" (packed size of the program) or "synops" (synaptic operations of one inference).
        weight_bits, state_bits: what a layer may have.
        trials: how many candidates.
        samples: validation samples that judge a candidate.
        journal: file that keeps finished trials; a search with the same arguments goes on from there.
        progress: called after every trial with how many are done, how many there will be, and the last.

    Raises:
        MissingDependency: optuna is not installed.
        BadInput: a budget or bits out of range, no validation samples, or a budget that nothing meets.
    """
    _check(net, data, budget, cost, weight_bits, state_bits, trials, samples)
    try:
        import optuna
    except ImportError as e:
        raise MissingDependency(
            "a search for bits needs optuna, which is not installed; run: pip install 'intspike[search]'"
        ) from e
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    names = [g.name for g in net.layers]
    settings = {
        "layers": names, "budget": budget, "cost": cost, "weight_bits": list(weight_bits),
        "state_bits": list(state_bits), "timesteps": timesteps, "samples": samples, "seed": seed,
        "net": _fingerprint(net), "data": data.source,
    }  # fmt: skip
    name = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    study = optuna.create_study(
        study_name=name,
        storage=None if journal is None else _storage(optuna, journal),
        sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=max(10, trials // 4)),
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )
    known: dict[tuple[LayerBits, ...], Candidate] = {}
    done: list[Candidate] = []
    for t in study.get_trials(states=[optuna.trial.TrialState.COMPLETE]):
        c = _candidate(t.user_attrs["candidate"])
        known[c.layers] = c
        done.append(c)
    if not study.get_trials(deepcopy=False):
        for w, u in _equal(weight_bits, state_bits):
            study.enqueue_trial({f"{n}.{k}": b for n in names for k, b in (("weight", w), ("state", u))})

    def objective(trial: Any) -> tuple[float, float]:
        layers = tuple(
            LayerBits(
                n,
                trial.suggest_categorical(f"{n}.weight", list(weight_bits)),
                trial.suggest_categorical(f"{n}.state", list(state_bits)),
            )
            for n in names
        )
        if layers not in known:
            known[layers] = evaluate(net, data, layers, timesteps=timesteps, samples=samples, seed=seed)
        c = known[layers]
        trial.set_user_attr("candidate", asdict(c))
        done.append(c)
        if progress is not None:
            progress(len(done), trials, c)
        return c.accuracy, c.cost(cost)

    if len(done) < trials:
        study.optimize(objective, n_trials=trials - len(done))
    return Found(tuple(done), cost, budget)


def _check(
    net: Network, data: Dataset, budget: float, cost: str, weight_bits: Sequence[int], state_bits: Sequence[int],
    trials: int, samples: int,
) -> None:  # fmt: skip
    if cost not in ("bits", "synops"):
        raise BadInput(f"cost must be 'bits' or 'synops', not {cost!r}")
    if not (math.isfinite(budget) and budget > 0):
        raise BadInput(f"a budget must be a positive number of {cost}, not {budget!r}")
    for what, given in (("weight", weight_bits), ("state", state_bits)):
        if (
            not given
            or not all(isinstance(b, int) and 1 <= b <= 8 for b in given)
            or len(set(given)) < len(given)
        ):
            raise BadInput(f"{what} bits must be different integers in 1..8, not {list(given)}")
    for what, value in (("trials", trials), ("samples", samples)):
        if value < 1:
            raise BadInput(f"{what} must be at least 1, not {value}")
    if not len(data.validation):
        raise BadInput("a search needs validation samples, which choose; load the data with validation=0.1")
    if any(g.weight is not None or g.state is not None for g in net.layers):
        raise BadInput("a search starts from a network in full precision, and this one is quantized")


def _equal(weight_bits: Sequence[int], state_bits: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of equal bits in all layers, then the corners."""
    both = sorted(set(weight_bits) & set(state_bits), reverse=True)
    corners = [
        (w, u) for w in (max(weight_bits), min(weight_bits)) for u in (max(state_bits), min(state_bits))
    ]
    return list(dict.fromkeys([*((b, b) for b in both), *corners]))


def _fingerprint(net: Network) -> str:
    made = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        made.update(name.encode())
        made.update(np.ascontiguousarray(tensor.detach().numpy()).tobytes())
    return made.hexdigest()[:16]


def _storage(optuna: Any, journal: Path) -> Any:
    journal.parent.mkdir(parents=True, exist_ok=True)
    backend = optuna.storages.journal.JournalFileBackend(str(journal))
    return optuna.storages.JournalStorage(backend)


def _candidate(kept: Mapping[str, Any]) -> Candidate:
    layers = tuple(LayerBits(**x) for x in kept["layers"])
    return Candidate(layers, kept["accuracy"], kept["bits"], kept["synops"])
