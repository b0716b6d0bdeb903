"""The share of the machine's int8 peak that dense inference of every shipped layer shape reaches.

The peak is measured, not looked up: `peak.c` on all threads, in turns with the layers, doing as many multiplications.
Only multiplications that the layer needs count, so padding to whole vectors lowers the share.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import partial
from pathlib import Path

from intspike.native import compiler, default_threads, load, split
from intspike.native.synapse import lanes

from .catalog import peak_of
from .harness import Missing, Result, Tell, interleave
from .synapses import LAYERS, Layer, Synapse

# Of a call, about: it repeats the work on frames that stay in the caches, where tiles of a network are as well
_MACS = 5e8


def measure(name: str, rounds: int, tell: Tell) -> list[Result]:
    library = _library()
    a_round: int = library.macs_a_round()
    synapses = {layer.name: _synapse(layer) for layer in LAYERS}
    contenders: dict[str, Callable[[], object]] = {}
    macs: dict[str, int] = {}
    for layer in LAYERS:
        contenders[layer.name] = partial(synapses[layer.name].run, "dense")
        macs[layer.name] = layer.macs * layer.resident * synapses[layer.name].repeats
        contenders[peak_of(layer.name)] = partial(_peak, library, macs[layer.name] // a_round)
    times = interleave(contenders, rounds, tell, calls=5)
    return [
        Result(
            peak_of(layer.name),
            times[layer.name],
            times[peak_of(layer.name)],
            synapses[layer.name].equal("dense"),
            "integers of 64 frames == torch in float64",
            note=f"{2e-6 * macs[layer.name] / times[peak_of(layer.name)].median:,.0f} GOP/s at the peak",
        )
        for layer in LAYERS
    ]


def _synapse(layer: Layer) -> Synapse:
    return Synapse(layer, 0.2, layer.resident, max(1, round(_MACS / (layer.macs * layer.resident))))


def _library() -> ctypes.CDLL:
    cc = compiler()
    if cc is None:
        raise Missing("the peak needs a C compiler")
    library = load(lanes() + (Path(__file__).parent / "peak.c").read_text("utf-8"), cc)
    library.peak.argtypes, library.peak.restype = [ctypes.c_int64], ctypes.c_int32
    return library


def _peak(library: ctypes.CDLL, needed: int) -> None:
    split(lambda first, last: library.peak(last - first), needed, default_threads())
