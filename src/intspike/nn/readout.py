"""Readouts that never fire: a dense layer whose currents are summed over time, and the class is the largest sum."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import BadInput, RangeExceeded
from ..quant import QuantConfig, WeightQuantizer
from .checks import check_frame
from .integers import EXACT
from .kept import keep, kept, move


class Integrator(torch.nn.Module):
    """The end of a model without output spikes:  y[t] = y[t-1] + W s[t],  class = argmax y[T].

    It stands behind a Linear layer without bias. In a model's `forward` it maps currents [B, K] to themselves;
    `Network` gives it time and returns the currents of every timestep [T, B, K], which losses and accuracy add up.
    Lowered, it is an integrator node. Classes are compared in one unit, so the weights of all of them share one step.
    """

    def forward(self, current: Tensor) -> Tensor:
        return current


class Readout(torch.nn.Module):
    """A linear readout with its integrator, as a network holds it.

    Attributes:
        name: of the integrator; errors and programs use it.
        synapse_name, source: of the dense layer, and the value it reads.
        synapse: the dense layer.
        weight: quantizer; None is full precision.
    """

    def __init__(self, name: str, synapse_name: str, source: str, synapse: torch.nn.Linear):
        super().__init__()
        if synapse.bias is not None:
            raise BadInput(
                f"{name}: the dense layer of an integrator must have no bias, which would be added anew at every "
                "timestep; use Linear(..., bias=False)"
            )
        self.name, self.synapse_name, self.source, self.synapse = name, synapse_name, source, synapse
        self.weight: WeightQuantizer | None = None

    def quantize(self, config: QuantConfig) -> None:
        """Take the weight quantizer of a configuration; one step (or basis) serves all classes.

        Raises:
            BadInput: weights that are not finite.
        """
        self.weight = config.weight
        rows = self._rows().detach()
        if self.weight is not None and not torch.isfinite(rows).all():
            raise BadInput(f"{self.name}: weights must be finite, but some are NaN or infinite")
        if self.weight is None:
            keep(self, {}, ())
        else:
            keep(self, self.weight.start(rows), self.weight.learned)

    def _rows(self) -> Tensor:
        return self.synapse.weight.reshape(1, -1)

    def coded(self, follow: bool = False) -> tuple[Tensor, Tensor]:
        """Weight codes [K, N] and the real value of one [1], with straight-through gradients.

        Args:
            follow: this is a forward pass in training, which what the quantizer keeps may follow.
        """
        assert self.weight is not None
        rows, known = self._rows(), kept(self)
        made = self.weight.encode(rows, known)
        if follow:
            move(self, self.weight.follow(rows.detach(), known))
        return made.codes.reshape(self.synapse.weight.shape), made.step

    @torch.no_grad()
    def codes(self, most: float, shift: float = 0.0) -> NDArray[np.int64]:
        """Weight codes [K, N] as integers.

        Raises:
            RangeExceeded: the sum of a timestep could reach 2^24, where float32 stops being exact.
        """
        codes = self.coded()[0].numpy().astype(np.int64)
        largest = float(np.abs(codes).sum(1).max()) * (most + abs(shift))
        if largest >= EXACT:
            raise RangeExceeded(
                f"{self.name}: sums must stay below 2^24 = {EXACT} to be exact in float32, but could reach "
                f"{largest:.0f}; use fewer weight bits or fewer inputs"
            )
        return codes

    def forward(
        self, x: Tensor, scale: float | None, most: float, timesteps: int, shift: Tensor | None = None
    ) -> Tensor:
        """Currents [T, B, K]; of an integer network in evaluation, integers in units of weight step times input scale.

        Args:
            x: what the dense layer reads, [T or 1, B, ...].
            scale: real value of one code of x; None where x is real, because other layers are in full precision.
            most: the largest code.
            shift: what x is moved by, in its own unit; None: nothing.
        """
        check_frame(self.synapse_name, self.synapse, tuple(x.shape[2:]))
        flat = x.flatten(2) if shift is None else x.flatten(2) + shift.to(x.dtype)
        if self.weight is None:
            y = F.linear(flat, self.synapse.weight)
        elif self.training or scale is None:
            codes, step = self.coded(follow=self.training)
            y = F.linear(flat, codes) * (step * (scale or 1.0))
        else:
            y = F.linear(
                flat,
                torch.from_numpy(self.codes(most, 0.0 if shift is None else float(shift.detach()))).to(
                    flat.dtype
                ),
            ).round()  # exact already; a guard
        return y.expand(timesteps, *y.shape[1:])

    def extra_repr(self) -> str:
        mode = "full precision" if self.weight is None else "quantized"
        return f"{self.name}: {mode}, weight={self.weight}"


def shares_currents(value: Any) -> bool:
    """Whether a current can be integrated as it is: of one dense layer, without pool and norm."""
    return (
        len(value.synapses) == 1
        and isinstance(value.synapses[0][2], torch.nn.Linear)
        and value.pool is None
        and value.norm is None
    )
