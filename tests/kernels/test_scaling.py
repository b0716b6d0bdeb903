"""Gradients know that only ratios matter: scaling currents, thresholds and resets alike changes no spike."""

import pytest
import torch

from intspike.kernels import oracle
from intspike.neuron import IF, LIF
from intspike.ops import Form, trace


@pytest.mark.parametrize(
    "neuron",
    [LIF(), LIF(reset_order="after leak", compare=">"), LIF(spikes=2), IF(refractory=1), LIF(reset="zero")],
)
def test_the_derivative_along_a_common_scale_is_zero(neuron):
    random = torch.Generator().manual_seed(0)
    body = trace(neuron, Form())
    parameters = {
        p: (torch.rand(5, dtype=torch.float64, generator=random) * 0.3 + 0.7).requires_grad_()
        for p in body.parameters
    }
    if "theta.2" in parameters:
        parameters["theta.2"] = (2 * parameters["theta"].detach()).requires_grad_()
    current = torch.randn(7, 3, 5, 4, dtype=torch.float64, generator=random).requires_grad_()
    spikes, _ = oracle.run(body, current, parameters, 7)
    (spikes * torch.randn(spikes.shape, dtype=torch.float64, generator=random)).sum().backward()
    along = (current.detach() * current.grad).sum((0, 1, 3))
    scale = along.abs().max()
    for name, p in parameters.items():
        if name != "beta" and p.grad is not None:
            along = along + p.detach() * p.grad
    assert float(along.abs().max()) < 1e-12 * float(scale)
