"""A group: what lies between two spike values. Synapses whose currents add, a pool and a norm, one neuron.

In full precision it computes with reals. Quantized, it computes with integer-valued floats: weight codes, integer
sums, integer thresholds; scales are bookkeeping at the border and become integers once a forward, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from ..errors import BadInput
from ..neuron.constants import table_levels
from ..ops import Form, Table, trace
from ..ops.trace import threshold_name
from ..quant import QuantConfig, StateQuantizer, UniformState, WeightQuantizer, form_of
from .checks import check_frame
from .integers import Integers
from .kept import keep, kept, move
from .moments import statistics
from .neuron import Neuron
from .parts import Norm, Pool, Synapse


class Group(torch.nn.Module):
    """Synapses, a pool and a norm in either order, and a neuron.

    Attributes:
        name: of the neuron; errors and programs use it.
        synapse_names, sources: of each synapse, and the value it reads.
        order: whether the pool comes before the norm.
        delay: of a recurrent layer, whose last synapse reads what it sent itself so many timesteps ago; 0: none is.
        weight, state: quantizers; None is full precision.
        bias: bits of the neurons' integer biases; None is as many as they need, up to 25.

    Attributes of training on several devices:
        over_devices: the sum of a tensor over all of them, with gradients: batch statistics are those of the whole
            batch; None on one device.

    Attributes of evaluation:
        frozen: what its integers were made from, and those; see `frozen.integers`.

    What the weight quantizer keeps (a step, a basis) are parameters and buffers of the group, under its names. It is
    run by `compiled.run` or `uncompiled.run`.
    """

    def __init__(
        self,
        name: str,
        synapses: Sequence[tuple[str, str, Synapse]],
        pool: Pool | None,
        norm: Norm | None,
        order: Literal["pool first", "norm first"],
        neuron: Neuron,
        delay: int = 0,
    ):
        super().__init__()
        self.name, self.order, self.delay = name, order, delay
        self.synapse_names = tuple(n for n, _, _ in synapses)
        self.sources = tuple(s for _, s, _ in synapses[: len(synapses) - bool(delay)])
        self.synapses = torch.nn.ModuleList(m for _, _, m in synapses)
        self.pool, self.norm, self.neuron = pool, norm, neuron
        self.weight: WeightQuantizer | None = None
        self.bias: int | None = None
        self.over_devices: Callable[[Tensor], Tensor] | None = None
        neuron.build(self.channels)
        self.frozen: tuple[Any, Integers] | None = None

    @property
    def modules_of_synapses(self) -> list[Synapse]:
        return list(self.synapses)  # type: ignore[arg-type]

    @property
    def channels(self) -> int:
        m = self.modules_of_synapses[0]
        return m.out_channels if isinstance(m, torch.nn.Conv2d) else m.out_features

    @property
    def state(self) -> StateQuantizer | None:
        return self.neuron.state

    @property
    def quantized(self) -> bool:
        return self.weight is not None and self.state is not None

    def train(self, mode: bool = True) -> Group:
        self.frozen = None
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.frozen = None
        super()._load_from_state_dict(*args, **kwargs)

    # --- quantization -----------------------------------------------------------------------------------

    def quantize(self, config: QuantConfig) -> None:
        """Take quantizers from a configuration and search the weight steps.

        Raises:
            BadInput: weights that are not finite, or fields that have no meaning together.
        """
        self.frozen = None
        self.weight, self.bias = config.weight, config.bias
        if config.state is not None:
            self.neuron.store(config.state)
        self.neuron.leak = config.leak or self.neuron.leak
        known = self.neuron.equation.others
        self.neuron.others |= {s: q for s, q in config.others.items() if s in known}
        if self.weight is not None:
            rows = self._rows().detach()
            if not torch.isfinite(rows).all():
                bad = int((~torch.isfinite(rows)).sum())
                raise BadInput(
                    f"{self.name}: weights must be finite, but {bad} of {rows.numel()} are NaN or infinite"
                )
            keep(self, self.weight.start(rows), self.weight.learned)
        else:
            keep(self, {}, ())
        if self.state is not None:
            self._check_state(self.state)
        if self.bias is not None and not self.quantized:
            raise BadInput(
                f"{self.name}: a bias of {self.bias} bits is an integer beside quantized weights and states, but "
                f"{'weights' if self.weight is None else 'states'} are in full precision; quantize both, or bias=None"
            )

    def _check_state(self, state: StateQuantizer) -> None:
        """Refuse early what the neuron cannot be stored as."""
        equation = self.neuron.equation
        high = state.high if isinstance(state, UniformState) and state.stores == "before reset" else None
        last = equation.multiples[-1]
        if high is not None and high <= last:
            raise BadInput(
                f"{self.name}: a range stored before reset must reach above the last threshold ({last}), "
                f"not {high:g}; raise high or choose stores='after reset'"
            )
        if state.learned and state.stores == "before reset" and equation.spikes > 1:
            raise BadInput(
                f"{self.name}: levels learned before reset serve one spike, not {equation.spikes}: they could cross "
                "the higher thresholds; choose stores='after reset', or levels that are not learned"
            )
        try:
            trace(equation, self.form)
            if isinstance(state.codec, Table):
                table_levels(equation, state.codec, np.array([1 << 2 * state.resolution]), state.fractions)
        except BadInput as e:
            raise BadInput(f"{self.name}: {e}") from None

    @property
    def form(self) -> Form:
        """Integer form of the neuron, or full precision."""
        if self.state is None:
            return Form()
        return form_of(self.state, self.neuron.leak, self.neuron.others_stored(self.state))

    def _rows(self) -> Tensor:
        """Weights [C, K] of all synapses."""
        rows = [m.weight.flatten(1) for m in self.modules_of_synapses]
        return rows[0] if len(rows) == 1 else torch.cat(rows, 1)

    def coded(self, follow: bool = False) -> tuple[list[Tensor], Tensor]:
        """Weight codes of each synapse and the real value of one, [C] or [1], with straight-through gradients.

        Args:
            follow: this is a forward pass in training, which what the quantizer keeps may follow.
        """
        assert self.weight is not None
        rows, known = self._rows(), kept(self)
        made = self.weight.encode(rows, known)
        if follow:
            move(self, self.weight.follow(rows.detach(), known))
        weights = [m.weight for m in self.modules_of_synapses]
        parts = [made.codes] if len(weights) == 1 else made.codes.split([w[0].numel() for w in weights], 1)
        return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)], made.step

    def codes(self) -> list[Tensor]:
        """Weight codes of each synapse, with straight-through gradients."""
        return self.coded()[0]

    @property
    def step(self) -> Tensor:
        """Real value of one weight code, [C] or [1], shared by the synapses."""
        return self.coded()[1]

    # --- what a run reads --------------------------------------------------------------------------------

    @property
    def batch_statistics(self) -> bool:
        """Whether the norm uses statistics of this batch."""
        return self.norm is not None and self.norm.training

    def statistics(self, found: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
        """Mean and variance of what the norm sees, per channel, and of how many numbers, over all devices.

        Args:
            found: their sums and sums of squares on this device, float64 [2, C].
            count: how many they are on this device.
        """
        return statistics(found, count, self.over_devices)

    def sign(self) -> Tensor:
        """-1 where the norm's gain is negative, else 1."""
        if self.norm is None or not self.norm.affine:
            return torch.ones(self.channels)
        return torch.where(self.norm.weight.detach() < 0, -1.0, 1.0)

    def reals(self) -> dict[str, Tensor]:
        """Parameters of the neuron in full precision."""
        equation = self.neuron.equation
        theta = self.neuron.theta * equation.first
        known = {threshold_name(d): theta * m for d, m in enumerate(equation.multiples)}
        known |= {"reset": theta * equation.taken, "beta": self.neuron.beta, **self.neuron.leaks}
        return known | ({"jump": self.neuron.jump} if "a" in equation.others else {})

    def own_shift(self) -> Tensor | None:
        """What the shift of the neuron's own outputs adds to its real current, [C]; None: nothing."""
        window = self.neuron.window
        return None if window is None else -window.to(self.neuron.theta.dtype) * self.neuron.theta

    def check(self, frames: Sequence[tuple[int, ...]], hint: str = "") -> None:
        """Refuse frames that the synapses cannot read; the error ends in the hint.

        Raises:
            BadInput: which synapse, what it must read and what it is given.
        """
        read = zip(self.sources, self.synapse_names, self.modules_of_synapses, strict=False)
        for (_, name, m), frame in zip(read, frames, strict=True):
            check_frame(name, m, frame, hint)

    def flip(self, sign: Tensor) -> Tensor:
        """-1 where a max-pool takes minima: behind a norm of negative gain; else 1."""
        return torch.where((sign < 0) & (self.order == "norm first"), -1.0, 1.0)

    def extra_repr(self) -> str:
        mode = (
            "quantized" if self.quantized else "full precision" if self.state is None else "states quantized"
        )
        loop = f", reads itself after {self.delay}" if self.delay else ""
        return f"{self.name}: {mode}, weight={self.weight}{loop}"
