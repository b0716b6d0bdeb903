"""Bodies on tensors: the op table in torch, one plain operation an instruction, gradients by autograd.

Slow and obvious: it judges the generated kernels, and stands in for them where there is no C compiler. Integers
travel as integer-valued floats, exact below 2^24 in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from ..ops import Body, Instruction, Table
from ..ops.body import real_leak
from ..ops.surrogate import Surrogate
from ..ops.table import BELOW, ENDS
from ..ops.trace import Builder, Value


def _surrogate(surrogate: Surrogate, z: Tensor) -> Tensor:
    """The surrogate's own text, on a tensor."""
    ops = Builder()
    out = surrogate(Value(ops, ops.emit("current")))
    values: list[Tensor] = []
    for i in ops.instructions:
        args = [values[a] for a in i.args]
        match i.op:
            case "current":
                values.append(z)
            case "constant":
                values.append(torch.tensor(i.immediate, dtype=z.dtype))
            case _:
                values.append(_OPS[i.op](*args))
    return values[out.index]


_OPS: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "div": torch.div,
    # of equals the first takes the gradient, as the op table says
    "min": lambda x, y: torch.where(y >= x, x, y),
    "max": lambda x, y: torch.where(x >= y, x, y),
    "abs": torch.abs,
    "select": lambda c, x, y: torch.where(c != 0, x, y),
    "cut": lambda x: x.detach(),
    "ge": lambda x, y: (x >= y).to(x.dtype),  # of a surrogate; `_compare` knows those of a body
    "gt": lambda x, y: (x > y).to(x.dtype),
    "shl": lambda x, n: x * torch.exp2(n.detach()),
    "shr": lambda x, n: _straight_through(x / torch.exp2(n.detach()), torch.floor),
    "wrap": lambda x, low, bits: x + (torch.remainder(x - low, 2**bits) + low - x).detach(),
}


def _straight_through(x: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
    return x + (rounding(x) - x).detach()


def _expand(p: Tensor, like: Tensor) -> Tensor:
    """A parameter [C] against neurons [B, C, ...]."""
    return p.reshape(-1, *(1,) * (like.ndim - 2))


def _pick(table: Tensor, code: Tensor, row: Tensor | None) -> Tensor:
    """table[c, (row,) code] for neurons [B, C, ...]."""
    channel = torch.arange(code.shape[1]).reshape(-1, *(1,) * (code.ndim - 2))
    index = (channel, code.long()) if row is None else (channel, row.long(), code.long())
    return table[index].to(code.dtype)


class _Step:
    """One timestep of a body on tensors [B, C, ...]."""

    def __init__(
        self,
        body: Body,
        parameters: Mapping[str, Tensor],
        like: Tensor,
        store: Callable[[Tensor], Tensor] | None,
    ):
        self.body, self.parameters, self.like, self.store = body, parameters, like, store

    def run(
        self,
        current: Tensor,
        codes: list[Tensor],
        membranes: list[Tensor],
        prev: Tensor,
        seen: list[Tensor] | None,
    ) -> list[Tensor]:
        """Values of all instructions; `seen` holds those of a first pass, whose stored membranes surrogates read."""
        values: list[Tensor] = []
        names = [s.name for s in self.body.states]
        for k, i in enumerate(self.body.instructions):
            if k in self.body.reads:
                values.append(membranes[self.body.reads.index(k)])  # a gradient flows through what was stored
                continue
            args = [values[a] for a in i.args]
            match i.op:
                case "current":
                    value = current
                case "state":
                    value = codes[names.index(i.name)]
                case "prev":
                    value = prev
                case "parameter":
                    value = _expand(self.parameters[i.name], self.like).to(self.like.dtype)
                case "constant":
                    value = torch.tensor(i.immediate, dtype=self.like.dtype)
                case "lookup":
                    codec = self.body.codec(self.body.instructions[i.args[0]].name)
                    row = args[1] if len(args) == 3 else None
                    exact = _pick(self.parameters[i.name], args[0] - codec.low, row)
                    smooth = args[-1] * _expand(self.parameters[real_leak(i.name)], self.like).to(
                        self.like.dtype
                    )
                    value = smooth + (exact - smooth).detach()
                case "encode":
                    value = self._encode(i, args[0], values)
                case "decode":
                    value = self._decode(i, args[0])
                case "ge" | "gt":
                    value = self._compare(i, args, seen)
                case _:
                    value = _OPS[i.op](*args)
            values.append(value)
        return values

    def _code(self, i: Instruction, x: Tensor) -> Tensor:
        codec = self.body.codec(i.name)
        if isinstance(codec, Table):
            edges = self.parameters[f"{i.name}.boundaries"].to(x.dtype)
            code = torch.zeros_like(x)
            for j in range(codec.high):
                code = code + (x >= _expand(edges[:, j], self.like)).to(x.dtype)
            return code
        shift = _expand(self.parameters[f"{i.name}.shift"], self.like).to(x.dtype)
        code = torch.floor((x + torch.floor(torch.exp2(shift - 1))) / torch.exp2(shift))
        if codec.overflow == "wrap":
            return torch.remainder(code - codec.low, 2.0**codec.bits) + codec.low
        top = torch.full_like(x, codec.high)
        if codec.has_top:
            top = _expand(self.parameters[f"{i.name}.high"], self.like).to(x.dtype)
        return torch.minimum(code.clamp_min(codec.low), top)

    def _encode(self, i: Instruction, x: Tensor, values: list[Tensor]) -> Tensor:
        """In integers the code, carrying the gradient of the value it stands for."""
        if i.name not in self.body.quantized:
            return x if self.store is None or i.name != "u" else self.store(x)
        code = self._code(i, x.detach())
        gate = torch.ones_like(code)
        if i.immediate:
            codec = self.body.codec(i.name)
            top: float | Tensor = codec.high
            if codec.has_top:
                top = _expand(self.parameters[f"{i.name}.high"], self.like).to(x.dtype)
            above, below = code > codec.low, code < top
            if i.immediate != ENDS:
                above = above | (codec.rest == codec.low or codec.wraps)
                below = below | (i.immediate == BELOW or codec.wraps)
                if codec.stores == "after reset":
                    below = below | (values[self.body.spike] < self.body.spikes)
            gate = (above & below).to(x.dtype)
        return code + (x - x.detach()) * gate

    def _decode(self, i: Instruction, code: Tensor) -> Tensor:
        if i.name not in self.body.quantized:
            return code
        hard = code.detach()
        if isinstance(self.body.codec(i.name), Table):
            value = _pick(self.parameters[f"{i.name}.levels"], hard, None)
        else:
            shift = _expand(self.parameters[f"{i.name}.shift"], self.like).to(hard.dtype)
            value = hard * torch.exp2(shift)
        return value + (code - hard)

    def _compare(self, i: Instruction, args: list[Tensor], seen: list[Tensor] | None) -> Tensor:
        x, theta = args
        hard = (x >= theta if i.op == "ge" else x > theta).to(self.like.dtype).detach()
        if not i.name or seen is None:
            return hard
        k = i.args[0]  # what fires: the sum, where it is stored after its reset
        if i.name in self.body.quantized and self.body.codec(i.name).stores == "after reset":
            k = self.body.membranes[[s.name for s in self.body.states].index(i.name)]
        stored = seen[k]
        width = _expand(self.parameters["theta"], self.like).to(self.like.dtype)
        z = ((stored - theta) / width).detach()
        slope = (_surrogate(self.body.surrogate, z) / width).detach()
        soft = (x - theta - width * z) * slope  # the derivative of z, theta being its width as well
        return hard + (soft - soft.detach())


def run(
    body: Body,
    current: Tensor,
    parameters: Mapping[str, Tensor],
    timesteps: int,
    *,
    store: Callable[[Tensor], Tensor] | None = None,
    back: Callable[[Tensor], Tensor] | None = None,
    delay: int = 1,
) -> tuple[Tensor, list[Tensor]]:
    """A body over time.

    Args:
        current: sums (or, in full precision, currents) [T or 1, B, C, ...]; one frame is static.
        parameters: [C] or [C, entries] or [C, rows, entries]; those with gradients in the dtype of `current`; beside
            carry tables the real leaks ("beta").
        store: in full precision, what becomes of the membrane u before it fires (a quantizer for comparison).
        back: of recurrent neurons, what the spikes [B, C, ...] of `delay` timesteps ago add to the current.

    Returns:
        spikes [T, B, C, ...] and, for each state, stored codes (in full precision the membrane) [T, B, C, ...].
    """
    like = current[0]
    step = _Step(body, parameters, like, store)
    quantized = [s.codec for s in body.states]
    codes = [torch.full_like(like, c.rest if c else 0) for c in quantized]
    membranes = [torch.zeros_like(like) for _ in quantized]
    prev = torch.zeros_like(like)
    spikes: list[Tensor] = []
    kept: list[list[Tensor]] = [[] for _ in quantized]
    for t in range(timesteps):
        now = current[min(t, len(current) - 1)]
        if back is not None and t >= delay:
            now = now + back(spikes[t - delay])
        seen = None
        if torch.is_grad_enabled():
            with torch.no_grad():
                seen = step.run(now, codes, membranes, prev, None)
        values = step.run(now, codes, membranes, prev, seen)
        codes = [values[k].detach().expand_as(like) for k in body.stores]
        membranes = [values[k].expand_as(like) for k in body.membranes]
        prev = values[body.spike].expand_as(like)
        spikes.append(prev)
        for column, code in zip(kept, codes, strict=True):
            column.append(code)
    return torch.stack(spikes), [torch.stack(column) for column in kept]
