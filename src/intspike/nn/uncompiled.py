"""A group by torch's own ops, for everything; `compiled.run` does the same in compiled kernels where it covers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from .. import kernels
from ..errors import BadInput
from ..kernels import oracle
from ..ops import Body, Form, trace
from .affine import affine, batch_moments, normed
from .frozen import integers
from .group import Group
from .integers import neuron_integers, real_current_numbers
from .shifts import Shifts, constant, is_uniform
from .sums import constant_map, folded, pooled, synapse, total, unfolded


def run(
    group: Group,
    inputs: list[Tensor],
    scale: float,
    most: float,
    timesteps: int,
    shifts: Shifts | None = None,
    substeps: Sequence[int] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Spikes [T, B, C, ...] and stored codes (in full precision, membranes) of each state, by torch's own ops.

    `compiled.run` does the same in compiled kernels where it covers the group.

    Args:
        inputs: of each synapse, [T or 1, B, ...]; integer codes where the group is quantized.
        scale, most: real value of one input code, and the largest.
        shifts: what each input is moved by, in its own unit; None: nothing.
        substeps: of integers in evaluation, how many frames of each input make a timestep; None: one.
    """
    equation = group.neuron.equation
    if group.state is None:
        body, compared = trace(equation, Form()), group.neuron.comparison
        if group.weight is not None and group.delay:
            raise BadInput(
                f"{group.name}: a recurrent layer is quantized in weights and states or in neither, but only its "
                "weights are; give QuantConfig(state=...)"
            )
        current, own = currents(group, inputs, shifts), group.own_shift()
        if own is not None:
            current = current + own.reshape(-1, *(1,) * (current.ndim - 3))
        weights = [m.weight for m in group.modules_of_synapses]
        if compared is None:
            return _over_time(group, body, current, group.reals(), timesteps, weights)
        theta = equation.theta * equation.first
        return oracle.run(
            body, current, group.reals(), timesteps, store=lambda u: compared.store(u, theta),
            back=_back(group, weights), delay=group.delay,
        )  # fmt: skip
    if group.weight is None and group.delay:
        raise BadInput(
            f"{group.name}: a recurrent layer is quantized in weights and states or in neither, but only its states "
            "are; give QuantConfig(weight=...)"
        )
    if group.weight is None:
        return _real_currents(group, inputs, timesteps, shifts)
    body = trace(equation, group.form)
    if not group.training:
        made = integers(group, scale, most, shifts)
        kind = torch.get_default_dtype()
        codes = [torch.from_numpy(c).to(kind) for c in made.codes]
        tensors = {name: torch.from_numpy(a).to(kind) for name, a in made.constants.items()}
        tensors |= group.neuron.leaks
        sign = torch.from_numpy(made.constants["gain"])
        sums = _moved(group, total(group.modules_of_synapses, inputs, codes, substeps), inputs, codes, shifts)
        sums = pooled(group.pool, sums, group.flip(sign)).round()  # exact already; a guard
        return _over_time(group, body, sums, tensors, timesteps, codes)
    sign, batch_statistics = group.sign(), group.batch_statistics
    codes, step = group.coded(follow=True)
    sums = _moved(group, total(group.modules_of_synapses, inputs, codes), inputs, codes, shifts)
    lacking = constant(group.modules_of_synapses, codes, shifts)
    if group.order == "norm first" and batch_statistics:
        gain, offset = affine(group, batch_moments(group, sums), scale, step, lacking)
        sums = pooled(group.pool, sums, group.flip(sign))
    else:
        sums = pooled(group.pool, sums, group.flip(sign))
        found = batch_moments(group, sums) if batch_statistics else None
        gain, offset = affine(group, found, scale, step, lacking)
    tensors, _, _ = neuron_integers(group.name, group.neuron, group.form, gain, offset, group.bias)
    return _over_time(group, body, sums, tensors, timesteps, codes)


def _over_time(
    group: Group,
    body: Body,
    current: Tensor,
    tensors: Mapping[str, Tensor],
    timesteps: int,
    weights: Sequence[Tensor],
) -> tuple[Tensor, list[Tensor]]:
    """The neurons: in fused loops, or timestep by timestep where they read themselves through a convolution."""
    if not group.delay:
        return kernels.run(body, current, tensors, timesteps)
    if isinstance(group.modules_of_synapses[-1], torch.nn.Linear) and current.ndim == 3:
        return kernels.recurrent.run(body, current, tensors, timesteps, weights[-1], group.delay)
    return oracle.run(body, current, tensors, timesteps, back=_back(group, weights), delay=group.delay)


def _back(group: Group, weights: Sequence[Tensor]) -> Callable[[Tensor], Tensor] | None:
    """What spikes [B, C, ...] add to the current of a recurrent layer; None where nothing does."""
    if not group.delay:
        return None
    m, weight = group.modules_of_synapses[-1], weights[-1]
    return lambda spikes: synapse(m, spikes, weight).reshape(spikes.shape)


def _moved(
    group: Group, sums: Tensor, inputs: Sequence[Tensor], weights: Sequence[Tensor], shifts: Shifts | None
) -> Tensor:
    """Sums of shifted inputs, where what the shift adds differs between positions; else `affine` knows it."""
    if shifts is None or is_uniform(group.modules_of_synapses):
        return sums
    return sums + constant_map(
        group.modules_of_synapses, weights, shifts, [tuple(x.shape[2:]) for x in inputs]
    )


def _real_currents(
    group: Group, inputs: list[Tensor], timesteps: int, shifts: Shifts | None
) -> tuple[Tensor, list[Tensor]]:
    """Quantized states and real weights: real currents meet integer boundaries. It has no integer program."""
    body, current = trace(group.neuron.equation, group.form), currents(group, inputs, shifts)
    gain, offset = (
        torch.ones(group.channels, dtype=torch.float64),
        torch.zeros(group.channels, dtype=torch.float64),
    )
    tensors, _ = real_current_numbers(group.name, group.neuron, group.form, gain, offset)
    return oracle.run(body, current, {p: t.to(current.dtype) for p, t in tensors.items()}, timesteps)


def currents(group: Group, inputs: list[Tensor], shifts: Shifts | None = None) -> Tensor:
    """Currents in full precision (of states; weights may be quantized), of inputs moved by their shifts."""
    weights = [m.weight for m in group.modules_of_synapses]
    if group.weight is not None:
        codes, step = group.coded(follow=group.training)
        weights = [c * step.reshape(-1, *(1,) * (c.ndim - 1)) for c in codes]
    made, pool, norm = total(group.modules_of_synapses, inputs, weights), group.pool, group.norm
    if shifts is not None:
        made = made + constant_map(
            group.modules_of_synapses, weights, shifts, [tuple(x.shape[2:]) for x in inputs]
        )
    for m in group.modules_of_synapses:
        if m.bias is not None:
            made = made + m.bias.reshape(-1, *(1,) * (made.ndim - 3))
    for stage in [pool, norm] if group.order == "pool first" else [norm, pool]:
        if stage is norm and norm is not None:
            made = normed(group, norm, made)
        elif stage is not None:
            made = unfolded(stage(folded(made)), made)
    return made
