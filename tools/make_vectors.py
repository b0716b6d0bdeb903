"""Make the published test vectors: small programs that together hold every kind of node and every variant of a neuron.

    python tools/make_vectors.py --out tests/vectors

Inputs come from arithmetic and not from a random generator, so a rerun gives the same bytes; `tests/test_vectors.py`
makes them again and compares.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from intspike.engine.vectors import write_vectors
from intspike.errors import BadInput
from intspike.ir import Dense, Edge, Fold, Input, Join, Neuron, Node, Offset, Program, Readout, Unfold, frozen
from intspike.ir.artifact import load
from intspike.neuron import IF, ILIF, LIF, AdaptiveLIF, CubaLIF
from intspike.neuron.base import Neuron as Equation
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, Form, Shift, Table, Uniform, trace
from intspike.ops.trace import Kept

GOLDEN = Path(__file__).parents[1] / "tests" / "ir" / "golden"
LEVELS = {
    "after reset": (2, [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]),
    "before reset": (1, [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2]),
}


def codes(*shape: int, most: int) -> np.ndarray:
    """Numbers of a shape in -most..most."""
    size = int(np.prod(shape))
    return frozen((np.arange(size) * 7919 % (2 * most + 1) - most).reshape(shape))


def layer(name: str, source: Edge, equation: Equation, form: Form) -> Neuron:
    """Two channels, one of them with a negative gain."""
    more: dict[str, Any] = {}
    if isinstance(form.codec, Table):
        more["fractions"] = LEVELS[form.codec.stores][1]
    else:
        more["shift"] = np.array([4, 5])
    made = constants(
        equation, form, gain=np.array([8, -8]), bias=np.array([3, -2]), theta=np.array([160, 320]),
        beta=np.full(2, 0.75), **more,
    )  # fmt: skip
    return Neuron(name, source, trace(equation, form), {p: frozen(a) for p, a in made.items()})


def neurons() -> Program:
    """One dense layer read by a layer of neurons of every variant that has a meaning."""
    codecs = [
        Table(3, LEVELS["after reset"][0], "after reset"), Table(3, LEVELS["before reset"][0], "before reset"),
        Uniform(6, -32), Uniform(6, -32, stores="before reset"), Uniform(6, -32, "wrap", "before reset"),
    ]  # fmt: skip
    leaks = (None, Carry("guaranteed"), Carry("nearest"), Shift(), Dyadic(6))
    nodes: list[Node] = [Input("x", (3,), -2, 3), Dense("fc", Edge("x"), codes(2, 3, most=7))]
    names: list[str] = []
    choices = product(codecs, leaks, ("subtract", "zero", "none"), ("before leak", "after leak"))
    for k, (codec, leak, reset, order) in enumerate(choices):
        # fields that meet every other one in turn, so that the set stays small
        fields: dict[str, Any] = {
            "reset": reset,
            "compare": (">=", ">")[k % 2],
            "refractory": (0, 0, 2)[k % 3],
        }
        if leak is None and order == "after leak":
            continue
        equation: Equation = IF(**fields)
        if leak is not None:
            on = "sum" if k % 4 == 0 and not isinstance(leak, Carry) else "state"
            equation = LIF(beta=0.75, reset_order=order, leak_on=on, **fields)
        if k % 5 != 0:
            continue
        try:
            made = layer(f"n{k}", Edge("fc"), equation, Form(codec, leak or Carry()))
        except BadInput:  # a combination without a meaning
            continue
        nodes.append(made)
        names.append(made.name)
    nodes += [Join("all", tuple(Edge(n) for n in names), "add"), Readout("out", Edge("all"))]
    return Program(tuple(nodes))


def states() -> Program:
    """Neurons that keep more than a membrane, and neurons of integer spikes."""
    nodes: list[Node] = [Input("x", (3,), -2, 3), Dense("fc", Edge("x"), codes(2, 3, most=7))]
    kept = Uniform(7, -64, stores="before reset")
    leaks = (Carry("guaranteed"), Carry("nearest"), Shift(), Dyadic(6))
    membranes = (Table(3, LEVELS["before reset"][0], "before reset"), Uniform(6, -32, stores="before reset"))
    for k, leak in enumerate(leaks):
        codec, reads = membranes[(k + 1) // 2 % 2], ("new current", "last current")[k % 2]
        fields: dict[str, Any] = {  # that meet every other one in turn, so that the set stays small
            "beta": 0.75,
            "reset_order": ("before leak", "after leak")[k % 2],
            "reset": ("subtract", "zero")[k // 2],
            "compare": (">=", ">")[k % 2],
            "refractory": (0, 2)[k // 3],
        }
        cuba = CubaLIF(alpha=0.75, reads=reads, **fields)
        adaptive = AdaptiveLIF(rho=0.75, jump=0.25, alpha=(None, 0.5)[k % 2], **fields)
        others = {"i": Kept("i", kept, leak), "a": Kept("a", replace(kept, low=0), leak)}
        for name, equation in ((f"cuba{k}", cuba), (f"adaptive{k}", adaptive)):
            form = Form(codec, leak, others=tuple(others[state] for state in equation.others))
            nodes.append(layer(name, Edge("fc"), equation, form))
    for k, leak in enumerate(leaks):
        form = Form(Uniform(8, -64, stores=("after reset", "before reset")[k % 2]), leak)
        nodes.append(layer(f"integer{k}", Edge("fc"), ILIF(3, beta=0.75), form))
    names = tuple(Edge(n.name) for n in nodes if isinstance(n, Neuron))
    nodes += [Join("all", names, "add"), Readout("out", Edge("all"))]
    return Program(tuple(nodes))


def substeps() -> Program:
    """Integers sent as spikes on the substep clock, and a constant map."""
    equation, form = LIF(beta=0.75, spikes=3), Form(Uniform(8, -128, stores="before reset"), Shift())
    return Program(
        (
            Input("x", (4,), 0, 9),
            Dense("fc", Edge("x"), codes(2, 4, most=7)),
            layer("several", Edge("fc"), equation, form),
            Unfold("spikes", Edge("several"), 3),
            Dense("each", Edge("spikes"), codes(2, 2, most=5)),
            Fold("sum", Edge("each")),
            Offset("shifted", Edge("sum"), frozen([5, -5])),
            layer("last", Edge("shifted"), LIF(beta=0.75), Form(Uniform(6, -32), Shift())),
            Readout("out", Edge("last")),
        )
    )


def programs() -> dict[str, Program]:
    """By name; those of the golden artifacts hold the other nodes."""
    golden = {p.stem: load(p) for p in sorted(GOLDEN.glob("v1-*.intspike"))}
    return {"neurons": neurons(), "states": states(), "substeps": substeps(), **golden}


def inputs(program: Program, samples: int, timesteps: int, *, timed: bool) -> np.ndarray:
    """Inputs of every code in turn; the first sample is all low, the second all high."""
    low, high, shape = program.input.low, program.input.high, program.input.shape
    full = (timesteps, samples, *shape) if timed else (1, samples, *shape)
    x = (np.arange(np.prod(full)) * 7919 % (high - low + 1) + low).reshape(full)
    x[:, 0], x[:, 1] = low, high
    return x if timed else x[0]


def make(out: Path) -> None:
    """Write every folder of vectors."""
    for name, program in programs().items():
        image = len(program.input.shape) > 1
        samples, timesteps = (3, 3) if image else (4, 10)
        x = inputs(program, samples, timesteps, timed=not image)
        write_vectors(program, x, timesteps, out / name, force=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("tests/vectors"))
    make(parser.parse_args().out)
