"""The words of a manifest: what nodes, constants and a timestep are called in the field, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping

from ..ir import Conv, Dense, Fold, Input, Integrator, Join, Neuron, Node, Offset, Pool, Readout, Unfold

CONVENTIONS = {
    "axes": "shapes leave out time and batch; axis 0 is the channel; arrays are in C order",
    "order of a timestep": [
        "decode the stored codes into levels of the membrane potential",
        "reset by the last output",
        "leak",
        "integrate: gain * (wide integer sum of the synapses) + bias",
        "encode: store the new codes",
        "fire from what was just stored",
    ],
    "exact order": "body.instructions of a neuron, one after the other; one without a range is for training alone",
    "immediate": "the value of a constant; of an encode, where gradients stop in training, which no run needs",
    "tables": "carry and levels begin at the lowest code of their state: [channel, code - lowest]; a carry of three "
    "axes is [channel, last output, code - lowest], and its lookup has the last output as second argument",
    "spike": "an integer in 0..spikes: the number of thresholds that the membrane potential reaches",
    "rounding": "a right shift rounds towards minus infinity (floor); a uniform code rounds half up",
    "overflow": "stored codes saturate, or wrap where a state says so; a sum fits its accumulator, by proof",
    "accumulator": "holds every partial sum in any order; in a neuron, the membrane before it is stored",
    "delay": "an input with delay d is that node's output d timesteps ago, and 0 before the first timestep",
    "substep": "nodes from an unfold to a fold run once for every substep of a timestep, in their order",
    "start": "every state starts at its rest code, every last output and integrator at 0",
    "unit": "real value = unit * integer; bookkeeping, no computation needs it",
    "class": "the largest readout; ties go to the lowest index",
}
KINDS: Mapping[type[Node], tuple[str, str]] = {
    Input: ("input", "what comes in, integers in its range"),
    Dense: ("dense", "y = weight @ x, x flattened in C order"),
    Conv: ("convolution", "cross-correlation with zero padding; weight [C_out, C_in / groups, H, W]"),
    Pool: ("pool", "a window over each channel, without padding"),
    Join: ("join", "elementwise: add of x_i * 2^shift_i; and, iand (not a, and b) of spikes"),
    Offset: ("offset", "y = x + offset, elementwise"),
    Unfold: ("unfold", "spikes of each substep d = 0, 1, ... of a timestep: y[d] = 1 where x > d, else 0"),
    Fold: ("fold", "the sum of a node's outputs over all substeps of a timestep"),
    Neuron: ("neuron", "a layer of spiking neurons, one body, constants for each channel"),
    Integrator: ("integrator", "y[t] = y[t-1] + x[t], from 0"),
    Readout: ("readout", "what comes out: the count (sum over time), the last, or the maximum over time"),
}
UNIT = "unit (scale): the real value of 1, per channel"
MEANINGS = {
    "gain": "gain: the signed power of two that the synaptic sum is multiplied with",
    "bias": "bias: added to the synaptic sum after the gain, at every timestep",
    "reset": "reset: what one spike takes from the membrane potential",
    "carry": "leak beta as a carry table: the membrane potential after reset and leak, by stored code",
    "leak.shift": "leak: the shift m of v - floor(v / 2^m), or b of floor(a * v / 2^b)",
    "leak.multiplier": "leak: the multiplier a of floor(a * v / 2^b)",
    "i.carry": "leak alpha as a carry table: the synaptic current after its leak, by stored code",
    "i.leak.shift": "leak of the synaptic current: the shift m of v - floor(v / 2^m), or b of floor(a * v / 2^b)",
    "i.leak.multiplier": "leak of the synaptic current: the multiplier a of floor(a * v / 2^b)",
    "a.carry": "leak rho as a carry table: the adaptation after its leak, by stored code",
    "a.leak.shift": "leak of the adaptation: the shift m of v - floor(v / 2^m), or b of floor(a * v / 2^b)",
    "a.leak.multiplier": "leak of the adaptation: the multiplier a of floor(a * v / 2^b)",
    "jump": "jump: what one spike adds to the adaptation, which raises every threshold",
}
CODEC_MEANINGS = {
    "levels": "level: the membrane potential that each code stands for",
    "boundaries": "boundary: the code of a value is the number of boundaries at or below it",
    "shift": "state scale: a code stands for code * 2^shift, and is rounded half up",
    "high": "top code: where this channel saturates",
}
