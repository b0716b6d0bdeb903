"""Claims of papers and of ours, as differences between networks that were trained here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..measure import Interval


@dataclass(frozen=True)
class Trend:
    """One comparison of a claim; the claim says that the difference is positive.

    Attributes:
        claim: which.
        name: what is compared, such as "both, QAT".
        bits: of what is quantized.
        difference: in points or in spikes per timestep, and its 95 % interval.
        pairs: what is paired: "seeds", "folds" or, with one seed, "test samples".
    """

    claim: str
    name: str
    bits: int
    difference: Interval
    pairs: str

    @property
    def verdict(self) -> str:
        """ "holds", "does not hold", "within noise" where the interval holds 0, or "one seed" where there is none."""
        d = self.difference
        if d.low is None or d.high is None:
            return "one seed"
        if d.low <= 0 <= d.high:
            return "within noise"
        return "holds" if d.low > 0 else "does not hold"


def verdicts(found: Sequence[Trend], claim: str) -> str:
    """How often a claim holds, of the comparisons of it."""
    of_it = [t.verdict for t in found if t.claim == claim]
    parts = [
        f"{word} in {of_it.count(word)}"
        for word in ("holds", "within noise", "does not hold", "one seed")
        if word in of_it
    ]
    return f"{', '.join(parts)} of {len(of_it)} comparisons"
