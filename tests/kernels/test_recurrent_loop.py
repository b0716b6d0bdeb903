"""Loops of neurons that read themselves: equal to the oracle in every spike and code, and in gradients to rounding."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from intspike import kernels
from intspike.kernels import oracle
from intspike.native import compiler
from intspike.neuron import IF, ILIF, LIF, AdaptiveLIF, CubaLIF, Neuron
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, Form, Shift, Table, Triangle, Uniform, trace

needs_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C compiler")
AFTER, BEFORE = Table(3, 2), Table(3, 1, "before reset")
FRACTIONS = {
    AFTER: [-0.75, -0.25, 0, 0.2, 0.4, 0.6, 0.8, 0.95],
    BEFORE: [-0.5, 0, 0.25, 0.5, 0.75, 1, 1.5, 2.5],
}
CASES: list[tuple[Neuron, Form]] = [
    (LIF(), Form(AFTER)),
    (LIF(reset_order="after leak", refractory=2), Form(AFTER, Carry("nearest"), "ends")),
    (LIF(reset="zero", refractory=1, compare=">"), Form(BEFORE)),
    (ILIF(), Form(Uniform(8, -80, stores="before reset"))),
    (IF(spikes=2), Form(Uniform(12, -2048), Shift(), "saturated")),
    (CubaLIF(), Form(BEFORE)),
    (CubaLIF(reads="last current", beta=None), Form(Uniform(9, -256, "wrap", "before reset"), Dyadic(8))),
    (AdaptiveLIF(alpha=0.5), Form(Uniform(8, -80, stores="before reset"))),
    (LIF(), Form()),
    (CubaLIF(refractory=1), Form()),
    (AdaptiveLIF(), Form()),
]
CHANNELS = 5


def numbers(neuron: Neuron, form: Form, rng: np.random.Generator) -> dict[str, torch.Tensor]:
    theta = rng.integers(300, 600, CHANNELS)
    beta = np.full(CHANNELS, 0.75)
    if form.codec is None:
        real = torch.from_numpy(theta / 512).float()
        known = {"theta": real, "reset": real, "beta": 0 * real + 0.75}
        return known | {"alpha": 0 * real + 0.5, "rho": 0 * real + 0.75, "jump": real / 4}
    given = {"fractions": FRACTIONS[form.codec]} if isinstance(form.codec, Table) else {}
    if not given:
        reach = theta * (neuron.multiples[-1] + 1) / form.codec.high
        given = {"shift": np.ceil(np.log2(np.maximum(reach, 1))).astype(int)}
    gain, bias = np.array([2, 1, 4, 2, 1]), rng.integers(-50, 80, CHANNELS)
    made = constants(neuron, form, gain=gain, bias=bias, theta=theta, beta=beta, **given)
    tensors = {p: torch.from_numpy(a).float() for p, a in made.items()}
    return tensors | {"beta": torch.full((CHANNELS,), 0.75), "alpha": torch.full((CHANNELS,), 0.5)} | {
        "rho": torch.full((CHANNELS,), 0.9)
    }  # fmt: skip


@needs_compiler
@pytest.mark.parametrize("delay", [1, 3])
@pytest.mark.parametrize(("neuron", "form"), CASES, ids=lambda x: type(x).__name__)
def test_the_loop_is_the_oracle(neuron: Neuron, form: Form, delay: int):
    rng = np.random.default_rng(3)
    neuron = type(neuron)(**{**vars(neuron), "surrogate": Triangle(0.8)})
    body, made, scale = trace(neuron, form), numbers(neuron, form, rng), 512 if form.codec is None else 1
    takes = [p for p in ("theta", "reset", "beta", "alpha", "rho", "jump", "bias") if p in made]
    for timesteps, static in ((1, False), (7, True), (10, False)):
        x = torch.from_numpy(rng.integers(-100, 300, (1 if static else timesteps, 9, CHANNELS)) / scale)
        weight = torch.from_numpy(rng.integers(-60, 90, (CHANNELS, CHANNELS)) / scale)
        given = torch.from_numpy(rng.normal(size=(timesteps, 9, CHANNELS)))
        found = []
        for kind, by_oracle in ((torch.float64, True), (torch.float32, True), (torch.float32, False)):
            values = (x, weight, *(made[p] for p in takes))
            leaves = [t.detach().clone().to(kind).requires_grad_() for t in values]
            at = {p: t.to(kind) for p, t in (made | dict(zip(takes, leaves[2:], strict=True))).items()}
            if by_oracle:
                back = partial(F.linear, weight=leaves[1])
                spikes, codes = oracle.run(body, leaves[0], at, timesteps, back=back, delay=delay)
            else:
                spikes, codes = kernels.recurrent.run(body, leaves[0], at, timesteps, leaves[1], delay)
            (spikes * given.to(kind)).sum().backward()
            grads = [torch.zeros_like(t) if t.grad is None else t.grad for t in leaves]
            found.append((spikes, codes, grads))
        (_, _, exact), (spikes, codes, _), (got, kept, grads) = found
        assert torch.equal(got, spikes)
        for a, b in zip(kept, codes, strict=True):
            assert torch.equal(a.float(), b)
        size = max(1e-9, float(exact[0].abs().sum()), float(exact[1].abs().max()))
        for a, b in zip(grads, exact, strict=True):
            assert float((a.double() - b).abs().max()) <= 1e-5 * size
    assert spikes.any()


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_threads_and_batch_splits_change_no_bit(threads: int):
    neuron, form = AdaptiveLIF(alpha=0.5), Form(Uniform(8, -80, stores="before reset"))
    body, rng = trace(neuron, form), np.random.default_rng(0)
    made = numbers(neuron, form, rng)
    x = torch.from_numpy(rng.integers(-100, 300, (12, 10, CHANNELS))).float()
    weight = torch.from_numpy(rng.integers(-60, 90, (CHANNELS, CHANNELS))).float()
    whole = kernels.recurrent.run(body, x, made, 12, weight, 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        parts = [kernels.recurrent.run(body, part, made, 12, weight, 1) for part in x.split([3, 7], 1)]
    finally:
        torch.set_num_threads(before)
    assert torch.equal(torch.cat([p[0] for p in parts], 1), whole[0])
    for j, codes in enumerate(whole[1]):
        assert torch.equal(torch.cat([p[1][j] for p in parts], 1), codes)


def test_without_a_compiler_it_is_the_oracle(monkeypatch: pytest.MonkeyPatch):
    from intspike.kernels import recurrent

    monkeypatch.setattr(recurrent, "is_compiled", lambda body: False)
    neuron, form = LIF(), Form(AFTER)
    made, x = numbers(neuron, form, np.random.default_rng(0)), torch.full((3, 2, CHANNELS), 200.0)
    spikes, _ = recurrent.run(trace(neuron, form), x, made, 3, torch.eye(CHANNELS), 1)
    assert spikes.any()
