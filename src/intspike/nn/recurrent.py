"""A layer of neurons that reads itself: what it sent some timesteps ago, through a synapse of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import BadInput, NotLowerable
from .neuron import Neuron
from .parts import Synapse

MOST_DELAY = 1024  # timesteps, of a program's edge


class Recurrent(torch.nn.Module):
    """A layer of recurrent neurons: I[t] = the layer's current + back(s[t - delay]), and the neuron fires.

    It stands where a neuron stands, behind a synapse:

        torch.nn.Sequential(nn.Input(), torch.nn.Linear(8, 50), nn.Recurrent(nn.LIF(), torch.nn.Linear(50, 50)), ...)

    Both synapses share one weight scale per channel, and the layer reads spikes or counts of scale 1, so that the sum
    is one integer; in a program the feedback is a delay edge. It has neither norm nor pool. Delays start empty. With a
    Linear feedback it runs in generated loops, as many timesteps at once as the delay; through a convolution one by one
    in the ops of torch.

    Args:
        neuron: a layer of neurons.
        back: a Linear or Conv2d that maps what the layer sends to the shape of its current.
        delay: timesteps, from 1 up.
    """

    def __init__(self, neuron: Neuron, back: Synapse, delay: int = 1):
        super().__init__()
        if not isinstance(neuron, Neuron):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(
                f"a recurrent layer needs a layer of neurons such as nn.LIF(), not {type(neuron).__name__}"
            )
        if not isinstance(back, Synapse):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(
                f"the feedback of a recurrent layer must be a Linear or Conv2d, not {type(back).__name__}"
            )
        if not isinstance(delay, int) or not 1 <= delay <= MOST_DELAY:  # pyright: ignore[reportUnnecessaryIsInstance]
            raise BadInput(
                f"the delay of a recurrent layer must be in 1..{MOST_DELAY} timesteps, not {delay!r}: what it sends "
                "now cannot be read now"
            )
        self.neuron, self.back, self.delay = neuron, back, delay

    def forward(self, current: Tensor) -> Tensor:
        return self.neuron(current)  # which says how neurons run

    def extra_repr(self) -> str:
        return f"delay={self.delay}"


def check_feedback(name: str, neuron: Neuron, back: Synapse, channels: int, plain: bool) -> None:
    """Refuse a feedback that the layer cannot have.

    Args:
        channels: of the layer.
        plain: whether its current comes without norm and pool.

    Raises:
        BadInput: which, and what it must be.
    """
    if not plain:
        raise BadInput(
            f"{name}: a recurrent layer reads its synapse without a norm or pool; put these behind another layer"
        )
    linear = isinstance(back, torch.nn.Linear)
    sizes = (back.in_features, back.out_features) if linear else (back.in_channels, back.out_channels)
    if sizes != (channels, channels):
        raise BadInput(
            f"{name}: the feedback must map {channels} channels to {channels}, as many as the layer has, not "
            f"{sizes[0]} to {sizes[1]}"
        )
    equation = neuron.equation
    if equation.has_shift or equation.unit_of_spike != 1:
        raise BadInput(
            f"{name}: a recurrent layer must send plain spikes, but {type(equation).__name__} shifts or scales them; "
            "use LIF or IF"
        )


def check_scale(name: str, scale: float) -> None:
    """Refuse an input whose codes are not of scale 1, as spikes are.

    Raises:
        NotLowerable: which layer, and the repair.
    """
    if scale != 1:
        raise NotLowerable(
            f"{name}: a recurrent layer must read values of scale 1, as the spikes that it sends itself are, not "
            f"{scale:g}; put a layer of neurons before it, or nn.Input(1)"
        )
