"""A group: what lies between two spike values. Synapses whose currents add, a pool and a norm, one neuron.

In full precision it computes with reals. Quantized, it computes with integer-valued floats: weight codes, integer
sums, integer thresholds; scales are bookkeeping at the border and become integers once a forward, in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .. import kernels
from ..errors import BadInput
from ..kernels import oracle
from ..neuron.constants import table_levels
from ..ops import Body, Form, Table, trace
from ..ops.trace import threshold_name
from ..quant import QuantConfig, StateQuantizer, UniformState, WeightQuantizer, form_of
from .checks import check_frame
from .integers import Integers, neuron_integers, prove_exact, real_current_numbers
from .kept import keep, kept, move
from .moments import moments, normalised, statistics
from .neuron import Neuron
from .parts import Norm, Pool, Synapse, area, summed
from .shifts import Shifts, constant, is_uniform


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

    What the weight quantizer keeps (a step, a basis) are parameters and buffers of the group, under its names.
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
        self._frozen: Integers | None = None
        self._frozen_version: tuple[Any, ...] = ()

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
        self._frozen = None
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self._frozen = None
        super()._load_from_state_dict(*args, **kwargs)

    # --- quantization -----------------------------------------------------------------------------------

    def quantize(self, config: QuantConfig) -> None:
        """Take quantizers from a configuration and search the weight steps.

        Raises:
            BadInput: weights that are not finite, or fields that have no meaning together.
        """
        self._frozen = None
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

    def affine(
        self,
        statistics: tuple[Tensor, Tensor, int] | None,
        scale: float,
        step: Tensor | None,
        constant: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Gain and offset of the current per channel, I = gain * S + offset, in float64.

        Args:
            statistics: mean and variance of the sums that the norm sees, and of how many; None: running statistics.
            scale: real value of one input code.
            step: real value of one weight code; None where weights are real.
            constant: what every sum lacks, [C]: of shifted inputs, where it is the same at all positions.
        """
        gain = torch.full((self.channels,), scale, dtype=torch.float64)
        if step is not None:
            gain = step.double() * gain
        offset = torch.zeros(self.channels, dtype=torch.float64)
        if constant is not None:
            offset = gain * constant.double()
        for m in self.modules_of_synapses:
            if m.bias is not None:
                offset = offset + m.bias.double()
        norm = self.norm
        if self.pool is not None and isinstance(self.pool, torch.nn.AvgPool2d) and self.order == "pool first":
            gain = gain / area(self.pool)
        if norm is not None:
            if statistics is None:
                assert norm.running_mean is not None
                assert norm.running_var is not None
                mean, variance = norm.running_mean.double(), norm.running_var.double()
            else:
                mean_sum, variance_sum, count = statistics
                mean = gain * mean_sum + offset
                variance = gain.square() * variance_sum
                self._track(norm, mean, variance, count)
            slope = torch.rsqrt(variance + norm.eps)
            if norm.affine:
                slope = slope * norm.weight.double()
            offset = (offset - mean) * slope + (norm.bias.double() if norm.affine else 0.0)
            gain = gain * slope
        if self.pool is not None and isinstance(self.pool, torch.nn.AvgPool2d) and self.order == "norm first":
            gain = gain / area(self.pool)
        return gain, offset

    @torch.no_grad()
    def _track(self, norm: Norm, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move running statistics as torch does: unbiased variance, momentum (None: cumulative)."""
        assert norm.running_mean is not None
        assert norm.running_var is not None
        momentum = norm.momentum
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked += 1
            if momentum is None:
                momentum = 1.0 / float(norm.num_batches_tracked)
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum or 0.0)
        unbiased = variance * count / max(1, count - 1)
        norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), momentum or 0.0)

    def integers(self, scale: float, most: float, shifts: Shifts | None = None) -> Integers:
        """The integers of this group in evaluation: computed once, then kept until it trains again.

        Args:
            scale: real value of one input code.
            most: largest input code.
            shifts: what every synapse's input is moved by, in codes; None: nothing.

        Raises:
            RangeExceeded: a sum could reach 2^24, where float32 stops being exact.
        """
        moved = tuple(float(s.detach()) for s in shifts or ())
        version = (moved, *((id(t), t._version) for t in (*self.parameters(), *self.buffers())))
        if self._frozen is None or self._frozen_version != version:  # also after a change in place
            with torch.no_grad():
                codes, step = self.coded()
                gain, offset = self.affine(
                    None, scale, step, constant(self.modules_of_synapses, codes, shifts)
                )
                _, made, origin = neuron_integers(self.name, self.neuron, self.form, gain, offset, self.bias)
                rows = torch.stack([c.double().abs().flatten(1).sum(1) for c in codes]).sum(0)
                most = max(most, float(self.neuron.equation.spikes)) if self.delay else most
            window = area(self.pool) if isinstance(self.pool, torch.nn.AvgPool2d) else 1
            sums = rows.numpy() * (most + max(map(abs, moved), default=0)) * window
            prove_exact(self.name, self.form, self.neuron.equation.spikes, sums, made)
            self._frozen = Integers(
                codes=tuple(c.numpy().astype(np.int64) for c in codes), constants=made, **origin
            )
            self._frozen_version = version
        return self._frozen

    # --- forward ----------------------------------------------------------------------------------------

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

    def _statistics(self, sums: Tensor) -> tuple[Tensor, Tensor, int]:
        folded = _folded(sums)
        mean, variance = moments(folded)
        count = folded.numel() // folded.shape[1]
        if self.over_devices is None:
            return mean, variance, count
        return self.statistics(torch.stack([mean, variance + mean.square()]) * count, count)

    def _normed(self, norm: Norm, x: Tensor) -> Tensor:
        """What torch's norm does, with statistics over all devices."""
        if self.over_devices is None or not norm.training:
            return _unfolded(norm(_folded(x)), x)
        found = self._statistics(x)
        self._track(norm, *found)
        return _unfolded(normalised(_folded(x), norm, *found[:2]), x)

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

    def constant_map(
        self, weights: Sequence[Tensor], shifts: Shifts, frames: Sequence[tuple[int, ...]]
    ) -> Tensor:
        """What the sums of shifted inputs are more than those of what was sent, [1, 1, C, ...].

        These are the synapses on constant frames, with their padding: positions at a border see fewer taps.

        Args:
            weights: of each synapse, or their codes.
            shifts, frames: of what each of them reads: what it is moved by, and the shape of a frame.
        """
        constant = [s.to(w.dtype).expand(1, 1, *f) for w, s, f in zip(weights, shifts, frames, strict=True)]
        return self._sums(constant, list(weights))

    def check(self, frames: Sequence[tuple[int, ...]], hint: str = "") -> None:
        """Refuse frames that the synapses cannot read; the error ends in the hint.

        Raises:
            BadInput: which synapse, what it must read and what it is given.
        """
        read = zip(self.sources, self.synapse_names, self.modules_of_synapses, strict=False)
        for (_, name, m), frame in zip(read, frames, strict=True):
            check_frame(name, m, frame, hint)

    def forward(
        self,
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
        equation = self.neuron.equation
        if self.state is None:
            body, compared = trace(equation, Form()), self.neuron.comparison
            if self.weight is not None and self.delay:
                raise BadInput(
                    f"{self.name}: a recurrent layer is quantized in weights and states or in neither, but only its "
                    "weights are; give QuantConfig(state=...)"
                )
            current, own = self.current(inputs, shifts), self.own_shift()
            if own is not None:
                current = current + own.reshape(-1, *(1,) * (current.ndim - 3))
            weights = [m.weight for m in self.modules_of_synapses]
            if compared is None:
                return self._over_time(body, current, self.reals(), timesteps, weights)
            theta = equation.theta * equation.first
            return oracle.run(
                body, current, self.reals(), timesteps, store=lambda u: compared.store(u, theta),
                back=self._back(weights), delay=self.delay,
            )  # fmt: skip
        if self.weight is None and self.delay:
            raise BadInput(
                f"{self.name}: a recurrent layer is quantized in weights and states or in neither, but only its states "
                "are; give QuantConfig(weight=...)"
            )
        if self.weight is None:
            return self._real_currents(inputs, timesteps, shifts)
        body = trace(equation, self.form)
        if not self.training:
            made = self.integers(scale, most, shifts)
            kind = torch.get_default_dtype()
            codes = [torch.from_numpy(c).to(kind) for c in made.codes]
            tensors = {name: torch.from_numpy(a).to(kind) for name, a in made.constants.items()}
            tensors |= self.neuron.leaks
            sign = torch.from_numpy(made.constants["gain"])
            sums = self._moved(self._sums(inputs, codes, substeps), inputs, codes, shifts)
            sums = self._pooled(sums, sign).round()  # exact already; a guard
            return self._over_time(body, sums, tensors, timesteps, codes)
        sign, batch_statistics = self.sign(), self.batch_statistics
        codes, step = self.coded(follow=True)
        sums = self._moved(self._sums(inputs, codes), inputs, codes, shifts)
        lacking = constant(self.modules_of_synapses, codes, shifts)
        if self.order == "norm first" and batch_statistics:
            gain, offset = self.affine(self._statistics(sums), scale, step, lacking)
            sums = self._pooled(sums, sign)
        else:
            sums = self._pooled(sums, sign)
            found = self._statistics(sums) if batch_statistics else None
            gain, offset = self.affine(found, scale, step, lacking)
        tensors, _, _ = neuron_integers(self.name, self.neuron, self.form, gain, offset, self.bias)
        return self._over_time(body, sums, tensors, timesteps, codes)

    def _over_time(
        self,
        body: Body,
        current: Tensor,
        tensors: Mapping[str, Tensor],
        timesteps: int,
        weights: Sequence[Tensor],
    ) -> tuple[Tensor, list[Tensor]]:
        """The neurons: in fused loops, or timestep by timestep where they read themselves through a convolution."""
        if not self.delay:
            return kernels.run(body, current, tensors, timesteps)
        if isinstance(self.modules_of_synapses[-1], torch.nn.Linear) and current.ndim == 3:
            return kernels.recurrent.run(body, current, tensors, timesteps, weights[-1], self.delay)
        return oracle.run(body, current, tensors, timesteps, back=self._back(weights), delay=self.delay)

    def _back(self, weights: Sequence[Tensor]) -> Callable[[Tensor], Tensor] | None:
        """What spikes [B, C, ...] add to the current of a recurrent layer; None where nothing does."""
        if not self.delay:
            return None
        m, weight = self.modules_of_synapses[-1], weights[-1]
        return lambda spikes: _synapse(m, spikes, weight).reshape(spikes.shape)

    def _moved(
        self, sums: Tensor, inputs: Sequence[Tensor], weights: Sequence[Tensor], shifts: Shifts | None
    ) -> Tensor:
        """Sums of shifted inputs, where what the shift adds differs between positions; else `affine` knows it."""
        if shifts is None or is_uniform(self.modules_of_synapses):
            return sums
        return sums + self.constant_map(weights, shifts, [tuple(x.shape[2:]) for x in inputs])

    def _real_currents(
        self, inputs: list[Tensor], timesteps: int, shifts: Shifts | None
    ) -> tuple[Tensor, list[Tensor]]:
        """Quantized states and real weights: real currents meet integer boundaries. It has no integer program."""
        body, current = trace(self.neuron.equation, self.form), self.current(inputs, shifts)
        gain, offset = (
            torch.ones(self.channels, dtype=torch.float64),
            torch.zeros(self.channels, dtype=torch.float64),
        )
        tensors, _ = real_current_numbers(self.name, self.neuron, self.form, gain, offset)
        return oracle.run(body, current, {p: t.to(current.dtype) for p, t in tensors.items()}, timesteps)

    def _sums(
        self, inputs: list[Tensor], codes: list[Tensor], substeps: Sequence[int] | None = None
    ) -> Tensor:
        total: Tensor | None = None
        each = substeps or (1,) * len(inputs)
        for x, m, w, k in zip(inputs, self.modules_of_synapses, codes, each, strict=not self.delay):
            y = _unfolded(_synapse(m, _folded(x), w), x)
            if k > 1:
                y = y.unflatten(0, (-1, k)).sum(1)
            total = y if total is None else total + y
        assert total is not None
        return total

    def _pooled(self, sums: Tensor, sign: Tensor) -> Tensor:
        """Integer pool: a sum, or a maximum (a minimum where a negative gain comes before it)."""
        if self.pool is None:
            return sums
        if isinstance(self.pool, torch.nn.AvgPool2d):
            return _unfolded(summed(self.pool, _folded(sums)), sums)
        flip = self.flip(sign).to(sums.dtype)[:, None, None]
        if bool((flip > 0).all()):
            return _unfolded(self.pool(_folded(sums)), sums)
        return _unfolded(self.pool(_folded(sums) * flip) * flip, sums)

    def flip(self, sign: Tensor) -> Tensor:
        """-1 where a max-pool takes minima: behind a norm of negative gain; else 1."""
        return torch.where((sign < 0) & (self.order == "norm first"), -1.0, 1.0)

    def current(self, inputs: list[Tensor], shifts: Shifts | None = None) -> Tensor:
        """Currents in full precision (of states; weights may be quantized), of inputs moved by their shifts."""
        weights = [m.weight for m in self.modules_of_synapses]
        if self.weight is not None:
            codes, step = self.coded(follow=self.training)
            weights = [c * step.reshape(-1, *(1,) * (c.ndim - 1)) for c in codes]
        total, pool, norm = self._sums(inputs, weights), self.pool, self.norm
        if shifts is not None:
            total = total + self.constant_map(weights, shifts, [tuple(x.shape[2:]) for x in inputs])
        for m in self.modules_of_synapses:
            if m.bias is not None:
                total = total + m.bias.reshape(-1, *(1,) * (total.ndim - 3))
        for stage in [pool, norm] if self.order == "pool first" else [norm, pool]:
            if stage is norm and norm is not None:
                total = self._normed(norm, total)
            elif stage is not None:
                total = _unfolded(stage(_folded(total)), total)
        return total

    def extra_repr(self) -> str:
        mode = (
            "quantized" if self.quantized else "full precision" if self.state is None else "states quantized"
        )
        loop = f", reads itself after {self.delay}" if self.delay else ""
        return f"{self.name}: {mode}, weight={self.weight}{loop}"


def _folded(x: Tensor) -> Tensor:
    return x.flatten(0, 1)


def _unfolded(y: Tensor, like: Tensor) -> Tensor:
    return y.reshape(*like.shape[:2], *y.shape[1:])


def _synapse(m: Synapse, x: Tensor, weight: Tensor) -> Tensor:
    if isinstance(m, torch.nn.Linear):
        return F.linear(x.flatten(1), weight)
    if x.shape[1] > 1:
        x = x.contiguous(memory_format=torch.channels_last)  # twice as fast, forward and backward
    return F.conv2d(x, weight, None, m.stride, m.padding, m.dilation, m.groups)
