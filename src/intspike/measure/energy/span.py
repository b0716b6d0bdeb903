"""An energy, or the energy of one operation, as a value inside an interval. Exact: rational numbers of picojoules."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

UNITS = {"fJ": Fraction(1, 1000), "pJ": Fraction(1), "nJ": Fraction(1000), "uJ": Fraction(10**6)}


@dataclass(frozen=True)
class Span:
    """low <= value <= high, in picojoules."""

    low: Fraction = Fraction(0)
    value: Fraction = Fraction(0)
    high: Fraction = Fraction(0)

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.value + other.value, self.high + other.high)

    def __mul__(self, factor: int | Fraction) -> Span:
        return Span(self.low * factor, self.value * factor, self.high * factor)

    def __str__(self) -> str:
        size = max(self.value, self.high)
        unit = next((u for u in ("uJ", "nJ", "pJ") if size >= UNITS[u]), "fJ")
        low, value, high = (float(x / UNITS[unit]) for x in (self.low, self.value, self.high))
        return f"{value:.4g} {unit} ({low:.4g} to {high:.4g})"

    def to_dict(self) -> dict[str, float]:
        """The three numbers in picojoules."""
        return {"low": float(self.low), "value": float(self.value), "high": float(self.high)}


def total(spans: list[Span]) -> Span:
    """Their sum: as if all coefficients were at the same end at once."""
    made = Span()
    for s in spans:
        made = made + s
    return made
