"""Proof by comparison: every spike and stored code of torch against the program, in several engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..engine import exported, native, reference
from ..engine.compare import Comparison, compare
from ..engine.trace import Trace
from ..errors import BadInput, BadProgram
from ..ir import Program
from ..ir.artifact import content_hash
from ..native import compiler
from ..nn import Network
from .lower import lower

Images = NDArray[np.uint8]


def torch_trace(net: Network, images: NDArray[np.generic], timesteps: int) -> Trace:
    """What a quantized network does in evaluation, as a trace; images are static frames [B, ...]."""
    if not net.quantized:
        raise BadInput("only a quantized network has stored codes to compare; quantize it first")
    x = torch.from_numpy(np.ascontiguousarray(images))
    was_training = net.training
    record = net.eval().record(x.expand(timesteps, *x.shape))
    net.train(was_training)
    groups = {g.name: g for g in net.layers}
    codes = {
        name: {
            s.name: kept.numpy().astype(np.int32)
            for s, kept in zip(groups[name].neuron.equation.states(groups[name].form), states, strict=True)
        }
        for name, states in record.states.items()
    }
    spikes = {name: s.numpy().astype(np.uint8) for name, s in record.spikes.items()}
    readout = record.spikes[net.output].sum(0).numpy().astype(np.int64)
    return Trace(spikes, codes, readout, timesteps)


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
        data: a Dataset (its test images are used) or integer images [B, ...].
        samples: images for the reference interpreter; native_samples: for the native engine (None: all);
            c_samples: for the exported program (0: not run).
        c_folder: where the exported program lies already.
        progress: called with (what, done, of).

    Raises:
        Divergence: at the first difference, naming timestep, layer, neuron, expected and got.
        BadProgram: the program is not the one that this network lowers to, though no trace shows it.
    """
    images: Images = np.asarray(data.test.images if hasattr(data, "test") else data)
    if not len(images):
        raise BadInput("verify must see at least one image")
    tell = progress or (lambda what, done, of: None)
    few = images[:samples]
    ours = torch_trace(net, few, timesteps)
    by_definition = reference.run(program, few, timesteps)
    done = [compare(ours, by_definition, ("torch", "reference"))]
    tell("torch == reference", len(few), len(few))
    if compiler() is not None:
        many = images[:native_samples]
        total = Comparison("torch", "native", 0, 0, 0)
        for k in range(0, len(many), batch):
            part = many[k : k + batch]
            total += compare(
                torch_trace(net, part, timesteps), native.run(program, part, timesteps), ("torch", "native")
            )
            tell("torch == native", min(k + batch, len(many)), len(many))
        done.append(total)
        if c_samples:
            some = images[:c_samples]
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
            done.append(compare(torch_trace(net, some, timesteps), c, ("torch", "exported C")))
            tell("torch == exported C", len(some), len(some))
    expected, got = content_hash(lower(net, input_shape=program.input.shape)), content_hash(program)
    if expected != got:
        raise BadProgram(
            "no trace differs on this data, but the program is not the one that the network lowers to: its content "
            f"hash must be {expected[:16]}, not {got[:16]}; lower the network again, or compare on more data"
        )
    return done


def _first(trace: Trace, samples: int) -> Trace:
    return Trace(
        {k: v[:, :samples] for k, v in trace.spikes.items()},
        {k: {s: c[:, :samples] for s, c in v.items()} for k, v in trace.codes.items()},
        trace.readout[:samples],
        trace.timesteps,
    )
