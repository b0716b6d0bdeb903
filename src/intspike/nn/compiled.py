"""A group on compiled kernels: one synapse, a max-pool behind it, a norm and the neuron, in bytes and channels last.

What it covers is decided by structure alone; everything else, and a machine without a compiler, runs `Group.forward`.
Both give the same integers.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from ..errors import BadProgram
from ..kernels import layer as layers
from ..kernels.frames import Frames
from ..native import compiler
from ..native.loops import adds_only
from ..native.synapse import ConvShape, DenseShape, Shape
from ..ops import Body, Form, backward, trace
from .affine import affine
from .frozen import integers
from .group import Group
from .integers import neuron_integers, real_current_numbers
from .parts import pair
from .shifts import Shifts, constant, is_uniform


def shape_of(group: Group, image: tuple[int, ...], most: int) -> Shape | None:
    """The synapse and the pool as kernels know them; None where they do not."""
    if len(group.modules_of_synapses) > 1 or most > 255:
        return None
    m, pool = group.modules_of_synapses[0], group.pool
    if m.weight.dtype != torch.float32 or m.weight.device.type != "cpu":
        return None
    if isinstance(m, torch.nn.Linear):
        return DenseShape(m.in_features, m.out_features, most) if pool is None else None
    plain = pair(m.dilation) == (1, 1) and m.groups == 1 and not isinstance(m.padding, str)
    if not plain or m.padding_mode != "zeros" or len(image) != 3:
        return None
    window = (1, 1)
    if pool is not None:
        window = pair(pool.kernel_size)
        square = window == pair(pool.stride) and window[0] == window[1] <= 15
        if not (isinstance(pool, torch.nn.MaxPool2d) and square):
            return None
        if group.order == "norm first" and (group.batch_statistics or not group.quantized):
            return None  # the norm must see the sums before the pool
    assert not isinstance(m.padding, str)
    return ConvShape(
        m.in_channels, image[1], image[2], m.out_channels, pair(m.kernel_size), pair(m.stride), pair(m.padding),
        window, most,
    )  # fmt: skip


def run(
    group: Group, x: Frames, scale: float, timesteps: int, shifts: Shifts | None = None
) -> tuple[Frames, list[Tensor]] | None:
    """The group's spikes and kept codes [T, B, ..., C] (in full precision, membranes); None where it is not covered.

    Args:
        x: what its synapse reads, as integer codes.
        scale: real value of one code.
        shifts: what the input is moved by, in codes; None: nothing.
    """
    if shifts is not None and not is_uniform(group.modules_of_synapses):
        return None  # the kernel's pool would have to see a map
    cc = compiler()
    shape = shape_of(group, x.image, x.most)
    body = trace(group.neuron.equation, Form() if group.state is None else group.form)
    if group.neuron.comparison is not None:
        return None
    if group.state is not None and group.weight is None and not adds_only(body):
        return None  # a shift of a real sum is not the shift of its floor
    if cc is None or shape is None or torch.get_default_dtype() != torch.float32 or not _has_gradients(body):
        return None
    layer = layers.Layer(x, shape, timesteps, cc)
    frozen = integers(group, scale, x.most, shifts) if group.quantized and not group.training else None
    step = None
    if frozen is not None:
        weight, sign = torch.from_numpy(frozen.codes[0]).float(), torch.from_numpy(frozen.constants["gain"])
    else:
        weight = group.modules_of_synapses[0].weight
        if group.weight is not None:
            (weight,), step = group.coded(follow=group.training)
        sign = group.sign()
    lacking = None if frozen is not None else constant(group.modules_of_synapses, [weight], shifts)
    flip = group.flip(sign).to(torch.int32).numpy()
    link, moments = layers.sums(
        layer, _channels_last(weight, x), flip, group.weight is not None, group.batch_statistics
    )
    if frozen is None:
        numbers, learned = _numbers(group, layer, moments, scale, step, lacking)
    else:
        leaks = {p: a.detach().numpy() for p, a in group.neuron.leaks.items()}
        numbers, learned = {**frozen.constants, **leaks}, {}
    return layers.spikes(layer, link, body, numbers, learned), layer.codes


def _numbers(
    group: Group,
    layer: layers.Layer,
    moments: Tensor,
    scale: float,
    step: Tensor | None,
    lacking: Tensor | None,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The neuron's parameters as numbers, and those that take gradients as tensors."""
    statistics = None
    if group.batch_statistics:
        statistics = group.statistics(moments, layer.sums.numel() // layer.channels)
    gain, offset = affine(group, statistics, scale, step, lacking)
    if group.quantized:
        tensors, made, _ = neuron_integers(group.name, group.neuron, group.form, gain, offset, group.bias)
        numbers: dict[str, Any] = dict(made)
        numbers |= {p: tensors[p].detach().numpy() for p in group.neuron.leaks}
        return numbers, {p: t for p, t in tensors.items() if t.requires_grad}
    if group.state is not None:
        tensors, made = real_current_numbers(group.name, group.neuron, group.form, gain, offset)
        numbers = dict(made) | {
            p: tensors[p].detach().float().numpy() for p in ("gain", "bias", *group.neuron.leaks)
        }
        return numbers, {p: t for p, t in tensors.items() if t.requires_grad}
    own = group.own_shift()
    tensors = group.reals() | {"gain": gain, "bias": offset if own is None else offset + own.double()}
    numbers = {p: t.detach().float().numpy() for p, t in tensors.items()}
    return numbers, {p: t for p, t in tensors.items() if t.requires_grad}


def _channels_last(weight: Tensor, x: Frames) -> Tensor:
    """Columns of a dense weight that reads a flattened image, in the order that the image is stored."""
    if weight.ndim != 2 or len(x.image) == 1:
        return weight
    return weight.reshape(len(weight), *x.image).movedim(1, -1).reshape(len(weight), -1)


@lru_cache(maxsize=256)
def _has_gradients(body: Body) -> bool:
    """Whether all derivatives follow from what is stored (in reals, a leak on the sum is not stored)."""
    try:
        backward(body)
    except BadProgram:
        return False
    return True
