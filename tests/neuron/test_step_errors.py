"""What a step may not do is one clear error; what it may is the same body however it is written."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from intspike import nn
from intspike.errors import BadProgram
from intspike.lower import lower, verify
from intspike.neuron import Neuron
from intspike.neuron.constants import constants
from intspike.ops import Form, Table, trace
from intspike.quant import QuantConfig, ThresholdCentred, Uniform

INTEGERS, REAL = Form(Table(3, 2)), Form()
Step = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True)
class Own(Neuron):
    """A neuron whose step is a function of ops, state and current."""

    function: Step = field(default=lambda ops, state, current: None, hash=True)
    beta: float | None = 0.75

    def step(self, ops: Any, state: Any, current: Any) -> Any:
        return self.function(ops, state, current)


def fired(f: Callable[[Any, Any], Any]) -> Step:
    """A step that stores a function of the membrane that was reset, and ops, plus the current."""
    return lambda ops, state, current: ops.fire("u", f(ops.reset(state["u"], ops.prev()), ops) + current)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda ops, state, c: ops.fire("u", state["v"] + c), "the states that its neuron has, u, not 'v'"),
        (lambda ops, state, c: ops.fire("v", c), "the states that its neuron has, u, not 'v'"),
        (lambda ops, state, c: ops.store("v", c), "the states that its neuron has, u, not 'v'"),
        (lambda ops, state, c: ops.fire("u", ops.leak(c, "i")), "the states that its neuron has, u, not 'i'"),
        (fired(lambda u, ops: u / 2), r"not divide a value; x >> n divides by 2\^n"),
        (fired(lambda u, ops: u // 2), "not divide a value"),
        (fired(lambda u, ops: u % 2), "not divide a value"),
        (fired(lambda u, ops: 1 / u), "not divide by a value"),
        (fired(lambda u, ops: 3 // u), "not divide a value"),
        (fired(lambda u, ops: u * 0.5), r"must be whole, because codes are integers, not 0\.5; .*ops\.leak"),
        (fired(lambda u, ops: 0.9 * u), r"must be whole, .*not 0\.9"),
        (fired(lambda u, ops: u + math.inf), "must be whole, .*not inf"),
        (fired(lambda u, ops: u + math.nan), "must be whole, .*not nan"),
        (fired(lambda u, ops: u.max(0.1)), r"must be whole, .*not 0\.1"),
        (fired(lambda u, ops: ops.select(u > 0.5, u, 0)), r"must be whole, .*not 0\.5"),
        (fired(lambda u, ops: u**2), r"\*\*, @ or round\(\) on a value; a step may use"),
        (fired(lambda u, ops: u << 1), r"write x \* 4"),
        (fired(lambda u, ops: u >> -1), r"must shift by 0\.\.31, not -1"),
        (fired(lambda u, ops: u >> 32), r"must shift by 0\.\.31, not 32"),
        (fired(lambda u, ops: u >> 0.5), "must be whole"),
        (fired(lambda u, ops: (u > 0) & (u >= 0)), r"&, \|, \^ or ~ on a value; .*a \* b says both"),
        (fired(lambda u, ops: ~(u > 0)), "or ~ on a value"),
        (fired(lambda u, ops: ops.select(u == 0, u, 0)), "== or != on a value"),
        (fired(lambda u, ops: u if u > 0 else 0), "must not branch on a value"),
        (fired(lambda u, ops: u if 0 < u < 3 else 0), "must not branch on a value"),
        (fired(lambda u, ops: min(u, 0)), "must not branch on a value"),
        (fired(lambda u, ops: math.exp(u)), "ask what a value is"),
        (fired(lambda u, ops: int(u)), "ask what a value is"),
        (fired(lambda u, ops: u[0]), "ask what a value is"),
        (fired(lambda u, ops: sum(u)), "ask what a value is"),
        (fired(lambda u, ops: {u: 1}), "ask what a value is"),
        (fired(lambda u, ops: u.clamp(0)), r"a value in a step has no 'clamp'; a step may use .*x\.max\(y\)"),
        (fired(lambda u, ops: ops.exp(u)), "ops has no 'exp'; known: cut, fire, leak"),
        (fired(lambda u, ops: ops.selct(u > 0, u, 0)), "ops has no 'selct'; did you mean 'select'"),
        (fired(lambda u, ops: np.exp(u)), r"must not call numpy\.exp"),
        (fired(lambda u, ops: torch.relu(u)), "must not use tensors, as in relu"),  # type: ignore[arg-type]
        (fired(lambda u, ops: u * torch.tensor(2.0)), "with values and numbers, not tensor"),
        (fired(lambda u, ops: u + None), "with values and numbers, not None of NoneType"),
        (fired(lambda u, ops: u + "1"), "with values and numbers, not '1' of str"),
        (fired(lambda u, ops: ops.select(True, u, 0)), "must be asked with a value, such as u > 0, not True"),
        (lambda ops, state, c: None, "must return the output, what ops.fire returns, not None"),
        (lambda ops, state, c: (ops.fire("u", c), c), "must return the output"),
    ],
)
@pytest.mark.parametrize("form", [INTEGERS, REAL])
def test_a_misuse_is_named_with_what_to_write(step: Step, words: str, form: Form):
    with pytest.raises(BadProgram, match=words):
        trace(Own(function=step), form)


@pytest.mark.parametrize(
    ("f", "words"),
    [
        (lambda u, ops: u + 1, "add to it 0 alone, not 1"),
        (lambda u, ops: 1 - u, "subtract from it 0 alone, not 1"),
        (lambda u, ops: ops.leak(u).max(-2), "bound it by 0 alone, not -2"),
        (lambda u, ops: ops.select(u >= 1.0, u, 0), "compare it with 0 alone, not 1"),
        (lambda u, ops: ops.select(u < 1, u, 0), "compare it with 0 alone, not 1"),
        (lambda u, ops: ops.select(u > 0, 3, u), "choose beside it 0 alone, not 3"),
        (lambda u, ops: u + ops.parameter("theta") + 1, "add to it 0 alone"),
        (lambda u, ops: u * u, "must not multiply a potential by a potential"),
        (
            lambda u, ops: ops.select(u < 0, u * ops.parameter("theta"), 0),
            "one factor must be a number, a spike",
        ),
    ],
)
def test_a_number_has_no_unit_beside_a_potential(f: Callable[[Any, Any], Any], words: str):
    """An LSB in integers is no threshold in full precision: who builds a network learns of it; integers alone may."""
    with pytest.raises(BadProgram, match=words):
        nn.Network(torch.nn.Sequential(torch.nn.Linear(2, 2), nn.Neuron(Own(function=fired(f)))))
    trace(Own(function=fired(f)), INTEGERS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda u, ops: 2 * u, lambda u, ops: u * 2),
        (lambda u, ops: abs(u), lambda u, ops: u.max(-u)),
        (lambda u, ops: -u, lambda u, ops: 0 - u),
        (lambda u, ops: 0 + u, lambda u, ops: u + 0),
        (lambda u, ops: ops.select(u < 0, u, 0), lambda u, ops: ops.select(0 > u, u, 0)),  # noqa: SIM300
        (lambda u, ops: ops.select(u <= 0, 0, u), lambda u, ops: ops.select(0 >= u, 0, u)),  # noqa: SIM300
        (lambda u, ops: u * np.int64(2), lambda u, ops: u * 2.0),
    ],
)
@pytest.mark.parametrize("form", [INTEGERS, REAL])
def test_one_body_however_it_is_written(one: Any, other: Any, form: Form):
    a, b = (trace(Own(function=fired(f)), form) for f in (one, other))
    assert a == b


def test_a_step_keeps_nothing_between_calls():
    kept: list[Any] = []

    def step(ops: Any, state: Any, current: Any) -> Any:
        kept.append(current)
        return ops.fire("u", state["u"] + kept[0])

    trace(Own(function=step), REAL)
    with pytest.raises(BadProgram, match="not those of another call"):
        trace(Own(function=step), INTEGERS)


@pytest.mark.parametrize(
    ("f", "fields", "words"),
    [
        (lambda u, ops: u + ops.parameter("tau"), {}, "parameters .*theta, .*not 'tau': .*extending.md"),
        (lambda u, ops: ops.leak(u), {"beta": None}, "must have that leak: a field beta"),
    ],
)
def test_a_constant_without_integers_and_a_leak_that_is_not_there_are_named(f: Any, fields: Any, words: str):
    neuron = Own(function=fired(f), **fields)
    with pytest.raises(BadProgram, match=words):
        nn.Network(torch.nn.Sequential(torch.nn.Linear(2, 2), nn.Neuron(neuron)))
    one, levels = np.array([1]), [-0.5, -0.25, 0.0, 0.2, 0.4, 0.6, 0.8, 0.9]
    beta = None if fields else np.array([0.5])
    with pytest.raises(BadProgram, match=words):
        constants(neuron, INTEGERS, gain=one, bias=0 * one, theta=160 * one, beta=beta, fractions=levels)


@pytest.mark.parametrize(
    ("f", "real"),
    [(lambda u, ops: u >> 1, lambda u: u / 2), (lambda u, ops: u - (abs(u) >> 2), lambda u: u - u.abs() / 4)],
)
def test_shifts_and_magnitudes_reach_programs_and_divide_in_full_precision(f: Any, real: Any):
    torch.manual_seed(0)
    dense = torch.nn.Linear(5, 6, bias=False)
    net = nn.Network(torch.nn.Sequential(nn.Input(1.0, 3), dense, nn.Neuron(Own(function=fired(f)))))
    frames = torch.randint(0, 4, (9, 3, 5), generator=torch.Generator().manual_seed(1))
    seen, u, s = net(frames), torch.zeros(3, 6), torch.zeros(3, 6)
    for t in range(9):
        u = real(u - s) + dense(frames[t].float())
        s = (u >= 1).float()
        assert (seen[t] == s).all()
    assert seen.any()
    assert not seen.all()
    seen.sum().backward()
    assert dense.weight.grad is not None
    assert dense.weight.grad.any()
    coded = nn.quantize(net, QuantConfig(Uniform(4), ThresholdCentred(3))).eval()
    program = lower(coded, input_shape=(5,))
    assert all(c.mismatches == 0 for c in verify(coded, program, frames.numpy(), timesteps=9, samples=3))
