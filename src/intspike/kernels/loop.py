"""A body's compiled time loops with their parameters packed: what runs neurons, on channels-last arrays.

Arrays are torch tensors: sums [F, B, ..., C] (F is 1 where the input is static), outputs and codes [T, B, ..., C].
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..native import Compiler, load
from ..native.loop_text import code_kind
from ..native.loops import AFFINE, LANES, Loop, lane_of, loop, pack_rows, pack_tables, width_of
from ..ops import Body, parameter_shape

C_TYPES = {torch.int16: "int16_t", torch.int32: "int32_t", torch.float32: "float", torch.uint8: "uint8_t"}
TORCH_TYPES = {
    "uint8_t": torch.uint8,
    "int8_t": torch.int8,
    "int16_t": torch.int16,
    "int32_t": torch.int32,
    "float": torch.float32,
}


@dataclass(frozen=True)
class Neurons:
    """Compiled loops of a body and its parameters.

    Attributes:
        body: one timestep.
        made: the loops.
        run, run_back: compiled forward and backward (None where there are no gradients).
        width: lanes after which parameters repeat.
        channels: C.
        rows: parameters of `forward` (affine, numbers, tables) and of `backward`, as they are passed.
    """

    body: Body
    made: Loop
    run: Any
    run_back: Any
    channels: int
    width: int
    affine: NDArray[Any]
    numbers: NDArray[Any]
    tables: NDArray[Any]
    reals: NDArray[np.float32]

    def forward(
        self,
        first: int,
        last: int,
        timesteps: int,
        elements: int,
        stride: int,
        sums: int,
        spikes: int,
        codes: Any,
        *resumed: int,
    ) -> None:
        """Rows first..last - 1 over time. Addresses of the first element; see `native.loops`."""
        self.run(
            first, last, self.channels, self.width, timesteps, elements, stride, *resumed, sums,
            self.affine.ctypes.data, self.numbers.ctypes.data, self.tables.ctypes.data, spikes, codes,
        )  # fmt: skip

    def backward(
        self,
        first: int,
        last: int,
        timesteps: int,
        elements: int,
        stride: int,
        gstride: int,
        gspikes: int,
        sums: int,
        spikes: int,
        codes: Any,
        gcurrent: int,
        gnumbers: int,
        *resumed: int,
    ) -> None:
        """Adjoints of rows first..last - 1. Of loops that resume: whether, and the address of the adjoints."""
        self.run_back(
            first, last, self.channels, self.width, timesteps, elements, stride, gstride, *resumed[:1], gspikes, sums,
            self.reals.ctypes.data, self.tables.ctypes.data, spikes, codes, gcurrent, gnumbers, *resumed[1:],
        )  # fmt: skip

    def parts(self, count: int) -> NDArray[np.float64]:
        """Zeros [count, rows, width] that `backward` adds gradients to, a part a thread's share of the work."""
        return np.zeros((count, max(1, self.made.gradient_rows), self.width))

    def totals(self, parts: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Gradients of each parameter, [C] or [C, entries], of parts [count, rows, width], added in order."""
        rows = parts.sum(0).reshape(parts.shape[1], -1, self.channels).sum(1)
        found, at = dict[str, NDArray[np.float64]](), 0
        for name, count in self.made.gradients:
            found[name] = rows[at : at + count].T if parameter_shape(self.body, name) else rows[at]
            at += count
        return found

    def empty_codes(self, shape: Sequence[int]) -> list[Tensor]:
        """Arrays for the codes of each state."""
        return [
            torch.empty(tuple(shape), dtype=TORCH_TYPES[code_kind(self.body, j)])
            for j in range(len(self.body.states))
        ]


def prepare(
    body: Body,
    parameters: Mapping[str, NDArray[Any]],
    sums: torch.dtype,
    gradients: frozenset[str] | None,
    cc: Compiler,
    resumes: bool = False,
) -> Neurons:
    """Compile a body's loops (once) and pack its parameters.

    Args:
        parameters: of each channel, integers (reals in full precision); `gain` and `bias` of the current may be among
            them, and are real where currents are, and `beta` beside a carry table.
        sums: type of the sums.
        gradients: parameters that need gradients; None for forward alone.
        resumes: whether runs go on in the middle; see `native.loops.Loop`.

    Raises:
        BadProgram: a derivative depends on something that is not stored.
    """
    lane = lane_of(body, parameters)
    real = lane == "float" or parameters.get("gain", np.zeros(0, np.int64)).dtype.kind == "f"
    made = loop(
        body, lane, C_TYPES[sums], wide="float" if real else "int32_t", gradients=gradients, resumes=resumes
    )
    channels = len(next(iter(parameters.values())))
    width = width_of(channels)
    wide = np.float32 if real else np.int32
    reals = pack_rows(
        (*made.numbers, *(p for p in AFFINE if p not in made.numbers)), parameters, width, np.float32
    )
    outside = parameters if "gain" not in made.numbers else {"theta": parameters["theta"]}
    back = _function(made.backward, "backward", (8 + resumes, 8 + resumes), cc) if made.backward else None
    return Neurons(
        body, made, _function(made.forward, "forward", (7 + resumes, 6), cc), back, channels, width,
        pack_rows(AFFINE, outside, width, wide), pack_rows(made.numbers, parameters, width, LANES[lane]),
        pack_tables(body, made, parameters, width), reals,
    )  # fmt: skip


def pointers(tensors: Sequence[Tensor]) -> Any:
    """The addresses of tensors as C's array of pointers."""
    return (ctypes.c_void_p * max(1, len(tensors)))(*(t.data_ptr() for t in tensors))


@lru_cache(maxsize=256)
def _function(source: str, name: str, arguments: tuple[int, int], cc: Compiler) -> Any:
    """A compiled function of so many integers and pointers."""
    function = getattr(load(source, cc), name)
    function.argtypes = [ctypes.c_int64] * arguments[0] + [ctypes.c_void_p] * arguments[1]
    function.restype = None
    return function
