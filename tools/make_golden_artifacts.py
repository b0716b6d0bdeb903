"""Make the artifacts and listings that every later version must read. An existing artifact is never rewritten.

    python tools/make_golden_artifacts.py --out tests/ir/golden              # what is missing
    python tools/make_golden_artifacts.py --out tests/ir/golden --listings   # and every listing anew

A new format version adds programs here under new names; the files of older versions stay as they are. Listings
may be made anew when their wording or the range proofs change, never to hide that an artifact reads differently.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from intspike.ir import Conv, Dense, Edge, Input, Integrator, Join, Neuron, Pool, Program, Readout, frozen
from intspike.ir.artifact import load, save
from intspike.neuron import IF, LIF
from intspike.neuron.base import Neuron as Equation
from intspike.neuron.constants import constants
from intspike.ops import Carry, Dyadic, FastSigmoid, Form, Table, Triangle, Uniform, trace


def layer(name: str, source: Edge, theta: list[int], equation: Equation, form: Form, **more: Any) -> Neuron:
    """Neurons with one threshold a channel; `more` goes to `constants`."""
    channels = len(theta)
    made = constants(
        equation,
        form,
        gain=np.array([8, -8] * channels)[:channels],
        bias=np.arange(channels) - 1,
        theta=np.array(theta),
        beta=np.full(channels, 0.75),
        **more,
    )
    return Neuron(name, source, trace(equation, form), {p: frozen(a) for p, a in made.items()})


def codes(*shape: int, most: int) -> np.ndarray:
    """Weight codes of a shape in -most..most, without a random generator that could change."""
    size = int(np.prod(shape))
    return frozen((np.arange(size) * 7919 % (2 * most + 1) - most).reshape(shape))


def loop() -> Program:
    """Recurrence, joins, several spikes, uniform codes in both codecs, units, notes."""
    several = LIF(spikes=2, compare=">", surrogate=FastSigmoid(2.5), reset_order="after leak")
    wrapped = Form(Uniform(8, -64, "wrap", "before reset"), Dyadic(6))
    kept = Form(Uniform(5, -16), Dyadic(4), blocked="ends")
    nodes = (
        Input("events", (4,), -2, 9),
        Dense("forward", Edge("events"), codes(3, 4, most=7)),
        Dense("back", Edge("first", 2), codes(3, 3, most=300)),
        Join("sum", (Edge("forward"), Edge("back")), "add", (2, 0)),
        layer("first", Edge("sum"), [160, 170, 180], several, wrapped, shift=np.array([2, 3, 4])),
        layer("second", Edge("forward"), [160, 160, 320], LIF(), kept, shift=np.array([3, 4, 5])),
        Join("both", (Edge("first"), Edge("second")), "and"),
        Join("neither", (Edge("both", 1), Edge("second")), "iand"),
        Readout("out", Edge("neither"), "maximum"),
    )
    units = {"forward": np.array([0.5, 0.25, 1 / 3]), "first": np.array([0.0625, 1e-3, 2.0])}
    return Program(
        nodes, units, {"origin": "tools/make_golden_artifacts.py", "version": "format 1\nthe first"}
    )


def images() -> Program:
    """Convolutions, every pool, table codes in both codecs, a refractory time, an integrator."""
    after, before = Form(Table(3, 2, "after reset")), Form(Table(3, 1, "before reset"), Carry("nearest"))
    below = [-3 / 4, -1 / 4, 0, 0.2, 0.4, 0.6, 0.8, 0.95]
    around = [-1 / 2, 0, 1 / 4, 1 / 2, 3 / 4, 1, 3 / 2, 5 / 2]
    waiting = IF(refractory=3, reset="zero", surrogate=Triangle(0.5))
    nodes = (
        Input("image", (2, 6, 6)),
        Conv("conv1", Edge("image"), codes(2, 2, 3, 3, most=7), padding=(1, 1)),
        Pool("pool1", Edge("conv1"), "max", (2, 2), (2, 2), frozen([0, 1])),
        layer("lif1", Edge("pool1"), [160, 200], LIF(), before, fractions=around),
        Conv("conv2", Edge("lif1"), codes(2, 1, 2, 2, most=90), stride=(1, 1), groups=2),
        Pool("pool2", Edge("conv2"), "sum", (2, 1), (1, 1)),
        layer("if2", Edge("pool2"), [160, 320], waiting, after, fractions=below),
        Pool("pool3", Edge("if2"), "or", (1, 2), (1, 1)),
        Dense("head", Edge("pool3"), codes(3, 2, most=1)),
        Integrator("total", Edge("head"), 20),
        Readout("out", Edge("total"), "last"),
    )
    return Program(nodes)


PROGRAMS: Mapping[str, Callable[[], Program]] = {"v1-loop": loop, "v1-images": images}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the artifacts that every later version must read.")
    parser.add_argument("--out", type=Path, required=True, help="the folder of golden artifacts")
    parser.add_argument("--listings", action="store_true", help="make the listings anew from the artifacts")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, program in PROGRAMS.items():
        artifact, listing = (arguments.out / f"{name}{end}" for end in (".intspike", ".txt"))
        if not artifact.exists():
            save(program(), artifact)
            print(f"made {artifact}")
        if arguments.listings or not listing.exists():
            listing.write_text(str(load(artifact)), encoding="utf-8")
            print(f"made {listing}")


if __name__ == "__main__":
    main()
