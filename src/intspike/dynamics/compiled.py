"""The compiled way of a map, whichever it is; everything works without it, by the definition."""

from __future__ import annotations

from ..native import default_threads
from .kernel import Kernel, kernel
from .map import Ints, Map
from .network import IntegerNetwork
from .program_kernel import ProgramKernel, program_kernel
from .program_map import ProgramMap
from .rich_network import RichNetwork

Compiled = Kernel | ProgramKernel


def compiled(network: Map) -> Compiled | None:
    """The compiled timesteps of a map; None where there is no compiler."""
    if isinstance(network, IntegerNetwork):
        return kernel(network)
    if isinstance(network, RichNetwork):
        return program_kernel(network.whole)
    return program_kernel(network) if isinstance(network, ProgramMap) else None


def advance(network: Map, states: Ints, steps: int, phase: int = 0, *, threads: int | None = None) -> Ints:
    """States [..., width] after so many timesteps: `run(...).states[-1]`, compiled where that can be."""
    u = network.checked(states)
    made = compiled(network)
    if made is not None and steps > 0:
        flat = made.advance(
            u.reshape(-1, network.width), steps, phase, default_threads() if threads is None else threads
        )
        return flat.reshape(u.shape)
    for t in range(steps):
        u = network.step(u, phase + t)
    return u if steps > 0 else u.copy()
