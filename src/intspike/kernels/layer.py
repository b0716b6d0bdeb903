"""One layer over all timesteps on compiled kernels: a synapse, batch moments, a body's time loop; forward and backward.

Two ops of autograd, with the small arithmetic of each channel (norm, thresholds, rounding) between them in torch:
`sums` gives the moments of the synaptic sums, `spikes` takes the integers that follow from them. What is large stays in
the `Layer` that both share: sums and codes forward, one tile at a time backward.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..native import Compiler, split
from ..native import gradient as gradients
from ..native import synapse as synapses
from ..native.dense_gradient import dense_gradient
from ..native.synapse import ConvShape, DenseShape, Shape
from ..native.weights import narrow
from ..ops import Body
from .frames import Frames
from .loop import C_TYPES, Neurons, pointers, prepare
from .sinks import PARTS, Sink, Tile, part


class Layer:
    """One forward pass of a layer.

    Args:
        x: what its synapse reads.
        shape: of the synapse, with the pool behind it.
        timesteps: T.
        cc: the compiler.
    """

    def __init__(self, x: Frames, shape: Shape, timesteps: int, cc: Compiler):
        self.x, self.shape, self.timesteps, self.cc = x, shape, timesteps, cc
        self.frames, self.batch = x.data.shape[:2]
        out = (*shape.out, shape.out_channels) if isinstance(shape, ConvShape) else (shape.outputs,)
        self.channels = out[-1]
        self.out = out
        self.sums = torch.empty(0)
        self.winner: Tensor | None = None
        self.neurons: Neurons | None = None
        self.spikes = torch.empty(0)
        self.codes: list[Tensor] = []
        self.weight = torch.empty(0)
        self.gcurrent: Tensor | None = None
        self.gnumbers: NDArray[np.float64] = np.empty(0)

    # --- forward ----------------------------------------------------------------------------------------

    def integrate(self, weight: Tensor, flip: NDArray[np.int32], whole: bool) -> None:
        """The synaptic sums behind the pool.

        Args:
            weight: [CO, CI, KH, KW] or [M, K].
            flip: [CO], -1 where a max-pool takes minima, else 1.
            whole: whether weights are integer codes of at most 8 bits; then so are the sums.
        """
        self.weight = weight.detach()
        size = (self.frames, self.batch, *self.out)
        winner = None
        if isinstance(self.shape, ConvShape) and self.shape.pool != (1, 1):
            self.winner = torch.empty(size, dtype=torch.uint8)
            winner = self.winner.data_ptr()
        run, arranged = self._synapse(whole)
        self.sums = torch.empty(size, dtype=self.sums.dtype)
        pointers = [
            self.x.data.data_ptr(),
            arranged.ctypes.data,
            flip.ctypes.data,
            self.sums.data_ptr(),
            winner,
        ]
        if whole and isinstance(self.shape, DenseShape):  # has no pool
            pointers = [pointers[0], pointers[1], pointers[3]]
        split(run, self.frames * self.batch, torch.get_num_threads(), *pointers)

    def _synapse(self, whole: bool) -> tuple[Any, NDArray[Any]]:
        """The forward kernel and the weights as it wants them; `sums` gets the type of its results."""
        if not whole:
            self.sums = torch.empty(0)
            made = gradients.scatter(self.shape, self.cc)
            return made.function, made.arrange(self.weight.numpy())
        rows = self.weight.flatten(1).contiguous().numpy()
        codes, most = narrow(rows, torch.get_num_threads(), self.cc)
        bits = 16 if most * self.x.most < 1 << 15 else 32  # of any partial sum
        self.sums = torch.empty(0, dtype=torch.int16 if bits == 16 else torch.int32)
        if isinstance(self.shape, ConvShape):
            kernel = synapses.conv(self.shape, bits)
        else:
            kernel = synapses.dense(self.shape, bits)
        return kernel.run, kernel.pack(codes.reshape(self.weight.shape))

    def moments(self) -> Tensor:
        """Sums and sums of squares of each channel's synaptic sums, float64 [2, C]."""
        rows = self.sums.numel() // self.channels
        run = gradients.moments(C_TYPES[self.sums.dtype], self.cc)
        parts = np.zeros((PARTS, 2, self.channels))

        def some(first: int, last: int) -> None:
            for k in range(first, last):
                a, b = part(rows, k)
                run(a, b, self.channels, self.sums.data_ptr(), parts[k].ctypes.data)

        split(some, PARTS, torch.get_num_threads())
        return torch.from_numpy(parts.sum(0))

    def fire(self) -> None:
        """Codes and spikes from the sums."""
        assert self.neurons is not None
        size = (self.timesteps, self.batch, *self.out)
        self.spikes = torch.empty(size, dtype=torch.uint8)
        self.codes = self.neurons.empty_codes(size)
        elements = self.spikes[0].numel()
        split(
            self.neurons.forward, elements // self.channels, torch.get_num_threads(), self.timesteps, elements,
            elements if self.frames > 1 else 0, self.sums.data_ptr(), self.spikes.data_ptr(), pointers(self.codes),
        )  # fmt: skip

    # --- backward ---------------------------------------------------------------------------------------

    def receive(self, k: int, a: int, b: int, tile: Tile) -> None:
        """Adjoints of samples a..b - 1 from the gradient of their spikes."""
        assert self.neurons is not None
        assert self.gcurrent is not None
        elements = self.spikes[0].numel()
        rows = elements // self.batch // self.channels  # of one sample
        self.neurons.backward(
            a * rows, b * rows, self.timesteps, elements, elements if self.frames > 1 else 0, tile[0].size,
            tile.ctypes.data, self.sums.data_ptr(), self.spikes.data_ptr(), pointers(self.codes),
            self.gcurrent.data_ptr(), self.gnumbers[k].ctypes.data,
        )  # fmt: skip

    def open(self) -> None:
        """Room for the gradients of a backward pass."""
        assert self.neurons is not None
        self.gcurrent = torch.empty(self.sums.shape)
        self.gnumbers = self.neurons.parts(PARTS)

    def weight_gradient(self, moments: NDArray[np.float64] | None) -> Tensor:
        """The gradient to the weights; that of the input goes to its sink on the way.

        Args:
            moments: gradients of the sums and of the sums of squares, [2, C].
        """
        assert self.gcurrent is not None
        slopes: tuple[int | None, ...] = (None, None)
        if moments is not None:  # the derivative of y^2 is 2 y
            rows = np.stack([2 * moments[1], moments[0]]).astype(gradients.kind_of(self.shape))
            slopes = rows[0].ctypes.data, rows[1].ctypes.data
        from_sums = (self.sums.data_ptr(), self.gcurrent.data_ptr(), *slopes)
        if isinstance(self.shape, DenseShape):
            return self._dense_gradient(self.shape, from_sums)
        return self._conv_gradient(self.shape, from_sums)

    def _dense_gradient(self, shape: DenseShape, from_sums: tuple[int | None, ...]) -> Tensor:
        made = dense_gradient(shape, C_TYPES[self.sums.dtype], self.cc)
        if self.x.sink is not None:
            ordered = made.arrange(self.weight.numpy())

            def produce(k: int, a: int, b: int, tile: Tile) -> None:
                made.to_inputs(
                    a, b, self.batch, self.frames, *from_sums, ordered.ctypes.data, tile.ctypes.data
                )

            self.x.sink.push(produce)
        frames, threads = self.frames * self.batch, torch.get_num_threads()
        return torch.from_numpy(made.to_weights(frames, threads, self.x.data.data_ptr(), *from_sums))

    def _conv_gradient(self, shape: ConvShape, from_sums: tuple[int | None, ...]) -> Tensor:
        made = gradients.gradient(shape, C_TYPES[self.sums.dtype], self.cc)
        ordered = made.arrange(self.weight.numpy())
        sums = made.sums(PARTS)
        winner = None if self.winner is None else self.winner.data_ptr()
        fixed = (self.x.data.data_ptr(), *from_sums, winner, ordered.ctypes.data)

        def produce(k: int, a: int, b: int, tile: Tile | None) -> None:
            made.function(
                a, b, self.batch, self.frames, *fixed, tile.ctypes.data if tile is not None else None,
                sums[k].ctypes.data,
            )  # fmt: skip

        if self.x.sink is not None:
            self.x.sink.push(produce)
        else:

            def some(first: int, last: int) -> None:
                for k in range(first, last):
                    a, b = part(self.batch, k)
                    if b > a:
                        produce(k, a, b, None)

            split(some, PARTS, torch.get_num_threads())
        total = torch.from_numpy(sums[0])
        for more in sums[1:]:  # in order, and in several threads
            total += torch.from_numpy(more)
        return torch.from_numpy(made.view(total.numpy())).float().contiguous()


def sums(
    layer: Layer, weight: Tensor, flip: NDArray[np.int32], whole: bool, statistics: bool
) -> tuple[Tensor, Tensor]:
    """Integrate; a link for autograd and the moments [2, C] (zeros where no statistics are wanted), with gradients."""
    link = layer.x.link if layer.x.link is not None else torch.zeros(())
    if torch.is_grad_enabled() and (link.requires_grad or weight.requires_grad):
        layer.x.read()
    return _Sums.apply(link, weight, layer, flip, whole, statistics)


def spikes(
    layer: Layer,
    link: Tensor,
    body: Body,
    parameters: Mapping[str, NDArray[Any]],
    learned: Mapping[str, Tensor],
) -> Frames:
    """Fire; the layer's output.

    Args:
        link: what `sums` gave.
        parameters: of each channel, as numbers.
        learned: those of them, [C] or (levels) [C, entries], that take gradients.

    Raises:
        BadProgram: a derivative depends on something that is not stored.
    """
    backward = torch.is_grad_enabled() and (
        link.requires_grad or any(t.requires_grad for t in learned.values())
    )
    names = tuple(p for p, t in learned.items() if t.requires_grad) if backward else ()
    layer.neurons = prepare(
        body, parameters, layer.sums.dtype, frozenset(names) if backward else None, layer.cc
    )
    layer.fire()
    if not backward:
        return Frames(layer.spikes, body.spikes)
    size = (layer.timesteps, layer.batch, layer.spikes[0, 0].numel())
    sink = Sink(size, layer.open, layer.receive)
    columns = [learned[p].double().reshape(layer.channels, -1) for p in names]
    numbers = torch.cat(columns, 1) if names else torch.zeros(0)
    return Frames(layer.spikes, body.spikes, _Spikes.apply(link, numbers, layer, sink, names), sink)


class _Sums(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any,
        link: Tensor,
        weight: Tensor,
        layer: Layer,
        flip: NDArray[np.int32],
        whole: bool,
        statistics: bool,
    ) -> tuple[Tensor, Tensor]:
        layer.integrate(weight, flip, whole)
        ctx.layer = layer
        ctx.set_materialize_grads(False)
        none = torch.zeros(2, layer.channels, dtype=torch.float64)
        return torch.zeros(()), layer.moments() if statistics else none

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        layer: Layer = ctx.layer
        gmoments = gradients[1]
        if layer.gcurrent is None and gmoments is None:
            return (None,) * 6
        if layer.gcurrent is None:
            layer.gcurrent = torch.zeros(layer.sums.shape)
        weight = layer.weight_gradient(None if gmoments is None else gmoments.numpy())
        layer.gcurrent = None
        return torch.zeros(()) if layer.x.sink is not None else None, weight, None, None, None, None


class _Spikes(torch.autograd.Function):
    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, link: Tensor, numbers: Tensor, layer: Layer, sink: Sink, names: tuple[str, ...]
    ) -> Tensor:
        ctx.layer, ctx.sink, ctx.names = layer, sink, names
        ctx.set_materialize_grads(False)
        return torch.zeros(())

    @staticmethod
    def backward(ctx: Any, link: Tensor | None) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        layer: Layer = ctx.layer
        ctx.sink.close()
        if layer.gcurrent is None or layer.neurons is None:
            return (None,) * 5
        totals = layer.neurons.totals(layer.gnumbers)
        none = np.zeros(layer.channels)
        columns = [totals.get(n, none).reshape(layer.channels, -1) for n in ctx.names]
        numbers = torch.from_numpy(np.concatenate(columns, 1)) if ctx.names else None
        return torch.zeros(()), numbers, None, None, None
