"""What a check found, as tables."""

from __future__ import annotations

from ..report.content import Table
from ..report.style import short, size
from .check import Check


def tables(c: Check) -> list[Table]:
    """Layers, neurons, parameters; only what is refused where the model does not lower."""
    if not c.lowers:
        rows = [[p.layer, p.name, p.status, p.detail] for p in c.report.refused]
        return [Table("Refused", ("layer", "what", "", "repair"), rows)]
    return [_synapses(c), _neurons(c), _size(c)]


def _synapses(c: Check) -> Table:
    rows = [
        [
            x.synapse,
            x.reads,
            f"{x.outputs:,}",
            f"{x.synapses:,}",
            str(x.sum_bits),
            f"{x.room:,.0f} x" if x.room >= 10 else f"{x.room:.2f} x",
            short(x.operations),
        ]
        for x in c.layers
    ]
    rows.append(["all", "", "", f"{sum(x.synapses for x in c.layers):,}", "", "", short(c.operations)])
    heads = ("synapse", "reads", "outputs", "connections", "sum bits", "room to 2^24", "SynOps")
    return Table(
        f"Synapses; operations of an inference at {c.rate:g} spikes per neuron and timestep, T = {c.timesteps}",
        heads,
        rows,
    )


def _neurons(c: Check) -> Table:
    rows = [
        [
            x.name,
            str(x.state_bits),
            f"{x.theta[0]}..{x.theta[1]}",
            str(x.membrane_bits),
            x.stuck_text(),
            str(x.constant),
        ]
        for x in c.report.layers
    ]
    heads = ("neurons", "state bits", "theta, LSB", "wide sum bits", "stuck codes", "constant")
    return Table("Neurons, with thresholds of weights and norms as they are now", heads, rows)


def _size(c: Check) -> Table:
    rows = [[name, size(bits)] for name, bits in c.size.items() if bits]
    return Table("Packed size", ("part", "size"), rows)
