"""What a model will become in integers, worked out from its structure and its weights as they are.

Nothing is trained and no data are read: every layer is quantized as it stands, lowered and proved. What depends on
training (norms, trained weights) can only be guessed from the start values, and the report says which lines those are.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import torch

from ...errors import BadInput
from ...ir import Conv, Dense, Program, ranges, static_nodes
from ...lower import Lowering, lower_with_report, lowerability
from ...measure import fan_out, size_bits
from ...nn import Network, quantize
from ...nn.integers import EXACT
from ...quant import QuantConfig


@dataclass(frozen=True)
class LayerCheck:
    """One synapse, and the neurons behind it, as hardware would see them.

    Attributes:
        synapse: its name.
        inputs, outputs, synapses: numbers of values read and sent, and of connections, padding left out.
        reads: "spikes", or the largest integer it reads.
        sum_bits: proved width of its sums.
        room: 2^24 / the largest sum that the proof allows: below 1 float32 would round, and lowering refuses.
        operations: synaptic operations of an inference at the assumed firing rate.
    """

    synapse: str
    inputs: int
    outputs: int
    synapses: int
    reads: str
    sum_bits: int
    room: float
    operations: float


@dataclass(frozen=True)
class Check:
    """What was found.

    Attributes:
        report: the lowerability report.
        layers: one entry a synapse, in order; none where the model cannot be lowered.
        size: packed bits by part, and "float32": the same network in float32; none where it cannot be lowered.
        rate, timesteps: what operations assume: spikes per neuron and timestep, and T.
    """

    report: Lowering
    layers: tuple[LayerCheck, ...]
    size: Mapping[str, int]
    rate: float
    timesteps: int

    @property
    def lowers(self) -> bool:
        return not self.report.refused

    @property
    def operations(self) -> float:
        """Synaptic operations of an inference."""
        return sum(x.operations for x in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "lowers": self.lowers,
            **self.report.to_dict(),
            "synapses": [asdict(x) for x in self.layers],
            "size_bits": dict(self.size),
            "assumed": {"rate": self.rate, "timesteps": self.timesteps},
            "synops_per_inference": self.operations,
        }


def check(
    model: torch.nn.Module,
    config: QuantConfig,
    input_shape: tuple[int, ...],
    *,
    rate: float = 0.1,
    timesteps: int = 25,
    timed: bool = False,
) -> Check:
    """Quantize a model as it is, lower it, and say what it would take.

    Args:
        model: a plain model in full precision, or a Network; it is not changed.
        config: how it would be quantized.
        input_shape: of one frame, (C, H, W) or (N,).
        rate: assumed spikes per neuron and timestep, 0..1.
        timesteps: assumed T.
        timed: every timestep brings another frame; else one frame stays, and the first layer runs once. Every value of
            a frame counts as an event.

    Raises:
        NotLowerable, BadInput: a model that cannot even be traced, or read such inputs.
    """
    if not 0 <= rate <= 1:
        raise BadInput(
            f"the assumed firing rate must be in 0..1 spikes per neuron and timestep, not {rate:g}"
        )
    if timesteps < 1:
        raise BadInput(f"timesteps must be at least 1, not {timesteps}")
    net = copy.deepcopy(model) if isinstance(model, Network) else Network(copy.deepcopy(model))
    _runs(net, input_shape)
    made = quantize(net, config).eval()
    made.input_shape = tuple(input_shape)
    report = lowerability(made)
    if report.refused:
        return Check(report, (), {}, rate, timesteps)
    program, report = lower_with_report(made, input_shape=input_shape)
    size = size_bits(program, report.packing)
    return Check(
        report,
        _layers(program, rate, timesteps, timed),
        {"total": size.total, **size.parts, "float32": size.float32},
        rate,
        timesteps,
    )


def _runs(net: Network, input_shape: tuple[int, ...]) -> None:
    """One blank frame, so that shapes that do not fit are named."""
    with torch.no_grad():
        try:
            net.eval()(torch.zeros(1, 1, *input_shape, dtype=torch.uint8))
        except (BadInput, RuntimeError) as e:
            given = ",".join(map(str, input_shape))
            why = " ".join(str(e).split())
            raise BadInput(
                f"the model must read frames of {given}, but {why}; give the shape of its frames (--input-shape)"
            ) from e


def _layers(program: Program, rate: float, timesteps: int, timed: bool) -> tuple[LayerCheck, ...]:
    proved, still = ranges(program, timesteps), static_nodes(program)
    made: list[LayerCheck] = []
    for n in program:
        if not isinstance(n, (Dense, Conv)):
            continue
        source = proved[n.source.source]
        fan = fan_out(n, program.shapes[n.source.source])
        behind_input = n.source.source in still
        once = behind_input and not timed  # computed once, whatever T is
        largest = max(-proved[n.name].sum_low, proved[n.name].sum_high, 1)
        made.append(
            LayerCheck(
                n.name,
                int(fan.size),
                prod(program.shapes[n.name]),
                int(fan.sum()),
                "spikes" if source.low >= 0 and source.high <= 1 else f"0..{source.high}",
                proved[n.name].bits,
                EXACT / largest,
                float(fan.sum()) * (1.0 if once else timesteps if behind_input else rate * timesteps),
            )
        )
    return tuple(made)
