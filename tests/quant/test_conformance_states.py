"""What every state quantizer promises, by the definition, for all that `intspike.quant` names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from intspike import nn
from intspike.ir import Edge, frozen
from intspike.ir import Neuron as Node
from intspike.measure.codes import stuck_codes
from intspike.neuron import LIF
from intspike.neuron.constants import table_levels
from intspike.nn.integers import neuron_integers
from intspike.ops import Body, step_one, trace
from intspike.quant import (
    LearnedLevels,
    StateQuantizer,
    ThresholdCentred,
    form_of,
)
from quant.found import label, states

STATES = states()
# neither the gradient nor the decay changes what is stored
STORING = [s for s in STATES if s.gradient == "pass" and s.decay == "guaranteed"]


@dataclass(frozen=True)
class Stored:
    """A LIF neuron whose state is quantized so, with gain 1 and bias 0: what one timestep from rest stores."""

    body: Body
    row: dict[str, Any]
    node: Node

    def __call__(self, x: int) -> tuple[int, int, int]:
        """Code, spike and stored membrane of a wide sum x, by the definition in Python integers."""
        step = step_one(self.body, x, {"u": self.body.codec("u").rest}, 0, self.row)
        return step.codes["u"], step.spike, step.membranes["u"]


def stored(state: StateQuantizer, theta_lsb: int, compare: Any = ">=") -> Stored:
    module = nn.Neuron(LIF(beta=0.8, compare=compare), state)
    module.build(1)
    form = form_of(state, None)
    unit = torch.full((1,), 1 / theta_lsb, dtype=torch.float64)
    _, made, _ = neuron_integers("lif", module, form, unit, 0 * unit)
    assert made["gain"].tolist() == [1]
    body = trace(module.equation, form)
    node = Node("lif", Edge("x"), body, {k: frozen(a) for k, a in made.items()})
    return Stored(body, {k: a[0].tolist() for k, a in made.items()}, node)


@pytest.mark.parametrize("state", STORING, ids=label)
def test_what_a_state_stores(state: StateQuantizer):
    """theta decides, rest stays, order is kept, a stored level is stored as itself."""
    assert state.bits in state.WIDTHS
    for k, sign in ((0, ">="), (1, ">")):
        theta = (1 << state.resolution) + 37 * k
        q = stored(state, theta, sign)
        theta, strict = q.row["theta"], k
        if "u.levels" in q.row:
            marks = [*q.row["u.levels"][:300], *q.row["u.boundaries"][:300]]
        else:
            marks = [int(x) for x in np.linspace(-2 * theta, 4 * theta, 40)]
        near = [m + d for m in (0, theta, 2 * theta, *marks) for d in (-1, 0, 1)]
        xs = sorted({*near, -(10**6), 10**6, *range(-2 * theta, 4 * theta, max(1, theta // 30))})
        assert q(0)[::2] == (state.codec.rest, 0)
        if getattr(state, "overflow", "") == "wrap":
            continue  # what wraps keeps none of the rest
        levels = [q(x) for x in xs]
        for x, (_, spike, level) in zip(xs, levels, strict=True):
            assert spike == (x >= theta + strict)
            kept = state.stores == "after reset"  # the spike is stored itself, and level counts the reset
            assert level >= theta + (not kept) * strict if spike else level < theta + strict
            if state.stores == "before reset" or x < theta + strict:
                assert q(level)[2] == level
        below = [level for x, (*_, level) in zip(xs, levels, strict=True) if x < theta + strict]
        above = [level for x, (*_, level) in zip(xs, levels, strict=True) if x >= theta + strict]
        for side in (below, above):
            assert side == sorted(side)
        assert below[-1] <= above[0]
        assert len({code for code, *_ in levels}) <= 1 << state.bits


@pytest.mark.parametrize("state", [s for s in STATES if s.bits <= 5 and s.gradient == "pass"], ids=label)
def test_stuck_codes_are_reported(state: StateQuantizer):
    """Those that a timestep without current keeps, by the definition; guaranteed decay has none."""
    q = stored(state, (1 << state.resolution) + 5)
    codec, stuck = state.codec, {}
    high = min(codec.high, q.row.get("u.high", codec.high))
    for code in range(codec.low, high + 1):
        value = q.row["u.levels"][code] if "u.levels" in q.row else code << q.row["u.shift"]
        spike = int(state.stores == "before reset" and value >= q.row["theta"])
        if code != codec.rest and step_one(q.body, 0, {"u": code}, spike, q.row).codes["u"] == code:
            stuck[code] = 1
    assert stuck_codes(q.node) == stuck
    if state.decay == "guaranteed" and getattr(state, "overflow", "") != "wrap":
        assert not stuck


@pytest.mark.parametrize("state", STORING, ids=label)
def test_levels_and_boundaries_for_drawing(state: StateQuantizer):
    """In thresholds: they separate each other, hold rest, and theta where the code decides the spike."""
    levels, edges = state.fractions, state.boundaries
    assert len(levels) == len(edges) + 1 <= 1 << state.bits
    assert all(a < e <= b for a, e, b in zip(levels[:-1], edges, levels[1:], strict=True))
    assert 0 in levels
    if getattr(state, "overflow", "") != "wrap":
        assert (1.0 in edges) == (state.stores == "before reset")
        u = torch.tensor(levels, dtype=torch.float32)
        if len(u) < 1000:
            assert torch.allclose(state.quantize(u), u, rtol=1e-6, atol=1e-7)


# --- learned levels -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stores", ["after reset", "before reset"])
@pytest.mark.parametrize("bits", range(1, 9))
def test_learned_levels_start_where_they_say_and_cannot_lose_their_order(bits, stores):
    state = LearnedLevels(bits, stores)
    kept = state.start(5)
    template = torch.tensor([ThresholdCentred(bits, stores).fractions]).double()
    assert (state.levels_of(kept) - template).abs().max() < 3e-4
    random = torch.Generator().manual_seed(bits)
    rest, below = state.codec.rest, sum(f < 1 for f in state.fractions)
    for size in (0.1, 3.0, 30.0):
        levels = state.levels_of({"gaps": torch.randn(kept["gaps"].shape, generator=random) * size})
        apart = levels.diff(dim=1)
        apart[:, below - 1 : below] = 1  # the threshold lies between
        assert (apart >= 2.0 ** -(bits + 4) * (1 - 1e-9)).all()
        assert (levels[:, below - 1] <= 1 - 2.0 ** -(bits + 4) * (1 - 1e-9)).all()
        assert (levels[:, rest] == 0).all()
        assert ((levels < 1).sum(1) == below).all()
        table_levels(
            LIF(), state.codec, np.full(5, 1 << state.resolution), levels.numpy()
        )  # distinct integers


def test_the_gradient_of_the_gaps_is_the_one_of_finite_differences():
    """That of the levels themselves is tested with the kernels, tests/kernels/test_fused.py."""
    state = LearnedLevels(2)
    gaps = state.start(1)["gaps"].double().requires_grad_()
    (slope,) = torch.autograd.grad(state.levels_of({"gaps": gaps})[0, 3], gaps)
    for j in range(4):
        moved = gaps.detach().clone()
        moved[0, j] += 1e-6
        change = state.levels_of({"gaps": moved}) - state.levels_of({"gaps": gaps.detach()})
        assert float(slope[0, j]) == pytest.approx(float(change[0, 3]) / 1e-6, abs=1e-5)
