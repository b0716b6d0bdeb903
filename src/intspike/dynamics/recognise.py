"""Programs that are integer networks: what is proved of these then holds for them."""

from __future__ import annotations

import numpy as np

from ..errors import BadInput
from ..ir import Conv, Dense, Input, Join, Neuron, Pool, Readout
from ..ops import Body, Uniform
from .cascade import still
from .map import Ints
from .network import IntegerNetwork
from .program_map import ProgramMap

_MOST = 2048  # neurons: their weights are found one by one


def as_network(network: ProgramMap) -> IntegerNetwork | None:
    """The integer network that a program is under its drive; None where it is none.

    It is one where a single layer of IF or LIF neurons, stored before reset as integers of step 1, reads sums of the
    input and of what it sent one timestep ago. States are then the same, without the outputs.
    """
    program = network.program
    if len(program.neurons) != 1 or network.neurons > _MOST:
        return None
    (n,) = program.neurons
    if not all(isinstance(m, (Input, Dense, Conv, Pool, Join, Neuron, Readout)) for m in program):
        return None
    between = [m for m in program if isinstance(m, (Dense, Conv, Pool, Join))]
    linear = all(isinstance(m, (Dense, Conv)) or m.kind in ("add", "sum") for m in between)
    delays = all(
        e.delay == (1 if e.source == n.name else 0) for m in program for e in m.edges if m in [*between, n]
    )
    codec = n.body.codec("u")
    if not linear or not delays or not isinstance(codec, Uniform) or len(n.body.states) > 1:
        return None
    shifts = n.parameters.get("leak.shift", np.array([-1]))
    if (
        (n.parameters["u.shift"] != 0).any()
        or (shifts != shifts[0]).any()
        or codec.low not in (0, -(1 << codec.bits - 1))
    ):
        return None
    of = lambda name, missing: np.broadcast_to(  # noqa: E731
        n.parameters.get(name, np.array([missing])).reshape(-1, *(1,) * (len(program.shapes[n.name]) - 1)),
        program.shapes[n.name],
    ).reshape(-1)
    nothing = np.zeros(program.shapes[program.input.name], np.int64)
    silent = np.zeros(program.shapes[n.name], np.int64)
    drive = np.stack([_current(network, n, frame, silent) for frame in network.frames])
    columns = [
        _current(network, n, nothing, one.reshape(silent.shape))
        for one in np.eye(network.neurons, dtype=np.int64)
    ]
    try:
        made = IntegerNetwork(
            np.stack(columns, 1) * of("gain", 1)[:, None], of("theta", 1), codec.bits, codec.overflow, n.body.reset,
            codec.low < 0, None if shifts[0] < 0 else int(shifts[0]), drive * of("gain", 1) + of("bias", 0),
        )  # fmt: skip
    except BadInput:  # numbers that such a network does not hold
        return None
    return made if _same(made.body, n.body) else None


def _same(a: Body, b: Body) -> bool:
    fields = ("instructions", "states", "stores", "spike", "spikes", "reset", "strict")
    return all(getattr(a, f) == getattr(b, f) for f in fields)


def _current(network: ProgramMap, n: Neuron, frame: Ints, sent: Ints) -> Ints:
    """What a layer receives, [N], of an input and of what it sent."""
    values: dict[str, Ints] = {network.program.input.name: frame, n.name: sent}
    wanted = n.source.source
    left = [m for m in network.program if m.name not in values]
    while wanted not in values:
        m = next(m for m in left if all(e.source in values for e in m.edges))
        left.remove(m)
        made = still(m, [values[e.source] for e in m.edges])
        assert made is not None
        values[m.name] = made
    return values[wanted].reshape(-1)
