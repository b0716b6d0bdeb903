"""Proof by comparison: every spike and stored code of torch against the program, in several engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data import Dataset, Split
from ..engine import exported, native, reference
from ..engine.compare import Comparison, compare
from ..engine.trace import Trace, check_inputs
from ..errors import BadInput, BadProgram
from ..ir import Program
from ..ir.artifact import content_hash
from ..native import compiler
from ..nn import Network
from ..nn.substeps import folded
from .lower import lower

Inputs = NDArray[np.generic]


def torch_trace(net: Network, inputs: Inputs, timesteps: int, *, timed: bool = False) -> Trace:
    """What a quantized network does in evaluation, as a trace.

    Args:
        inputs: integers [B, ...], static; timed: [T, B, ...].
    """
    if not net.quantized:
        raise BadInput("only a quantized network has stored codes to compare; quantize it first")
    if timed and len(inputs) != timesteps:
        raise BadInput(
            f"timed inputs must be [{timesteps}, B, ...], not {list(inputs.shape)}; take as many timesteps"
        )
    static = not timed or inputs.strides[0] == 0
    x = torch.from_numpy(np.array(inputs[0] if timed and static else inputs))
    was_training = net.training
    record = net.eval().record(x.expand(timesteps, *x.shape) if static else x)
    net.train(was_training)
    groups = {g.name: g for g in net.layers}
    codes = {
        name: {
            s.name: kept.numpy().astype(np.int32)
            for s, kept in zip(groups[name].neuron.equation.states(groups[name].form), states, strict=True)
        }
        for name, states in record.states.items()
    }
    sent = record.spikes
    if net.substeps > 1:  # a program's neurons say how many spikes they send in a timestep
        sent = {name: folded(s, net.substeps) for name, s in sent.items()}
    spikes = {name: s.numpy().astype(np.uint8) for name, s in sent.items()}
    return Trace(spikes, codes, record.readout.numpy().astype(np.int64), timesteps)


def verify(
    net: Network,
    program: Program,
    data: Any,
    *,
    timesteps: int = 25,
    samples: int = 64,
    native_samples: int | None = None,
    c_samples: int = 0,
    c_folder: Path | str | None = None,
    batch: int = 250,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Comparison]:
    """Compare every spike and every stored code of every neuron at every timestep; `==`, no tolerance.

    Torch is compared with the reference interpreter, with the native engine, and (where asked) the exported C
    program, compiled strictly and run as its own process, with both.

    Args:
        data: a Dataset (its test split is used) or a Split, static or timed; or integers [B, ...], which are
            static, or [T, B, ...].
        samples: how many for the reference interpreter; native_samples: for the native engine (None: all);
            c_samples: for the exported program (0: not run).
        c_folder: where the exported program lies already.
        progress: called with (what, done, of).

    Raises:
        Divergence: at the first difference, naming timestep, layer, neuron, expected and got.
        BadProgram: the program is not the one that this network lowers to, though no trace shows it.
    """
    count, part = _samples(data, program, timesteps)
    if not count:
        raise BadInput("verify must see at least one sample")
    tell = progress or (lambda what, done, of: None)

    def torchs(inputs: Inputs) -> Trace:
        return torch_trace(net, inputs, timesteps, timed=True)

    few = part(0, min(samples, count))
    ours = torchs(few)
    by_definition = reference.run(program, few, timesteps)
    done = [compare(ours, by_definition, ("torch", "reference"))]
    tell("torch == reference", few.shape[1], few.shape[1])
    if compiler() is not None:
        many = len(range(count)[:native_samples])
        total = Comparison("torch", "native", 0, 0, 0)
        for k in range(0, many, batch):
            x = part(k, min(k + batch, many))
            total += compare(torchs(x), native.run(program, x, timesteps), ("torch", "native"))
            tell("torch == native", min(k + batch, many), many)
        done.append(total)
        if c_samples:
            some = part(0, min(c_samples, count))
            c = exported.run(program, some, timesteps, c_folder)
            done.append(
                compare(
                    reference.run(program, some, timesteps)
                    if c_samples > samples
                    else _first(by_definition, c_samples),
                    c,
                    ("reference", "exported C"),
                )
            )
            done.append(compare(torchs(some), c, ("torch", "exported C")))
            tell("torch == exported C", some.shape[1], some.shape[1])
    again = replace(
        lower(net, input_shape=program.input.shape), notes=program.notes
    )  # which lower does not know
    expected, got = content_hash(again), content_hash(program)
    if expected != got:
        raise BadProgram(
            "no trace differs on this data, but the program is not the one that the network lowers to: its content "
            f"hash must be {expected[:16]}, not {got[:16]}; lower the network again, or compare on more data"
        )
    return done


def _samples(data: Any, program: Program, timesteps: int) -> tuple[int, Callable[[int, int], Inputs]]:
    """How many samples there are, and the inputs [T, B, ...] of samples a..b - 1."""
    if isinstance(data, Dataset):
        data = data.test
    if isinstance(data, Split):
        return len(data), lambda a, b: data.batch(np.arange(a, b), timesteps)
    x = np.asarray(data)
    if x.ndim == len(program.input.shape) + 1:
        x = x[None]
    if x.size:
        x = check_inputs(program, x, timesteps)
    return x.shape[1], lambda a, b: np.broadcast_to(x[:, a:b], (timesteps, b - a, *x.shape[2:]))


def _first(trace: Trace, samples: int) -> Trace:
    return Trace(
        {k: v[:, :samples] for k, v in trace.spikes.items()},
        {k: {s: c[:, :samples] for s, c in v.items()} for k, v in trace.codes.items()},
        trace.readout[:samples],
        trace.timesteps,
    )
