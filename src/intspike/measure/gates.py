"""Gates: how far firing may drift before a command fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ..errors import BadInput, DriftExceeded
from .firing import LayerFiring


@dataclass(frozen=True)
class Gates:
    """The most that the pooled measures of all layers may be. Layers are not judged one by one.

    Attributes:
        emd: earth mover's distance of the firing rates, spikes per timestep.
        newly_dead: neurons that fired before and never after: a number (int), or a share of all neurons (Fraction).
        paired: mean distance of each neuron's firing rate from its own, spikes per timestep.
    """

    emd: float | None = None
    newly_dead: int | Fraction | None = None
    paired: float | None = None

    def broken(self, name: str, pooled: LayerFiring) -> list[str]:
        """What a network called so exceeds, in words; nothing where it keeps every gate."""
        found: list[str] = []
        for called, option, value, most in (
            ("EMD", "--max-emd", pooled.emd, self.emd),
            ("paired distance", "--max-paired", pooled.paired_distance, self.paired),
        ):
            if most is not None and value > most:
                found.append(f"the pooled {called} of {name} is {value:.6g}, above {option} {most:g}")
        limit = self.newly_dead
        if limit is not None:
            most = limit * pooled.neurons if isinstance(limit, Fraction) else limit
            if pooled.newly_dead > most:
                share = f" ({100 * pooled.newly_dead / pooled.neurons:.3g} %)"
                shown = f"{float(100 * limit):g}%" if isinstance(limit, Fraction) else f"{limit}"
                found.append(
                    f"{pooled.newly_dead} of {pooled.neurons} neurons{share} are newly dead in {name}, above "
                    f"--max-newly-dead {shown}"
                )
        return found


def parse_gates(max_emd: float | None, max_newly_dead: str | None, max_paired: float | None = None) -> Gates:
    """Gates from the options of a command.

    Args:
        max_emd: from 0 up.
        max_newly_dead: "N" neurons, or "N%" of all neurons.
        max_paired: from 0 up.

    Raises:
        BadInput: no such number.
    """
    for option, most in (("--max-emd", max_emd), ("--max-paired", max_paired)):
        if most is not None and not 0 <= most < float("inf"):
            raise BadInput(f"{option} must be a number from 0 up, not {most}")
    if max_newly_dead is None:
        return Gates(max_emd, paired=max_paired)
    text = max_newly_dead.strip()
    if text.endswith("%") and re.fullmatch(r"\d{1,3}(\.\d+)?", text[:-1].strip()):
        share = Fraction(text[:-1].strip()) / 100
        if share <= 1:
            return Gates(max_emd, share, max_paired)
    if re.fullmatch(r"\d{1,18}", text):
        return Gates(max_emd, int(text), max_paired)
    raise BadInput(
        f"--max-newly-dead must be a number of neurons such as 20, or a share of them such as 0.5%, not "
        f"{max_newly_dead!r}"
    )


def judge(gates: Gates, drifted: Mapping[str, LayerFiring]) -> None:
    """Raise where a network drifted too far.

    Args:
        drifted: the pooled measures of each network, by name.

    Raises:
        DriftExceeded: one line with everything that is above its gate.
    """
    found = [words for name, pooled in drifted.items() for words in gates.broken(name, pooled)]
    if found:
        raise DriftExceeded(
            f"firing must drift no further than the gates allow, but {'; '.join(found)}; quantize less, train longer, "
            "or raise the gate"
        )
