"""What the numbers of the neuron study are of."""

from __future__ import annotations

from collections.abc import Mapping

from ..rows import Row
from .cells import NeuronCell
from .work import TABLE


def notes(rows: Mapping[str, Row[NeuronCell]]) -> list[str]:
    """What the numbers are of."""
    done = [r for r in rows.values() if r.done]
    cell = next(iter(rows.values())).cell
    data = done[0].record(min(done[0].done))["data"] if done else cell.dataset
    chosen = (
        "the last network of a training is kept"
        if cell.language
        else "models are chosen on validation samples"
    )
    made = [
        f"Data: {data}. Network: {cell.model}, its neurons replaced. {cell.epochs} epochs of each training in "
        f"batches of {cell.batch_size}; {chosen}. beta starts from {cell.beta:g}, D is {cell.spikes}.",
        "T x substeps is the length of an inference in binary spikes. Integer neurons send D of them in a timestep, "
        "ordinary ones one; of static samples all networks have as many substeps.",
        "Spikes are those that are sent, without shifts; operations are additions of the unfolded program. Energy is "
        f"exact counts times the table {TABLE}: an estimate of a machine, in floating point for full precision.",
        "Quantized networks go on from full precision for as many epochs, with weights and membrane potentials of so "
        "many bits, threshold-centred, finest at the threshold (compander), reaching as far below rest as training "
        "samples ask for, and stored after reset. Both forms, integers and binary spikes, are compared in torch and "
        "in two engines.",
    ]
    if cell.language:
        made.append(
            f"Less is better: bits per character of text that was held out, in windows of {cell.timesteps} that begin "
            "at rest; differences are bits saved. A character is one timestep of all neurons, so ordinary ones send "
            "fewer spikes. Leaks of the layers that mix characters are learned, whatever the neuron (LIF there is "
            "PLIF), and the other layers remember nothing, but for IF neurons."
        )
    if any(r.cell.baseline for r in rows.values()):
        made.append(
            "Baselines are no spiking networks: they are in full precision, trained by the same loop for as many "
            "epochs on the same batches, with a learning rate of their own; GRU and transformer have as many "
            "parameters as the spiking network, as far as their widths allow. Seconds of a training are those of this "
            "machine, whatever else it did."
        )
    return made
